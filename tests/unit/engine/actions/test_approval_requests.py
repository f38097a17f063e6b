"""The text of an approval: the reason that it gives is a check of the service, with its time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from io import StringIO
from typing import Any, cast

from rich.console import Console

from allclear.domain.action import Change, Finding, State, Verdict
from allclear.domain.approval import ONE_PERSON, Ask
from allclear.domain.incident import Incident
from allclear.domain.proof import Proof
from allclear.domain.question import text_now
from allclear.domain.records import StepDone
from allclear.engine.actions.approval_requests import approval_ask
from allclear.reports.incident_summary import show
from allclear.responder.pages.sign_in import Viewer
from allclear.responder.pages.view import Source, incident_page
from tests.unit.domain.stories import HEALTH, TROUBLE, Story, plan


class Setting(State):
    """A state with one field."""

    value: str


def asked(incident: Incident) -> Ask:
    """Return the question whether an update is published."""
    change = Change[Any](
        resource="run:web",
        action="status_page.update",
        deadline=timedelta(minutes=1),
        summary="Publish.",
        before=Setting(value="a"),
        after=Setting(value="b"),
        risk="Customers read it.",
        undo="Publish again.",
    )
    return approval_ask(incident, ("contain", "roll-back", "contain/roll-back"), change, ONE_PERSON, plan().zone)


def reason(incident: Incident, text: str = "") -> str:
    """Return why the change is asked for, in the text of a question: by default, one that is asked now."""
    return next(line for line in (text or asked(incident).text).splitlines() if line.startswith("Why: "))


def checked(finding: Finding, *, health_check: bool = False, proves: Any = None) -> StepDone:  # noqa: ANN401 - a literal
    """Return the record of a probe."""
    return StepDone(
        phase="detect", step=f"s{finding.verdict}", title="t", finding=finding, health_check=health_check, proves=proves
    )


def test_the_reason_is_the_last_check_of_the_service_and_not_the_last_probe() -> None:
    """A later probe that decides nothing, as of an address that answers 200, does not argue against the change."""
    other = Finding(verdict=Verdict.SUCCESS, sentence="It answered 200 in 54 ms.", facts={"status": 200})
    story = Story().opened().after(1).record(checked(TROUBLE, health_check=True)).after(7).record(checked(other))
    assert reason(story.incident).endswith(f"Last check of the service, 14:31 UTC: {TROUBLE.sentence}")


def test_the_reason_says_if_the_check_was_before_the_last_change() -> None:
    """A rollback was made since, so the failures of before are marked."""
    story = Story().opened().verified().record(checked(TROUBLE, health_check=True)).paged().roll_back_proposed()
    story.answered("contain/roll-back", "errors").done("contain/roll-back", "41 serves.")
    incident = story.incident
    incident.service_changed = incident.length  # as replay sets it for an act that changes how users are served
    assert "UTC, before the last change: " in reason(incident)
    proof = checked(HEALTH, proves="containment")
    assert reason(story.record(proof).incident).endswith(f"UTC: {HEALTH.sentence}")
    assert "Last check of containment" in reason(story.incident)


def test_without_such_a_check_the_reason_names_none() -> None:
    """The title ends the line."""
    assert "check" not in reason(Story().opened().incident)


def test_the_newest_check_stands_in_the_question_on_the_page_and_on_the_command_line() -> None:
    """A question that was asked before the check gives it as the reason, too; the rest of its text stays."""
    story = Story().opened().record(checked(TROUBLE, health_check=True)).roll_back_proposed()
    before, (state,) = asked(story.incident), story.incident.asks.values()
    state = replace(state, ask=before)
    incident = story.after(20).record(checked(HEALTH, proves="containment")).incident
    text, newest = text_now(incident, state, story.now, plan().zone), f"containment, 14:50 UTC: {HEALTH.sentence}"
    assert reason(incident, text).endswith(f"Last check of {newest}")
    assert text.replace(reason(incident, text), reason(incident, before.text)) == before.text
    viewer = Viewer("Ana", Proof.LINK, "on_call")
    page = incident_page(Source(incident, story.entries, plan(), "VintStreet", viewer, story.now))
    assert f"Last check of {newest}" in page.impact_facts
    terminal = Console(width=200, file=StringIO())
    terminal.print(show(incident, story.entries, plan(), story.now))
    (row,) = [line for line in cast("StringIO", terminal.file).getvalue().splitlines() if "Last check" in line]
    assert row.split(maxsplit=2)[2].strip() == newest
