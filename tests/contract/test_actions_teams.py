"""Posting in the simulated Teams: what the channel shows, what the record knows, and each way in which a flow fails."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from allclear.domain.action import Verdict
from allclear.domain.errors import AllclearError, AnswerLost, Denied
from allclear.domain.links import LinkTo
from allclear.domain.notify.channel import Card
from allclear.domain.notify.delivery import MAY_BE_REPEAT, Delivery
from allclear.simulator.teams_flow import text_of
from tasks.teams import PostInTeams
from tests.contract.actions_support import SimulatedContext, each_write_fault, production, worked_out
from tests.contract.simulator_support import Simulated, fault, recorded
from tests.unit.fakes_context import FakeRecord

TEXT = "🚨 Payments fail\nStatus: INVESTIGATING\nUpdates:\n02:10 Opened."
POST = {"message": "VS-1-alert", "text": TEXT}


class Pages:
    """The links to a page that people can open."""

    def href(self, to: LinkTo) -> str:
        """Return the plain page."""
        return f"https://allclear.example.com/i/{to.incident}"


async def posted(action: PostInTeams, **raw: Any) -> Any:  # noqa: ANN401 - the state
    """Post as the executor does, let the record hold the outcome, and return the state and its finding."""
    params, change = await worked_out(action, **raw)
    if action.target_reached(change, await action.observe(params)):
        return change.before, None
    receipt = await action.apply(params, change, "VS-1/detect/alert")
    after = action.state_after(change, await action.observe_result(params), receipt)
    record = action.context.record
    assert isinstance(record, FakeRecord)
    record.states[action.resource(params)] = after.model_dump(mode="json")
    record.unanswered.discard(action.resource(params))
    return after, action.verify(change, after, receipt)


def shown(sim: Simulated) -> list[str]:
    """Return the texts in the channel, oldest first."""
    return [text_of(card) for card in sim.world.teams.cards]


async def test_a_message_is_a_card_and_counts_as_accepted() -> None:
    """202 says that the flow was started, and no more than that."""
    async with production() as (sim, context):
        context.links = Pages()
        people = ["ana@example.com"]
        link = {"incident": "VS-1"}
        state, finding = await posted(PostInTeams(context), **POST, facts={"Lead": "Ana"}, people=people, link=link)
        assert shown(sim) == [f"{TEXT}\nLead: Ana\n<at>ana@example.com</at>"]
        (card,) = sim.world.teams.cards
        assert [one["url"] for one in card["actions"]] == ["https://allclear.example.com/i/VS-1"]
        assert state.deliveries == {"Incidents": Delivery.ACCEPTED}
        assert (finding.verdict, "No answer shows" in finding.sentence) == (Verdict.SUCCESS, True)
        assert "allclear.example.com" not in state.model_dump_json()


async def test_a_changed_message_is_a_new_one_that_says_what_changed_and_the_same_is_not_posted_again() -> None:
    """Nothing in Teams can be changed, so that the news alone is posted."""
    async with production() as (sim, context):
        action = PostInTeams(context)
        await posted(action, **POST)
        await posted(action, **POST)
        await posted(action, **POST | {"text": TEXT.replace("INVESTIGATING", "CONTAINED")})
        assert shown(sim) == [TEXT, "Status: CONTAINED"]


async def test_a_question_is_posted_whole_and_its_end_too() -> None:
    """Its link leads to the page, with the question."""
    async with production() as (sim, context):
        context.links = Pages()
        action = PostInTeams(context)
        card = Card(ask="VS-1/contain/roll-back", who="Ana may answer.")
        raw = POST | {"message": "VS-1-alert/ask-3", "text": "VS-1: Ana must answer."}
        await posted(action, **raw, card=card.model_dump())
        await posted(action, **raw, card=card.model_copy(update={"closed": "Closed: Ana approved."}).model_dump())
        assert shown(sim) == [
            "VS-1: Ana must answer.\nAna may answer.",
            "VS-1: Ana must answer.\nClosed: Ana approved.",
        ]
        titles = [one["title"] for card in sim.world.teams.cards for one in card["actions"]]
        assert titles == ["Answer on the incident's page", "Open the incident's page"]


async def test_after_a_lost_answer_the_message_is_marked_as_a_repeat() -> None:
    """It may be in the channel, and no one can look."""
    async with production() as (sim, context):
        action = PostInTeams(context)
        params, change = await worked_out(action, **POST)
        await fault(sim, "teams", "post", "answer_lost")
        with pytest.raises(AnswerLost):
            await action.apply(params, change, "key")
        after = action.state_after(change, await action.observe(params), None)
        assert action.verify(change, after, None).verdict is Verdict.INCONCLUSIVE
        record = context.record
        assert isinstance(record, FakeRecord)
        record.unanswered.add(action.resource(params))
        await posted(action, **POST)
        assert shown(sim) == [TEXT, f"{MAY_BE_REPEAT}\n{TEXT}"]
        await posted(action, **POST | {"text": f"{TEXT}\n02:15 Ana took it."})
        assert shown(sim)[2] == "Updates:\n02:15 Ana took it."


@each_write_fault("post in Incidents")
async def test_each_fault_is_one_sentence_and_no_second_post(kind: str, error: type[AllclearError], words: str) -> None:
    """A refusal posted nothing, and a lost answer may have."""
    words = "by users of the company only" if kind == "permission_denied" else words
    async with production() as (sim, context):
        action = PostInTeams(context)
        params, change = await worked_out(action, **POST)
        await fault(sim, "teams", "post", kind, times=3 if kind == "rate_limited" else 1, seconds=1)
        with pytest.raises(error, match=words) as failed:
            await action.apply(params, change, "key")
        assert sim.secrets["teams"] not in str(failed.value)
        assert failed.value.next_step
        assert len(shown(sim)) == (kind in {"answer_lost", "cut_off", "other_shape"})


async def test_a_flow_that_is_off_is_denied_and_one_whose_owner_left_is_not_seen() -> None:
    """The second is accepted and never shown: that is why the finding claims no more than that the flow was started."""
    async with production() as (sim, context):
        action = PostInTeams(context)
        sim.world.teams.is_on = False
        with pytest.raises(Denied) as denied:
            await posted(action, **POST)
        assert "switch the flow on" in denied.value.next_step
        sim.world.teams.is_on, sim.world.teams.owner_is_there = True, False
        state, finding = await posted(action, **POST)
        assert (shown(sim), state.deliveries) == ([], {"Incidents": Delivery.ACCEPTED})
        assert "No answer shows whether" in finding.sentence
        assert len(sim.world.teams.failures) == 1


async def test_a_message_that_the_flow_accepts_and_never_shows() -> None:
    """The fault `ignored`: 202, and nothing more."""
    async with production() as (sim, context):
        await fault(sim, "teams", "post", "ignored")
        state, _ = await posted(PostInTeams(context), **POST)
        assert (shown(sim), list(state.deliveries.values())) == ([], [Delivery.ACCEPTED])
        assert recorded(sim, "write", api="teams", result="ignored")


async def test_a_message_of_any_length_is_shown() -> None:
    """The simulated flow fails above Teams' limit."""
    async with production() as (sim, context):
        await posted(PostInTeams(context), **POST | {"text": "x" * 100_000})
        assert sim.world.teams.failures == []
        assert len(shown(sim)) == 1


async def invoke(sim: Simulated, body: bytes, **query: str) -> httpx.Response:
    """Send a body to the flow's address."""
    async with httpx.AsyncClient() as client:
        params = {"api-version": "1", "sig": sim.secrets["teams"]} | query
        return await client.post(sim.endpoints["teams"], content=body, params=params)


@pytest.mark.parametrize(
    ("body", "query", "status"),
    [(b"{", {}, 400), (b"[]", {}, 400), (b"{}", {"sig": "wrong"}, 401), (b"{}", {}, 202)],
)
async def test_the_simulated_flow_answers_as_microsofts(body: bytes, query: dict[str, str], status: int) -> None:
    """A wrong signature, no JSON; and a message without a card starts the flow, which then fails unseen."""
    async with production() as (sim, _):
        answer = await invoke(sim, body, **query)
        assert answer.status_code == status
        assert (answer.content == b"") is (status == 202)
        assert len(sim.world.teams.failures) == (status == 202)


BAD_CARDS: list[dict[str, Any]] = [
    {"type": "MessageCard"},
    {"type": "AdaptiveCard", "version": "1.9"},
    {"type": "AdaptiveCard", "version": "1.4", "body": [{"type": "Marquee"}]},
    {"type": "AdaptiveCard", "version": "1.4", "body": [{"type": "TextBlock"}]},
    {"type": "AdaptiveCard", "version": "1.4", "body": [{"type": "RichTextBlock", "inlines": []}]},
    {"type": "AdaptiveCard", "version": "1.4", "actions": [{"type": "Action.OpenUrl", "title": "x"}]},
    {
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"entities": [{"type": "mention", "text": "<at>A</at>"}]},
    },
]


@pytest.mark.parametrize("card", BAD_CARDS)
async def test_a_bad_card_is_accepted_and_not_shown(card: dict[str, Any]) -> None:
    """Teams refuses it inside the flow."""
    async with production() as (sim, context):
        kind = "application/vnd.microsoft.card.adaptive"
        message = {"type": "message", "attachments": [{"contentType": kind, "content": card}]}
        teams = PostInTeams(context).teams
        await teams.post(message)
        assert (shown(sim), len(sim.world.teams.failures)) == ([], 1)


async def test_carrying_it_out_keeps_no_address() -> None:
    """Neither the client's text nor the state holds the signature."""
    async with production() as (sim, context):
        state, _ = await posted(PostInTeams(context), **POST)
        assert sim.secrets["teams"] not in repr(context.clients) + state.model_dump_json()
        assert isinstance(context, SimulatedContext)
