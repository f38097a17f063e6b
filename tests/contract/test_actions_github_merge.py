"""`github.merge` against the simulated repository: its checks, the head that was approved, 405 and 409, and faults."""

from __future__ import annotations

from datetime import timedelta

import pytest

from allclear.domain.action import ActStatus, Verdict
from allclear.domain.base import utc_now
from allclear.domain.errors import AllclearError, Conflict, NotFound, Refused, VendorRefused
from allclear.simulator.github_repository import Pull
from allclear.simulator.github_spec import CheckSpec, CommitSpec
from tasks.github.merge import Merge, MergeParams
from tests.contract.actions_support import each_write_fault, proven, worked_out
from tests.contract.github_support import BY_PULL, KEY, SERVICE, at_github, hosted, issued, spec
from tests.contract.simulator_support import Simulated, fault, recorded

TESTS = CheckSpec(name="tests")


def reverted(sim: Simulated) -> Pull:
    """Return an open pull request that reverts the newest change, which GitHub has computed already."""
    pull = at_github(sim).revert(1, "", "", "allclear-bot", draft=False)
    pull.mergeable = True
    return pull


async def test_the_open_revert_is_merged_at_the_head_that_was_approved() -> None:
    """The approver reads whose it is, where it goes, at which commit, and which checks passed."""
    async with hosted(spec(BY_PULL, checks=[TESTS])) as (sim, context):
        pull = reverted(sim)
        action = Merge(context)
        params, change = await worked_out(action, service=SERVICE)
        assert await action.precheck(params, change) == []
        assert change.summary == (
            'Merge #2 (Revert "New checkout") by allclear-bot into main of vintstreet/storefront, as it is at'
            f" {pull.head_sha[:12]}."
        )
        assert change.risk.startswith("tests passed. Users get it with the next deployment")
        receipt = await action.apply(params, change, KEY)
        after, finding = await proven(action, params, change, receipt)
        assert (finding.verdict, after.commit) == (Verdict.SUCCESS, at_github(sim).head)
        assert finding.sentence == f"#2 is merged into main as {at_github(sim).head[:12]}."


async def test_a_revert_of_an_earlier_incident_is_not_the_one_that_is_meant() -> None:
    """It is done already as long as nothing came after it; a change that was merged since is not reverted by it."""
    async with hosted(spec(BY_PULL, checks=[TESTS])) as (sim, context):
        reverted(sim)
        action = Merge(context)
        params, change = await worked_out(action, service=SERVICE)
        await action.apply(params, change, KEY)
        _, again = await worked_out(action, service=SERVICE)
        assert again.before.merged
        at_github(sim).push(CommitSpec(title="One more"))
        assert (await action.observe(params)).merged  # after a merge, what came after it changes nothing
        with pytest.raises(Refused, match="No open pull request of vintstreet/storefront reverts a change"):
            await worked_out(action, service=SERVICE)


async def test_new_commits_need_a_new_approval() -> None:
    """The digest covers the head, and GitHub refuses another one with 409."""
    async with hosted(spec(BY_PULL)) as (sim, context):
        pull = reverted(sim)
        action = Merge(context)
        params, change = await worked_out(action, service=SERVICE)
        at_github(sim).push_to(pull)
        assert (await action.observe(params)).matters() != change.before.matters()
        with pytest.raises(Conflict, match="Head branch was modified"):
            await action.apply(params, change, KEY)
        assert pull.state == "open"


async def test_a_push_in_the_last_moment_is_a_drift() -> None:
    """GitHub answers 409, the pull request is read again, and nothing is merged."""
    async with hosted(spec(BY_PULL)) as (sim, context):
        pull = reverted(sim)
        await fault(sim, "github", "merge_pull", "stale_etag")
        outcome = await issued(Merge(context), timedelta(seconds=5))
        assert (outcome.status, outcome.drifted, pull.state) == (ActStatus.FAILED, True, "open")


@pytest.mark.parametrize(
    ("field", "value", "words", "passes"),
    [
        ("draft", True, "#2 is a draft", False),
        ("mergeable", None, "GitHub is computing whether #2 can be merged", True),
        ("conflicts", True, "#2 conflicts with main", False),
        ("blocked", True, "A rule of main does not allow merging #2: a review or a required check is missing", False),
        ("state", "closed", "#2 is closed and was not merged", False),
        ("base", "other", "#2 goes into other, which is not the branch that is deployed", False),
    ],
)
async def test_what_cannot_be_merged_is_refused_beforehand(field: str, value: object, words: str, passes: bool) -> None:  # noqa: FBT001
    """With the pull request's address; what GitHub is still computing is waited for."""
    async with hosted(spec(BY_PULL, checks=[TESTS])) as (sim, context):
        pull = reverted(sim)
        at_github(sim).branches["other"] = at_github(sim).head
        setattr(pull, field, value)
        pull.mergeable = False if field == "conflicts" else pull.mergeable
        action = Merge(context)
        params, change = await worked_out(action, service=SERVICE, pull="#2")
        [refusal] = await action.precheck(params, change)
        assert words in refusal.sentence
        assert (refusal.passes, bool(refusal.next_step)) == (passes, True)
        assert recorded(sim, "write") == []


@pytest.mark.parametrize(
    ("check", "status", "words", "passes"),
    [
        (CheckSpec(name="tests", conclusion="failure"), "", "A check failed on #2: tests.", False),
        (CheckSpec(name="tests", conclusion="skipped"), "error", "A check failed on #2: ci/old.", False),
        (
            CheckSpec.model_validate({"name": "tests", "takes": "1h"}),
            "",
            "A check is still running on #2: tests.",
            True,
        ),
        (TESTS, "pending", "A check is still running on #2: ci/old.", True),
    ],
)
async def test_it_is_merged_only_if_its_checks_passed(
    check: CheckSpec,
    status: str,
    words: str,
    passes: bool,  # noqa: FBT001
) -> None:
    """Checks of apps and statuses of other services alike; one that runs is waited for."""
    async with hosted(spec(BY_PULL, checks=[check])) as (sim, context):
        pull = reverted(sim)
        if status:
            at_github(sim).statuses[pull.head_sha] = {"ci/old": status}
        action = Merge(context)
        params, change = await worked_out(action, service=SERVICE)
        [refusal] = await action.precheck(params, change)
        assert (refusal.sentence, refusal.passes) == (words, passes)


async def test_without_any_check_the_approver_is_warned() -> None:
    """It stops nothing: a repository may have no checks. The combined status of GitHub would say `pending` for ever."""
    async with hosted(spec(BY_PULL)) as (sim, context):
        reverted(sim)
        action = Merge(context)
        params, change = await worked_out(action, service=SERVICE)
        [refusal] = await action.precheck(params, change)
        assert (refusal.warning, refusal.sentence) == (True, "No check has run on #2.")


async def test_which_pull_request_is_meant_must_be_clear() -> None:
    """Several open reverts, none, and a text that is no number."""
    async with hosted(spec(BY_PULL)) as (sim, context):
        action = Merge(context)
        with pytest.raises(Refused, match="No open pull request of vintstreet/storefront reverts a change") as none:
            await worked_out(action, service=SERVICE)
        assert "github.open_revert" in none.value.next_step
        first, second = reverted(sim), reverted(sim)
        with pytest.raises(Refused, match=r"2 open pull requests .* revert something") as several:
            await worked_out(action, service=SERVICE)
        assert {one.name for one in several.value.candidates} == {f"#{first.number}", f"#{second.number}"}
        with pytest.raises(Refused, match="`the fix` is no pull request"):
            await worked_out(action, service=SERVICE, pull="the fix")
        with pytest.raises(NotFound, match="read the pull request #77"):
            await worked_out(action, service=SERVICE, pull="77")
        for pull in (first, second):
            pull.state = "closed"
        first.merged_at = utc_now() - timedelta(days=3)
        with pytest.raises(Refused, match="No open pull request"):
            await worked_out(action, service=SERVICE)
        context.clock = lambda: utc_now() - timedelta(days=3)
        assert (await action.observe(MergeParams(service=SERVICE))).number == first.number


async def test_a_strangers_branch_that_is_called_like_a_revert_is_not_the_revert() -> None:
    """Anyone may open a pull request from a fork, whose branch has any name; a person can still name it."""
    async with hosted(spec(BY_PULL)) as (sim, context):
        action = Merge(context)
        strangers = reverted(sim)
        strangers.fork, strangers.author = "mallory/storefront", "mallory"
        with pytest.raises(Refused, match="No open pull request of vintstreet/storefront reverts a change"):
            await worked_out(action, service=SERVICE)
        ours = reverted(sim)
        _, change = await worked_out(action, service=SERVICE)
        assert change.after.number == ours.number
        _, named = await worked_out(action, service=SERVICE, pull=f"#{strangers.number}")
        assert "by mallory from the fork mallory/storefront into main" in named.summary


async def test_a_merge_is_undone_by_another_revert() -> None:
    """Its undo is refused with the command that opens one."""
    async with hosted(spec(BY_PULL)) as (sim, context):
        reverted(sim)
        action = Merge(context)
        params, change = await worked_out(action, service=SERVICE)
        receipt = await action.apply(params, change, KEY)
        after, _ = await proven(action, params, change, receipt)
        with pytest.raises(Refused, match="The merge of #2 cannot be undone") as refused:
            action.undo(params, change, after)
        assert "github.open_revert service=storefront what=#2" in refused.value.next_step


@each_write_fault("merge the pull request #2")
async def test_each_fault_of_the_merge_has_its_sentence(kind: str, error: type[AllclearError], words: str) -> None:
    """A refusal changed nothing; everything else may have taken effect."""
    async with hosted(spec(BY_PULL)) as (sim, context):
        reverted(sim)
        action = Merge(context)
        params, change = await worked_out(action, service=SERVICE)
        await fault(sim, "github", "merge_pull", kind, times=10)
        with pytest.raises(error, match=words):
            await action.apply(params, change, KEY)


@pytest.mark.parametrize(
    ("kind", "status", "merged", "writes"),
    [
        ("answer_lost", ActStatus.VERIFIED, True, 1),
        ("other_shape", ActStatus.VERIFIED, True, 1),
        ("unavailable", ActStatus.VERIFIED, True, 2),
        ("ignored", ActStatus.FAILED, False, 1),
        ("permission_denied", ActStatus.FAILED, False, 1),
    ],
)
async def test_the_outcome_says_what_a_read_has_proven(
    kind: str,
    status: ActStatus,
    merged: bool,  # noqa: FBT001
    writes: int,
) -> None:
    """Only a merge that a read shows not to have happened is sent again, with the same head."""
    async with hosted(spec(BY_PULL)) as (sim, context):
        pull = reverted(sim)
        await fault(sim, "github", "merge_pull", kind)
        outcome = await issued(Merge(context), timedelta(seconds=2))
        assert (outcome.status, pull.merged_at is not None) == (status, merged)
        assert len(recorded(sim, "write", method="merge_pull")) == writes


async def test_a_method_or_a_rule_that_github_refuses_with_405_is_told() -> None:
    """A review was withdrawn between the approval and the merge."""
    async with hosted(spec(BY_PULL)) as (sim, context):
        pull = reverted(sim)
        action = Merge(context)
        params, change = await worked_out(action, service=SERVICE)
        pull.blocked = True
        with pytest.raises(VendorRefused, match=r"refused to merge .* At least 1 approving review is required"):
            await action.apply(params, change, KEY)
