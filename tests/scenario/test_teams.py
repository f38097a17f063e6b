"""An incident whose team talks in Microsoft Teams: the summary, turns, questions and their ends are new messages."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from allclear.company import Company
from allclear.domain.notify.delivery import MAY_BE_REPEAT
from allclear.domain.plan.people import Person
from allclear.domain.pseudo_phases import LIVE_MESSAGE
from allclear.domain.runbook import Phase
from allclear.domain.systems import System
from allclear.simulator.faults import Fault
from allclear.simulator.teams_flow import text_of
from tests.scenario.response_support import ALERT, broken
from tests.scenario.response_support import vintstreet as small_vintstreet
from tests.scenario.scenes import Scene, scene
from tests.scenario.test_live_messages import answer, later
from tests.unit.domain.stories import ANA

ENDPOINT = "https://acme.12.environment.api.powerplatform.com"


def in_teams() -> Company:
    """Return VintStreet with its message to the team in Teams, and with the user name of the person on call."""
    company = small_vintstreet()
    teams = System.model_validate({"endpoint": ENDPOINT, "secret": "TEAMS_WEBHOOK_URL"})
    systems = company.systems.model_copy(update={"systems": company.systems.systems | {"teams": teams}})
    ana = {"name": "Ana", "roles": ["on_call", "tech_lead"], "contacts": {"teams": "ana@example.com"}}
    plan = company.plan.model_copy(update={"people": [*company.plan.people, Person.model_validate(ana)]})
    runbooks = {
        name: book.model_copy(
            update={
                "detect": [
                    step.model_copy(update={"action": "teams.post"}) if step.id == "internal-alert" else step
                    for step in book.detect
                ]
            }
        )
        for name, book in company.runbooks.items()
    }
    return replace(company, plan=plan, systems=systems, runbooks=runbooks)


def channel(it: Scene) -> list[str]:
    """Return what stands in the channel, oldest first."""
    return [text_of(card) for card in it.simulated.world.teams.cards]


def cards_about(it: Scene, words: str) -> list[dict[str, Any]]:
    """Return the cards whose text holds some words, oldest first."""
    return [card for card in it.simulated.world.teams.cards if words in text_of(card)]


async def test_the_team_reads_each_turn_and_question_once_and_the_news_every_five_minutes(tmp_path: Path) -> None:
    """Teams can change no message: a question's end and the summary's news are new ones."""
    async with scene(tmp_path, in_teams(), broken(), ALERT) as it:
        await it.past_detection()
        await later(it)
        first = channel(it)
        assert "Status: INVESTIGATING" in first[0]
        (question,) = [card for card in cards_about(it, "may answer.") if "Send all traffic" in text_of(card)]
        assert "SIMULATED" in text_of(question)
        await later(it)
        assert channel(it) == first
        it.engine.people.acknowledge(it.incident_id, ANA)
        answer(it, "roll-back")
        await it.to(Phase.CONTAIN)
        await later(it)
        (end,) = [card for card in cards_about(it, "Closed: ") if "Send all traffic" in text_of(card)]
        assert "Ana" in text_of(end) or "approved" in text_of(end)
        assert not any(act.proposed.phase == LIVE_MESSAGE for act in it.incident.acts.values())
        it.watch.now += timedelta(minutes=5)
        await later(it)
        (news,) = [act for act in it.incident.acts.values() if act.proposed.phase == LIVE_MESSAGE]
        assert news.outcome is not None
        assert news.outcome.good
        last = next(text for text in reversed(channel(it)) if "Status: CONTAINED" in text)
        assert "Started:" not in last
        assert it.simulated.world.teams.failures == []
        assert it.simulated.secrets["teams"] not in str(it.engine.journal.entries(it.incident_id))


async def test_a_question_without_an_answer_of_teams_is_posted_again_as_a_repeat(tmp_path: Path) -> None:
    """The flow was started and no answer came: no one can look, so the second one says that it may be a repeat."""
    async with scene(tmp_path, in_teams(), broken(), ALERT) as it:
        await it.past_detection()
        it.simulated.world.faults.set(Fault(api="teams", method="post", kind="answer_lost"))
        await later(it)
        it.watch.now += timedelta(minutes=1)
        await later(it)
        repeated = [text for text in channel(it) if MAY_BE_REPEAT in text]
        assert len(repeated) == 1
        whole = repeated[0].removeprefix(f"{MAY_BE_REPEAT}\n")
        assert channel(it).count(whole) == 1
