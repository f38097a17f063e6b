"""`github.open_revert` against the simulated repository: the three ways, its undo, and every fault."""

from __future__ import annotations

from datetime import timedelta

import pytest

from allclear.domain.action import ActStatus, Verdict
from allclear.domain.errors import (
    AllclearError,
    AnswerLost,
    ConfigError,
    Conflict,
    Denied,
    NotFound,
    Refused,
    Unreachable,
    VendorRefused,
)
from allclear.simulator.github_spec import CommitSpec
from allclear.vendors.github import Github
from tasks.github.handles import GithubHandle
from tasks.github.revert import OpenRevert
from tests.contract.actions_support import carried_out, dumped, each_write_fault, undone, worked_out
from tests.contract.github_support import (
    BY_PULL,
    DIRECT,
    HANDLE,
    KEY,
    OLDER,
    REPOSITORY,
    SERVICE,
    at_github,
    hosted,
    issued,
    spec,
)
from tests.contract.simulator_support import fault, recorded
from tests.patience import until


def methods(sim: object) -> list[str]:
    """Return the writes that GitHub received, in order."""
    return [line["method"] for line in recorded(sim, "write", api="github")]  # type: ignore[arg-type]


async def test_a_merged_pull_request_is_reverted_by_github_itself_and_not_merged() -> None:
    """The newest change came with a pull request, so GitHub's own mutation opens another one."""
    async with hosted(spec(OLDER, BY_PULL)) as (sim, context):
        done = await carried_out(OpenRevert(context), service=SERVICE)
        [_, opened] = at_github(sim).pulls
        assert (opened.title, opened.head, opened.state) == ('Revert "New checkout"', "revert-1-new-checkout", "open")
        assert f"Reverts {REPOSITORY}#1" in opened.body
        assert KEY in opened.body
        assert done.change.summary == (
            f"Open a pull request that reverts #1 (New checkout) by ben on main of {REPOSITORY}."
        )
        assert "Users notice nothing until it is merged and deployed" in done.change.risk
        assert done.finding.verdict is Verdict.SUCCESS
        assert "#2 reverts #1 (New checkout) by ben. It is not merged: https://github.com/" in done.finding.sentence
        assert methods(sim) == ["revert_pull"]
        assert sim.secrets["github"] not in dumped(done) + repr(context.client(Github))


async def test_the_newest_commit_that_was_pushed_directly_is_reverted_by_its_parents_tree() -> None:
    """The revert has exactly the files of the commit before, on a branch of a fixed name."""
    async with hosted(spec(OLDER, DIRECT)) as (sim, context):
        repository = at_github(sim)
        bad, good = repository.history("main")[:2]
        await carried_out(OpenRevert(context), service=SERVICE)
        [opened] = repository.pulls
        made = repository.commits[opened.head_sha]
        assert (made.tree, made.parents) == (good.tree, (bad.sha,))
        assert made.message.startswith('Revert "Hotfix the cart"\n\nThis reverts commit ')
        assert opened.head == f"allclear/revert-{bad.sha[:12]}"
        assert methods(sim) == ["create_commit", "create_ref", "create_pull"]


async def test_an_older_commit_is_reverted_by_the_workflow_that_systems_yaml_names() -> None:
    """A tree of an old commit would take back everything since, so a workflow reverts it."""
    async with hosted(spec(OLDER, DIRECT)) as (sim, context):
        older = at_github(sim).history("main")[1].sha
        done = await carried_out(OpenRevert(context), service=SERVICE, what=older[:10])
        [run] = at_github(sim).runs
        assert run.inputs == {
            "commit": older,
            "base": "main",
            "branch": f"allclear/revert-{older[:12]}",
            "title": 'Revert "Sort listings by price"',
        }
        assert done.finding.verdict is Verdict.SUCCESS
        assert methods(sim) == ["dispatch"]


async def test_without_such_a_workflow_an_older_commit_is_refused() -> None:
    """The next step names the line of systems.yaml."""
    handle = GithubHandle(repository=REPOSITORY)
    async with hosted(spec(OLDER, DIRECT), handle) as (sim, context):
        older = at_github(sim).history("main")[1].sha
        with pytest.raises(ConfigError, match="reverts a commit that is not the newest") as refused:
            await worked_out(OpenRevert(context), service=SERVICE, what=older)
        assert "revert_workflow" in refused.value.next_step


async def test_a_merge_without_a_pull_request_is_refused_with_candidates() -> None:
    """Which of its two parents to go back to is not known."""
    async with hosted(spec(OLDER, CommitSpec(title="Merge the sale", merge=True))) as (_, context):
        with pytest.raises(Refused, match="is a merge of several commits and belongs to no pull request") as refused:
            await worked_out(OpenRevert(context), service=SERVICE)
        assert [one.reason for one in refused.value.candidates][:2] == [
            "Merge the sale (octocat)",
            "Sort listings by price (chi)",
        ]


@pytest.mark.parametrize(
    ("what", "kind", "words"),
    [
        ("#99", NotFound, "read the pull request #99"),
        ("0123456789abcdef", NotFound, "read the commit 0123456789abcdef"),
        ("main; rm -rf", Refused, "is neither `latest`, nor a pull request"),
        ("", Refused, "is neither `latest`, nor a pull request"),
    ],
)
async def test_what_does_not_exist_is_named(what: str, kind: type[AllclearError], words: str) -> None:
    """A pull request or a commit that is not there, and a text that is neither."""
    async with hosted(spec(BY_PULL)) as (sim, context):
        with pytest.raises(kind, match=words):
            await worked_out(OpenRevert(context), service=SERVICE, what=what)
        assert methods(sim) == []


async def test_a_pull_request_that_was_not_merged_or_not_there_is_refused() -> None:
    """Nothing of it is on the branch that is deployed."""
    async with hosted(spec(BY_PULL)) as (sim, context):
        action, repository = OpenRevert(context), at_github(sim)
        repository.pulls[0].state, repository.pulls[0].merged_at = "open", None
        with pytest.raises(Refused, match="still open, so there is nothing to revert"):
            await worked_out(action, service=SERVICE, what="#1")
        repository.pulls[0].state = "closed"
        with pytest.raises(Refused, match="closed and was not merged"):
            await worked_out(action, service=SERVICE, what="1")


async def test_a_repository_that_the_token_may_not_see_is_named() -> None:
    """GitHub answers 404 for it, and the sentence says what that can mean."""
    other = HANDLE.model_copy(update={"repository": "vintstreet/secret"})
    async with hosted(spec(BY_PULL), other) as (_, context):
        with pytest.raises(NotFound, match=r"vintstreet/secret.*if the token may not see it"):
            await worked_out(OpenRevert(context), service=SERVICE)


async def test_one_that_a_person_has_opened_is_left_as_it_is() -> None:
    """There is nothing to do, and nothing is written."""
    async with hosted(spec(BY_PULL)) as (sim, context):
        at_github(sim).revert(1, "", "", "dana", draft=False)
        action = OpenRevert(context)
        _, change = await worked_out(action, service=SERVICE)
        assert action.target_reached(change, change.before)
        assert change.before.in_words() == "#2 is open and reverts #1"
        assert methods(sim) == []


async def test_a_strangers_branch_that_is_called_like_our_revert_is_not_taken_for_it() -> None:
    """Otherwise a fork could keep us from reverting, and its change would be merged as our revert."""
    async with hosted(spec(BY_PULL)) as (sim, context):
        at_github(sim).revert(1, "", "", "mallory", draft=False).fork = "mallory/storefront"
        done = await carried_out(OpenRevert(context), service=SERVICE)
        assert methods(sim) == ["revert_pull"]
        assert "#3 reverts #1" in done.finding.sentence


async def test_undo_closes_the_pull_request_and_its_branch_stays() -> None:
    """That holds too if the branch has newer commits by then."""
    async with hosted(spec(BY_PULL)) as (sim, context):
        action, repository = OpenRevert(context), at_github(sim)
        done = await carried_out(action, service=SERVICE)
        repository.push(DIRECT)
        back = await undone(action, done)
        assert back.change.summary == "Close #2, which reverts #1 (New checkout) by ben, without merging it."
        assert (back.finding.verdict, back.finding.sentence) == (Verdict.SUCCESS, "#2 is not open any more.")
        assert (repository.pulls[-1].state, repository.pulls[-1].merged_at) == ("closed", None)
        assert "revert-1-new-checkout" in repository.branches


async def test_after_the_merge_nothing_is_left_to_undo_and_people_are_told() -> None:
    """The entry in the ledger ends by itself, and the same revert is not proposed twice."""
    async with hosted(spec(BY_PULL)) as (sim, context):
        action, repository = OpenRevert(context), at_github(sim)
        done = await carried_out(action, service=SERVICE)
        assert action.news_of(done.change, await action.observe_left(done.params)) is None
        repository.merge(repository.pulls[-1], None, "merge", "ben")
        now = await action.observe(done.params)
        assert action.nothing_left(done.change, now)
        back = done.change.model_copy(update={"before": now, "after": done.change.before})
        finding = action.verify(back, now, None)
        assert (finding.verdict, finding.sentence) == (Verdict.SUCCESS, "#2 has reverted #1.")
        news = action.news_of(done.change, now)
        assert news is not None
        assert (news.moved, news.sentence) == (True, "#2, which reverts #1, was merged.")
        params, again = await worked_out(action, service=SERVICE)
        [refusal] = await action.precheck(params, again)
        assert "The newest change of main is a revert itself" in refusal.sentence
        params, named = await worked_out(action, service=SERVICE, what="#1")
        [refusal] = await action.precheck(params, named)
        assert refusal.sentence == "#1 was reverted already by #2, which is merged."


async def test_the_approval_covers_the_change_and_for_a_commit_the_newest_one() -> None:
    """Another change is another approval; a newer commit makes the parent's tree wrong."""
    async with hosted(spec(OLDER, DIRECT)) as (sim, context):
        action = OpenRevert(context)
        params, change = await worked_out(action, service=SERVICE)
        at_github(sim).push(CommitSpec(title="One more"))
        assert (await action.observe(params)).matters() != change.before.matters()
        with pytest.raises(Conflict, match="has got a newer commit"):
            await action.apply(params, change, KEY)
        assert methods(sim) == []


@each_write_fault("open a pull request that reverts #1")
async def test_each_fault_of_githubs_own_revert_has_its_sentence(
    kind: str, error: type[AllclearError], words: str
) -> None:
    """A refusal changed nothing; everything else may have taken effect."""
    async with hosted(spec(BY_PULL)) as (sim, context):
        action = OpenRevert(context)
        params, change = await worked_out(action, service=SERVICE)
        await fault(sim, "github", "revert_pull", kind, times=10)
        with pytest.raises(error, match=words):
            await action.apply(params, change, KEY)


@pytest.mark.parametrize(
    ("kind", "status", "opened"),
    [
        ("answer_lost", ActStatus.VERIFIED, 1),
        ("cut_off", ActStatus.VERIFIED, 1),
        ("unavailable", ActStatus.INDETERMINATE, 0),
        ("ignored", ActStatus.FAILED, 0),
        ("permission_denied", ActStatus.FAILED, 0),
    ],
)
async def test_the_outcome_says_what_a_read_has_proven(kind: str, status: ActStatus, opened: int) -> None:
    """After a lost answer the pull requests are read; nothing is opened a second time."""
    async with hosted(spec(BY_PULL)) as (sim, context):
        await fault(sim, "github", "revert_pull", kind)
        outcome = await issued(OpenRevert(context))
        assert (outcome.status, len(at_github(sim).pulls) - 1) == (status, opened)
        assert methods(sim) == ["revert_pull"]


async def test_a_change_that_cannot_be_reverted_cleanly_says_so() -> None:
    """GraphQL refuses with 200 and `errors`."""
    async with hosted(spec(BY_PULL.model_copy(update={"reverts_cleanly": False}))) as (_, context):
        outcome = await issued(OpenRevert(context))
        assert outcome.status is ActStatus.FAILED
        assert "refused to open a pull request that reverts #1" in outcome.sentence
        assert "merge conflicts" in outcome.sentence


@pytest.mark.parametrize(
    ("method", "kind", "error"),
    [
        ("create_commit", "permission_denied", Denied),
        ("create_commit", "answer_lost", Unreachable),
        ("create_ref", "permission_denied", Denied),
        ("create_pull", "permission_denied", Denied),
    ],
)
async def test_a_revert_by_a_commit_is_never_half_done(method: str, kind: str, error: type[AllclearError]) -> None:
    """If any of its three writes is refused, no branch and no pull request is left."""
    async with hosted(spec(DIRECT)) as (sim, context):
        action = OpenRevert(context)
        params, change = await worked_out(action, service=SERVICE)
        await fault(sim, "github", method, kind)
        with pytest.raises(error):
            await action.apply(params, change, KEY)
        assert (list(at_github(sim).branches), at_github(sim).pulls) == (["main"], [])


async def test_a_branch_that_could_not_be_taken_back_is_named_and_the_act_indeterminate() -> None:
    """The pull request is refused, and so is the deletion of the branch that was made for it."""
    async with hosted(spec(DIRECT)) as (sim, context):
        await fault(sim, "github", "create_pull", "permission_denied")
        await fault(sim, "github", "delete_ref", "permission_denied")
        action = OpenRevert(context)
        params, change = await worked_out(action, service=SERVICE)
        with pytest.raises(AnswerLost, match=r"The branch allclear/revert-.* was made for it") as lost:
            await action.apply(params, change, KEY)
        assert "delete that branch" in lost.value.next_step
        await fault(sim, "github", "create_pull", "permission_denied")
        await fault(sim, "github", "delete_ref", "permission_denied")
        at_github(sim).branches.pop(next(name for name in at_github(sim).branches if name != "main"))
        assert (await issued(OpenRevert(context))).status is ActStatus.INDETERMINATE


@pytest.mark.parametrize("method", ["create_ref", "create_pull"])
async def test_a_lost_answer_in_the_middle_is_read_and_makes_nothing_twice(method: str) -> None:
    """The branch has a fixed name, and its commit fixed dates."""
    async with hosted(spec(DIRECT)) as (sim, context):
        await fault(sim, "github", method, "answer_lost")
        outcome = await issued(OpenRevert(context))
        assert (outcome.status, len(at_github(sim).pulls)) == (ActStatus.VERIFIED, 1)


async def test_a_second_attempt_finds_the_branch_of_the_first() -> None:
    """A crash between the branch and the pull request: the same commit is made, and the same branch used."""
    async with hosted(spec(DIRECT)) as (sim, context):
        await fault(sim, "github", "create_pull", "unavailable")
        action = OpenRevert(context)
        params, change = await worked_out(action, service=SERVICE)
        with pytest.raises(AnswerLost):
            await action.apply(params, change, KEY)
        await action.apply(params, change, KEY)
        assert len(at_github(sim).pulls) == 1
        other = at_github(sim)
        other.pulls.clear()
        other.branches[f"allclear/revert-{other.head[:12]}"] = other.head
        with pytest.raises(VendorRefused, match="already, with another commit"):
            await action.apply(params, change, KEY)


async def test_a_workflow_that_opens_nothing_is_not_taken_for_done() -> None:
    """It was started, and no pull request came within its time."""
    failing = spec(OLDER, DIRECT)
    failing = failing.model_copy(
        update={"workflows": [one.model_copy(update={"conclusion": "failure"}) for one in failing.workflows]}
    )
    async with hosted(failing) as (sim, context):
        older = at_github(sim).history("main")[1].sha
        outcome = await issued(OpenRevert(context), what=older)
        assert outcome.status is ActStatus.UNVERIFIED
        assert "has not opened a pull request from allclear/revert-" in outcome.sentence


async def test_a_workflow_that_takes_a_while_is_waited_for() -> None:
    """Its pull request counts when it is there."""
    slow = spec(OLDER, DIRECT)
    slow = slow.model_copy(
        update={"workflows": [w.model_copy(update={"takes": timedelta(milliseconds=80)}) for w in slow.workflows]}
    )
    async with hosted(slow) as (sim, context):
        older = at_github(sim).history("main")[1].sha
        outcome = await issued(OpenRevert(context), timedelta(seconds=20), what=older)
        assert outcome.status is ActStatus.VERIFIED
        await until(lambda: at_github(sim).pulls)
