"""Tickets in the simulated Jira: created once, moved, assigned, the search that lags, and every fault."""

# ruff: noqa: ANN401 - parts of a scenario

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import jsonschema
import pytest

from allclear.domain.action import ActStatus, AnyAction, Outcome, Verdict
from allclear.domain.errors import AllclearError, Denied, Refused
from allclear.engine.actions.loaded_act import LoadedAct
from allclear.engine.actions.write_retries import Write
from allclear.simulator.apis.jira import EMAIL
from allclear.simulator.jira_project import JiraProject, SimulatedTicket
from allclear.simulator.scenario_schema import JiraSpec
from allclear.vendors.jira import Jira, document
from tasks.jira import AssignTicket, CreateTicket, JiraPreflight, MoveTicket
from tests.contract.actions_support import (
    READ_TROUBLES,
    SimulatedContext,
    carried_out,
    dumped,
    each_write_fault,
    production,
    undone,
    worked_out,
)
from tests.contract.simulator_support import Simulated, fault, quick, recorded, specification
from tests.unit.fakes_context import FakeRecord

BEN, CHI = "ben@retailgen.ai", "chi@retailgen.ai"
TICKET: dict[str, Any] = {"ticket": "RG-1", "summary": "Export fails", "text": "Since 02:10.\n\nSee the record."}


@asynccontextmanager
async def tracked(**changes: Any) -> AsyncGenerator[tuple[Simulated, SimulatedContext]]:
    """Run a production with a project in Jira, and yield it with a context whose clients talk to it."""
    project = JiraSpec.model_validate({"project": "OPS", "people": [BEN, CHI], **changes})
    async with production(quick(jira=project)) as (sim, context):
        context.options["jira"] = {"email": EMAIL, "project": "OPS"}
        yield sim, context


def at_jira(sim: Simulated) -> JiraProject:
    """Return the simulated project."""
    assert sim.world.jira is not None
    return sim.world.jira


async def issued(action: AnyAction, **raw: Any) -> Outcome:
    """Carry an act out with the executor's own write, and return its outcome."""
    params, change = await worked_out(action, **raw)
    change = change.model_copy(update={"deadline": timedelta(milliseconds=300)})
    return await Write(LoadedAct(action, params, change), change, "RG-1/review/ticket").issue()


async def test_a_ticket_is_created_with_our_label_and_assigned() -> None:
    """Its text is a document, no approval is needed, and no secret is stored."""
    async with tracked() as (sim, context):
        done = await carried_out(CreateTicket(context), **TICKET, labels=["incident"], assignee=BEN)
        [ticket] = at_jira(sim).tickets
        assert (ticket.summary, ticket.labels, ticket.assignee) == ("Export fails", ["RG-1", "incident"], BEN)
        assert [one["content"][0]["text"] for one in ticket.description["content"]] == [
            "Since 02:10.",
            "See the record.",
        ]
        assert (done.finding.verdict, done.finding.sentence) == (Verdict.SUCCESS, "OPS-1 is To Do.")
        assert CreateTicket.approval is None
        assert sim.secrets["jira"] not in dumped(done) + repr(context.client(Jira))
        _, again = await worked_out(CreateTicket(context), **TICKET)
        assert CreateTicket(context).target_reached(again, again.before)


async def test_a_ticket_that_the_search_does_not_show_yet_is_read_by_its_key() -> None:
    """The search lags by minutes; the ticket itself is current at once."""
    async with tracked(search_lags="10m") as (_, context):
        outcome = await issued(CreateTicket(context), **TICKET)
        assert outcome.status is ActStatus.VERIFIED
        assert outcome.sentence == "OPS-1 is To Do."
        assert outcome.after is not None
        record = FakeRecord()
        record.states["ticket:OPS/RG-1"] = outcome.after
        context.record = record
        moved = await carried_out(MoveTicket(context), ticket="RG-1", to="done")
        assert moved.finding.sentence == "OPS-1 is Done."


def closed_by_people(sim: Simulated) -> SimulatedTicket:
    """Move our ticket to done in Jira, and return it."""
    [ticket] = at_jira(sim).tickets
    ticket.status, ticket.category = "Done", "done"
    return ticket


async def test_a_ticket_that_people_closed_is_opened_again() -> None:
    """It is not created a second time, and what is read then proves it."""
    async with tracked() as (sim, context):
        await carried_out(CreateTicket(context), **TICKET)
        ticket = closed_by_people(sim)
        again = await carried_out(CreateTicket(context), **TICKET)
        assert again.change.summary == "Open OPS-1 again, which is Done: Export fails"
        assert (ticket.status, again.finding.sentence) == ("To Do", "OPS-1 is To Do.")
        assert len(recorded(sim, "write", method="create_issue")) == 1
        with pytest.raises(Refused, match="is not taken back"):
            CreateTicket(context).undo(again.params, again.change, again.after)


@pytest.mark.parametrize(
    ("ways", "status", "words"),
    [
        (["In Progress"], None, "OPS-1 is In Progress."),
        (["To Do", "Backlog"], "Backlog", "OPS-1 is Backlog."),
        (
            ["To Do", "Backlog"],
            None,
            "OPS-1 is Done and can go to no single status of the kind `to do` or `in progress`",
        ),
        ([], None, "`to do` or `in progress`: it has none."),
    ],
)
async def test_how_a_closed_ticket_may_be_opened_again_is_the_projects_workflow(
    ways: list[str], status: str | None, words: str
) -> None:
    """If several ways lead there, or none, the sentence says that it is closed, and what people can do."""
    async with tracked(done_leads_to=ways) as (sim, context):
        await carried_out(CreateTicket(context), **TICKET)
        closed_by_people(sim)
        outcome = await issued(CreateTicket(context), **TICKET, status=status)
        opened = words.endswith(("Progress.", "Backlog."))
        assert outcome.status is (ActStatus.VERIFIED if opened else ActStatus.FAILED)
        assert words in outcome.sentence
        assert outcome.next_step == ("" if opened else "Name one of them as `status`, or move the ticket in Jira.")


async def test_a_ticket_that_people_closed_before_it_was_found_was_created() -> None:
    """The answer was lost; a later read shows it, closed: it was made, and is not left in doubt."""
    async with tracked() as (sim, context):
        action = CreateTicket(context)
        params, change = await worked_out(action, **TICKET)
        at_jira(sim).create("Export fails", None, ["RG-1"], None)
        closed_by_people(sim)
        now = await action.observe(params)
        assert action.target_reached(change, now)
        assert action.verify(change, now, None).verdict is Verdict.SUCCESS


@pytest.mark.parametrize("lag", ["0s", "10m"])
@pytest.mark.parametrize(
    ("kind", "created"), [("answer_lost", 1), ("cut_off", 1), ("other_shape", 1), ("unavailable", 0)]
)
async def test_after_a_lost_answer_nothing_is_created_again(kind: str, created: int, lag: str) -> None:
    """A search that shows it proves it; one that does not proves nothing, and the act is indeterminate."""
    async with tracked(search_lags=lag) as (sim, context):
        await fault(sim, "jira", "create_issue", kind)
        outcome = await issued(CreateTicket(context), **TICKET)
        shown = created and lag == "0s"
        assert outcome.status is (ActStatus.VERIFIED if shown else ActStatus.INDETERMINATE)
        assert len(at_jira(sim).tickets) == created
        assert len(recorded(sim, "write", method="create_issue")) == 1


async def test_a_ticket_is_moved_and_assigned_and_both_are_undone() -> None:
    """The transition is chosen by the kind of status to which it leads."""
    async with tracked() as (sim, context):
        await carried_out(CreateTicket(context), **TICKET)
        [ticket] = at_jira(sim).tickets
        move, assign = MoveTicket(context), AssignTicket(context)
        moved = await carried_out(move, ticket="RG-1", to="done")
        assert (ticket.status, moved.change.summary) == ("Done", "Move OPS-1 from To Do to done.")
        await undone(move, moved)
        assert ticket.status == "To Do"
        given = await carried_out(assign, ticket="RG-1", assignee=CHI)
        assert (ticket.assignee, given.finding.verdict) == (CHI, Verdict.SUCCESS)
        await undone(assign, given)
        assert ticket.assignee is None
        with pytest.raises(Refused, match="is not taken back"):
            CreateTicket(context).undo(given.params, given.change, given.after)


@pytest.mark.parametrize(
    ("action", "raw", "error", "words"),
    [
        (MoveTicket, {"ticket": "RG-9", "to": "done"}, Refused, "No ticket of OPS has the label RG-9"),
        (AssignTicket, {"ticket": "RG-9", "assignee": BEN}, Refused, "No ticket of OPS has the label RG-9"),
        (AssignTicket, {"ticket": "RG-1", "assignee": "dana@x.ai"}, Refused, "Jira finds no account for dana@x.ai"),
        (AssignTicket, {"ticket": "RG-1", "assignee": "retailgen"}, Refused, "Jira finds several accounts"),
    ],
)
async def test_what_does_not_exist_or_is_ambiguous_is_named(
    action: type[AnyAction], raw: dict[str, Any], error: type[AllclearError], words: str
) -> None:
    """A ticket that was never created, a person without an account, and a name that fits several."""
    async with tracked() as (sim, context):
        await carried_out(CreateTicket(context), **TICKET)
        with pytest.raises(error, match=words):
            await worked_out(action(context), **raw)
        assert len(recorded(sim, "write")) == 1


async def test_two_tickets_with_our_label_are_shown() -> None:
    """Which of them is meant, people decide."""
    async with tracked() as (sim, context):
        for number in range(2):
            at_jira(sim).create(f"Ticket {number}", None, ["RG-1"], None)
        with pytest.raises(Refused, match="Several tickets of OPS have the label RG-1") as refused:
            await worked_out(MoveTicket(context), ticket="RG-1", to="done")
        assert [one.name for one in refused.value.candidates] == ["OPS-1", "OPS-2"]


async def test_a_field_that_the_project_requires_is_named() -> None:
    """Jira answers 400 with the field; nothing was created."""
    async with tracked(required_fields=["customfield_10042"]) as (sim, context):
        outcome = await issued(CreateTicket(context), **TICKET)
        assert outcome.status is ActStatus.FAILED
        assert "customfield_10042 is required" in outcome.sentence
        assert at_jira(sim).tickets == []


@each_write_fault("create a ticket in OPS")
async def test_each_fault_has_its_sentence(kind: str, error: type[AllclearError], words: str) -> None:
    """A refusal created nothing; everything else may have."""
    async with tracked() as (sim, context):
        action = CreateTicket(context)
        params, change = await worked_out(action, **TICKET)
        await fault(sim, "jira", "create_issue", kind, times=10)
        with pytest.raises(error, match=words):
            await action.apply(params, change, "key")


@pytest.mark.parametrize(
    ("action", "method", "raw"),
    [
        (MoveTicket, "transition", {"to": "in progress"}),
        (AssignTicket, "assign", {"assignee": BEN}),
        (CreateTicket, "transition", {"summary": "Export fails", "text": "Again since 04:00."}),
    ],
)
@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("answer_lost", ActStatus.VERIFIED),
        ("unavailable", ActStatus.INDETERMINATE),
        ("ignored", ActStatus.FAILED),
        ("permission_denied", ActStatus.FAILED),
    ],
)
async def test_the_outcome_of_a_change_says_what_a_read_has_proven(
    action: type[AnyAction], method: str, raw: dict[str, Any], kind: str, status: ActStatus
) -> None:
    """A vendor that accepts and does nothing has not changed the ticket."""
    async with tracked() as (sim, context):
        await carried_out(CreateTicket(context), **TICKET)
        closed_by_people(sim)  # what creating it then opens again
        await fault(sim, "jira", method, kind)
        assert (await issued(action(context), ticket="RG-1", **raw)).status is status


@pytest.mark.parametrize("trouble", READ_TROUBLES)
async def test_a_read_that_fails_has_a_sentence(trouble: str) -> None:
    """An answer that is cut off or of another shape is never taken for an empty search."""
    async with tracked() as (sim, context):
        await fault(sim, "jira", "*", trouble, times=50)
        with pytest.raises(AllclearError) as failed:
            await worked_out(CreateTicket(context), **TICKET)
        assert "Jira" in failed.value.message
        assert failed.value.next_step


async def test_the_preflight_reads_permission_and_project() -> None:
    """The token's account may create tickets there, or the sentence says what to do."""
    async with tracked() as (_, context):
        [check] = JiraPreflight(context).checks({}, [])
        assert "may create tickets" in str(await check.run())
    async with tracked(may_create=False) as (_, context):
        [check] = JiraPreflight(context).checks({}, [])
        with pytest.raises(Denied, match="may not create tickets in OPS"):
            await check.run()


def test_the_requests_fit_the_published_description() -> None:
    """Creating, searching, moving and assigning, as Atlassian describes their bodies."""
    described = specification("jira-v3.openapi.json")
    bodies = {
        ("/rest/api/3/issue", "post"): {
            "fields": {"summary": "x", "description": document("a\nb"), "labels": ["RG-1"]}
        },
        ("/rest/api/3/search/jql", "post"): {"jql": "project = OPS", "fields": ["status"], "maxResults": 50},
        ("/rest/api/3/issue/{issueIdOrKey}/transitions", "post"): {"transition": {"id": "31"}},
        ("/rest/api/3/issue/{issueIdOrKey}/assignee", "put"): {"accountId": "712020:0001"},
    }
    for (path, verb), body in bodies.items():
        schema = described["paths"][path][verb]["requestBody"]["content"]["application/json"]["schema"]
        resolver = {"components": described["components"], **schema}
        jsonschema.validate(body, resolver)
    assert document("a\n\nb")["content"][1]["content"][0] == {"type": "text", "text": "b"}
