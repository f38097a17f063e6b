"""Tickets as issues on the simulated GitHub: opened once, found again, closed, and every fault."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from allclear.domain.action import ActStatus, Verdict
from allclear.domain.errors import AllclearError, ConfigError, Refused
from allclear.engine.actions.registry import read_params
from tasks.github.issues import CloseIssue, OpenIssue
from tests.contract.actions_support import carried_out, each_write_fault, undone, worked_out
from tests.contract.github_support import BY_PULL, KEY, SERVICE, at_github, hosted, issued, spec
from tests.contract.simulator_support import fault, recorded
from tests.unit.fakes_context import FakeRecord

TICKET: dict[str, Any] = {
    "ticket": "VS-1",
    "title": "VS-1: Search is slow",
    "text": "Search takes 4 s.",
    "labels": ["search-team"],
    "assignees": ["chi"],
}


async def test_a_ticket_is_opened_with_its_labels_and_found_by_our_name() -> None:
    """The name is the last line of its text; no approval is needed, and pull requests are no tickets."""
    async with hosted(spec(BY_PULL)) as (sim, context):
        done = await carried_out(OpenIssue(context), service=SERVICE, **TICKET)
        [issue] = at_github(sim).issues
        assert (issue.title, issue.labels, issue.assignees) == (TICKET["title"], ["search-team"], ["chi"])
        assert issue.body == "Search takes 4 s.\n\nallclear ticket VS-1"
        assert done.finding.sentence == "Issue #2 is open: https://github.com/vintstreet/storefront/issues/2."
        assert OpenIssue.approval is None
        _, again = await worked_out(OpenIssue(context), service=SERVICE, **TICKET)
        assert OpenIssue(context).target_reached(again, again.before)


async def test_an_issue_of_a_stranger_that_ends_like_ours_is_not_our_ticket() -> None:
    """In a public repository anyone could otherwise keep the team from getting its ticket."""
    async with hosted(spec(BY_PULL)) as (sim, context):
        at_github(sim).open_issue("Nothing", "allclear ticket VS-1", [], []).association = "NONE"
        done = await carried_out(OpenIssue(context), service=SERVICE, **TICKET)
        assert [issue.title for issue in at_github(sim).issues] == ["Nothing", TICKET["title"]]
        assert done.finding.sentence == "Issue #3 is open: https://github.com/vintstreet/storefront/issues/3."


async def test_words_of_an_alert_notify_no_one() -> None:
    """A mention in an issue would notify that account."""
    async with hosted(spec(BY_PULL)) as (sim, context):
        hostile = TICKET | {"title": "@everyone look", "text": "ask @torvalds"}
        await carried_out(OpenIssue(context), service=SERVICE, **hostile)
        [issue] = at_github(sim).issues
        assert "@everyone" not in issue.title
        assert "@torvalds" not in issue.body


async def test_the_number_in_the_record_finds_it_when_the_list_no_longer_does() -> None:
    """A repository may get a hundred newer ones."""
    async with hosted(spec(BY_PULL)) as (sim, context):
        action = OpenIssue(context)
        done = await carried_out(action, service=SERVICE, **TICKET)
        for number in range(100):
            at_github(sim).open_issue(f"Other {number}", "", [], [])
        assert (await action.observe(done.params)).state == "none"
        record = FakeRecord()
        record.states[done.change.resource] = {"number": 2}
        context.record = record
        assert (await action.observe(done.params)).state == "open"


async def test_it_is_closed_with_the_incident_and_both_can_be_undone() -> None:
    """Closing what was never opened has nothing to do."""
    async with hosted(spec(BY_PULL)) as (sim, context):
        close = CloseIssue(context)
        nothing = await carried_out(close, service=SERVICE, ticket="VS-1")
        assert (nothing.finding.verdict, recorded(sim, "write")) == (Verdict.SUCCESS, [])
        done = await carried_out(OpenIssue(context), service=SERVICE, **TICKET)
        closed = await carried_out(close, service=SERVICE, ticket="VS-1")
        [issue] = at_github(sim).issues
        assert (issue.state, issue.reason) == ("closed", "completed")
        await undone(close, closed)
        assert issue.state == "open"
        await undone(OpenIssue(context), done)
        assert issue.state == "closed"
        with pytest.raises(Refused, match="no open issue VS-1"):
            OpenIssue(context).undo(done.params, done.change, await close.observe(done.params))


async def test_a_ticket_that_people_deleted_is_not_to_be_closed_and_is_opened_anew() -> None:
    """GitHub answers 410 for it, as for a version of its API that is gone."""
    async with hosted(spec(BY_PULL)) as (sim, context):
        action, record = OpenIssue(context), FakeRecord()
        done = await carried_out(action, service=SERVICE, **TICKET)
        record.states[done.change.resource] = {"number": 2}
        context.record = record
        at_github(sim).delete_issue(2)
        closed = await carried_out(CloseIssue(context), service=SERVICE, ticket="VS-1")
        assert (closed.finding.verdict, recorded(sim, "write")[1:]) == (Verdict.SUCCESS, [])
        again = await carried_out(action, service=SERVICE, **TICKET)
        assert again.finding.sentence == "Issue #3 is open: https://github.com/vintstreet/storefront/issues/3."


async def test_a_ticket_that_people_closed_is_opened_again() -> None:
    """It is not opened a second time: its history stays in one place."""
    async with hosted(spec(BY_PULL)) as (sim, context):
        await carried_out(OpenIssue(context), service=SERVICE, **TICKET)
        [issue] = at_github(sim).issues
        issue.state = "closed"
        again = await carried_out(OpenIssue(context), service=SERVICE, **TICKET)
        assert again.change.summary == "Open #2 again in vintstreet/storefront: VS-1: Search is slow"
        assert (issue.state, again.finding.verdict) == ("open", Verdict.SUCCESS)
        assert len(recorded(sim, "write", method="create_issue")) == 1


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("answer_lost", ActStatus.VERIFIED),
        ("unavailable", ActStatus.INDETERMINATE),
        ("ignored", ActStatus.FAILED),
        ("permission_denied", ActStatus.FAILED),
    ],
)
async def test_whether_it_was_opened_again_is_read(kind: str, status: ActStatus) -> None:
    """An accepted request that changes nothing is none."""
    async with hosted(spec(BY_PULL)) as (sim, context):
        await carried_out(OpenIssue(context), service=SERVICE, **TICKET)
        at_github(sim).issues[0].state = "closed"
        await fault(sim, "github", "update_issue", kind)
        assert (await issued(OpenIssue(context), timedelta(milliseconds=300), **TICKET)).status is status


async def test_a_ticket_that_people_closed_before_it_was_found_was_opened() -> None:
    """The answer was lost; a later read shows it, closed: it was opened, and is not left in doubt."""
    async with hosted(spec(BY_PULL)) as (sim, context):
        action = OpenIssue(context)
        params, change = await worked_out(action, service=SERVICE, **TICKET)
        at_github(sim).open_issue("VS-1", "allclear ticket VS-1", ["search-team"], ["chi"]).state = "closed"
        now = await action.observe(params)
        assert action.target_reached(change, now)
        assert action.verify(change, now, None).verdict is Verdict.SUCCESS


async def test_labels_that_github_leaves_out_are_told() -> None:
    """Without the right to write, GitHub takes the issue and drops them."""
    async with hosted(spec(BY_PULL, may_push=False)) as (_, context):
        done = await carried_out(OpenIssue(context), service=SERVICE, **TICKET)
        assert "GitHub left out search-team, chi: the token's account may not set them" in done.finding.sentence


@pytest.mark.parametrize(
    ("kind", "status", "opened"),
    [
        ("answer_lost", ActStatus.VERIFIED, 1),
        ("cut_off", ActStatus.VERIFIED, 1),
        ("other_shape", ActStatus.VERIFIED, 1),
        ("unavailable", ActStatus.INDETERMINATE, 0),
        ("ignored", ActStatus.FAILED, 0),
        ("permission_denied", ActStatus.FAILED, 0),
    ],
)
async def test_a_ticket_is_never_opened_twice(kind: str, status: ActStatus, opened: int) -> None:
    """After a lost answer the issues are listed, and nothing is sent again."""
    async with hosted(spec(BY_PULL)) as (sim, context):
        await fault(sim, "github", "create_issue", kind)
        outcome = await issued(OpenIssue(context), timedelta(milliseconds=300), **TICKET)
        assert (outcome.status, len(at_github(sim).issues)) == (status, opened)
        assert len(recorded(sim, "write", method="create_issue")) == 1


@each_write_fault("open an issue in vintstreet/storefront")
async def test_each_fault_has_its_sentence(kind: str, error: type[AllclearError], words: str) -> None:
    """A refusal opened nothing; everything else may have."""
    async with hosted(spec(BY_PULL)) as (sim, context):
        action = OpenIssue(context)
        params, change = await worked_out(action, service=SERVICE, **TICKET)
        await fault(sim, "github", "create_issue", kind, times=10)
        with pytest.raises(error, match=words):
            await action.apply(params, change, KEY)


async def test_a_repository_without_issues_is_told() -> None:
    """GitHub answers 410."""
    async with hosted(spec(BY_PULL, issues=False)) as (_, context):
        with pytest.raises(AllclearError, match="Issues has been disabled"):
            await worked_out(OpenIssue(context), service=SERVICE, **TICKET)


@pytest.mark.parametrize("ticket", ["", "two words", "line\nbreak", "-x"])
def test_a_name_that_cannot_be_found_again_is_refused(ticket: str) -> None:
    """It stands in one line of the issue's text."""
    with pytest.raises(ConfigError, match="ticket"):
        read_params(OpenIssue, {**TICKET, "service": SERVICE, "ticket": ticket})
