"""Opening a pull request that reverts a change; it is not merged.

GitHub offers no idempotency key, so what is open is read once more just before the write. A revert by a commit has a
branch of a fixed name and a commit with fixed dates, so doing it again makes nothing new.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from pydantic import Field
from typing_extensions import override

from allclear.domain.action import (
    COMPANY,
    Action,
    Change,
    Client,
    Fence,
    Finding,
    News,
    Receipt,
    Refusal,
    State,
    Verdict,
)
from allclear.domain.errors import AllclearError, AnswerLost, Conflict, Refused, Unreachable, VendorRefused
from allclear.domain.preflight import Preflight
from allclear.domain.systems import Handle
from allclear.domain.text import as_sentence
from allclear.vendors.github import Github
from allclear.vendors.github_pulls import Pulls
from allclear.vendors.github_workflows import Workflows
from tasks.github.handles import GithubHandle, WorkflowHandle, repository_of, reverting_workflow
from tasks.github.preflight import GithubPreflight
from tasks.github.revert_state import LATEST, RevertState, Target, branch_for, find_target, observed, short
from tasks.permissions import GITHUB_PULLS, GITHUB_RUN
from tasks.service_params import ServiceParams

DEADLINE = timedelta(seconds=30)
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
_BY_WAY = {
    "pull_request": "GitHub makes the reverting commit itself; it refuses if the change cannot be reverted cleanly.",
    "commit": "The reverting commit has exactly the files of the commit before.",
    "workflow": "A workflow of the repository makes the reverting commit.",
}


class OpenRevertParams(ServiceParams):
    """Which service, and which of its changes."""

    what: str = Field(
        default=LATEST, description="A merged pull request as #12, a commit's sha, or `latest` for the newest change."
    )


class OpenRevert(Action[OpenRevertParams, RevertState]):
    """Opens a pull request that reverts a change of a service."""

    name = "github.open_revert"
    title = "Open a pull request that reverts a change"
    params = OpenRevertParams
    state: ClassVar[type[State]] = RevertState
    needs: ClassVar[tuple[type[Client], ...]] = (Github,)
    handles: ClassVar[tuple[type[Handle], ...]] = (GithubHandle,)
    preflights: ClassVar[tuple[type[Preflight], ...]] = (GithubPreflight,)
    fence: ClassVar[Fence] = Fence.NONE
    chooses = "what"
    leaves = "an open pull request"
    shows_late = True
    permissions = (GITHUB_PULLS, GITHUB_RUN)
    usual_risk = "Users notice nothing until the pull request is merged and deployed."
    usual_undo = "Closes the pull request without merging it; its branch stays."

    @property
    def github(self) -> Github:
        """Return the client."""
        return self.context.client(Github)

    @override
    def resource(self, params: OpenRevertParams) -> str:
        return f"revert:{repository_of(self.context, params.service).repository}"

    @override
    def review_after(self, params: OpenRevertParams) -> timedelta:
        return timedelta(days=1)

    @override
    async def observe(self, params: OpenRevertParams) -> RevertState:
        handle = repository_of(self.context, params.service)
        target, head = await find_target(self.github, handle, params.what)
        return await observed(self.github, handle, target, head)

    @override
    def plan(self, params: OpenRevertParams, before: RevertState) -> Change[RevertState]:
        handle, target = repository_of(self.context, params.service), before.target
        deadline = reverting_workflow(handle).takes if target.way == "workflow" else DEADLINE
        return Change(
            action=self.name,
            resource=self.resource(params),
            summary=f"Open a pull request that reverts {target.shown} on {before.branch} of {before.repository}.",
            before=before,
            after=before.model_copy(update={"open": True}),
            risk=f"{_BY_WAY[target.way]} Users notice nothing until it is merged and deployed. What was built on the"
            " change may break without it; a migration of the database is not taken back.",
            undo="Closes the pull request without merging it; its branch stays.",
            deadline=deadline,
        )

    @override
    async def precheck(self, params: OpenRevertParams, change: Change[RevertState]) -> list[Refusal]:
        before, target = change.before, change.after.target
        if change.after.closes is not None:
            return []
        if params.what == LATEST and target.is_revert:
            sentence = f"The newest change of {before.branch} is a revert itself: {target.shown}."
        elif (done := before.merged_for(target)) is not None:
            sentence = f"{short(target.name)} was reverted already by #{done.number}, which is merged."
        else:
            return []
        return [
            Refusal(
                sentence=sentence,
                next_step=f"If another change is at fault, name it: allclear act {COMPANY} {self.name}"
                f" service={params.service} what=CHANGE --reason WHY --as NAME",
            )
        ]

    @override
    async def apply(self, params: OpenRevertParams, change: Change[RevertState], key: str) -> Receipt:
        handle, target = repository_of(self.context, params.service), change.after.target
        now = await observed(self.github, handle, target, change.before.head)
        if change.after.closes is not None:
            return await self._close(now, change.after.closes)
        already = now.open_for(target) or now.merged_for(target)
        if already is not None:
            return Receipt(facts={"write": "already", "number": already.number})
        if target.way == "pull_request":
            title, body = f'Revert "{target.title}"', _body(handle, target, key)
            number = int(target.name.removeprefix("#"))
            pull = await Pulls(self.github, handle.repository).revert(target.node, number, title, body)
            return Receipt(facts={"write": "opened", "number": pull})
        if target.way == "workflow":
            return await self._run(handle, reverting_workflow(handle), target)
        return await _Commit(self.github, handle, target, key).revert(change.before.head)

    async def _close(self, now: RevertState, number: int) -> Receipt:
        if not now.is_open(number):
            return Receipt(facts={"write": "already"})
        await Pulls(self.github, now.repository).close(number)
        return Receipt(facts={"write": "closed", "number": number})

    async def _run(self, handle: GithubHandle, workflow: WorkflowHandle, target: Target) -> Receipt:
        inputs = {
            "commit": target.name,
            "base": handle.branch,
            "branch": branch_for(target.name),
            "title": f'Revert "{target.title}"',
        }
        workflows = Workflows(self.github, handle.repository)
        run = await workflows.dispatch(workflow.file, workflow.branch or handle.branch, workflow.inputs | inputs)
        return Receipt(facts={"write": "started", "run": run})

    @override
    def verify(self, change: Change[RevertState], after: RevertState, receipt: Receipt | None) -> Finding:
        target, number = change.after.target, change.after.closes
        if number is not None:
            is_open = after.is_open(number)
            verdict = Verdict.FAILURE if is_open else Verdict.SUCCESS
            return Finding(
                verdict=verdict, sentence=f"#{number} is {'still open' if is_open else 'not open any more'}."
            )
        pull, merged = after.open_for(target), after.merged_for(target)
        if not change.after.open:  # an undo after the pull request was merged or closed
            verdict = Verdict.FAILURE if pull else Verdict.SUCCESS
            return Finding(verdict=verdict, sentence=as_sentence(after.words_of(target)))
        if pull is not None:
            sentence = f"#{pull.number} reverts {target.shown}. It is not merged: {pull.url}"
            return Finding(verdict=Verdict.SUCCESS, sentence=sentence, facts=pull.model_dump())
        if merged is not None and change.before.merged_for(target) is None:
            sentence = f"#{merged.number} reverts {target.shown}, and was merged since: {merged.url}"
            return Finding(verdict=Verdict.SUCCESS, sentence=sentence, facts=merged.model_dump())
        if target.way == "workflow":  # it takes its time; the deadline ends the wait
            sentence = f"The workflow has not opened a pull request from {branch_for(target.name)} yet."
            return Finding(verdict=Verdict.INCONCLUSIVE, sentence=sentence)
        return Finding(verdict=Verdict.FAILURE, sentence=as_sentence(after.words_of(target)))

    @override
    def target_reached(self, change: Change[RevertState], now: RevertState) -> bool:
        number = change.after.closes
        return now.open_for(change.after.target) is not None if number is None else not now.is_open(number)

    @override
    def nothing_left(self, done: Change[RevertState], now: RevertState) -> bool:
        return now.open_for(done.after.target) is None

    @override
    def news_of(self, done: Change[RevertState], now: RevertState) -> News | None:
        target = done.after.target
        if now.open_for(target) is not None:
            return None
        merged = now.merged_for(target)
        pull = f"#{merged.number}, which reverts" if merged else "The pull request that reverts"
        became = "was merged" if merged else "was closed without being merged"
        sentence = f"{pull} {short(target.name)}{',' if merged else ''} {became}."
        return News(key=f"revert:{'merged' if merged else 'closed'}", sentence=sentence, moved=True)

    @override
    def undo(self, params: OpenRevertParams, done: Change[RevertState], now: RevertState) -> Change[RevertState]:
        target = done.after.target
        pull = now.open_for(target)
        if pull is None:
            raise Refused(f"No open pull request reverts {short(target.name)}.", "Nothing is left of this to undo.")
        return Change(
            action=self.name,
            resource=self.resource(params),
            summary=f"Close #{pull.number}, which reverts {target.shown}, without merging it.",
            before=now,
            after=now.model_copy(update={"target": target, "closes": pull.number}),
            risk="The change stays on the branch.",
            undo="Open it again on GitHub.",
            deadline=DEADLINE,
        )


class _Commit:
    """The revert of the newest commit of a branch: a commit with its parent's tree, a branch, and a pull request."""

    def __init__(self, github: Github, handle: GithubHandle, target: Target, key: str) -> None:
        self._github, self._handle, self._target, self._key = github, handle, target, key
        self._branch = branch_for(target.name)

    async def revert(self, head: str) -> Receipt:
        """Write all three. If the last is refused, the branch is taken away again, so that nothing is half-done.

        Raises Conflict if the branch has got a newer commit, and AnswerLost if the branch could not be taken away.
        """
        repository, target = self._handle.repository, self._target
        now = await self._github.head(repository, self._handle.branch)
        if now != head:
            raise Conflict(
                f"{self._handle.branch} of {repository} has got a newer commit: {short(now)}.",
                "Check whether the newer commit is at fault, and decide again.",
            )
        reverted = await self._github.commit(repository, target.name)
        parent = await self._github.commit(repository, reverted.parents[0].sha)
        made = await self._make_commit(reverted.made_at or _LONG_AGO, parent.commit.tree.sha)
        made_branch = await self._make_branch(made)
        try:
            number = await Pulls(self._github, repository).create(
                title=f'Revert "{target.title}"',
                head=self._branch,
                base=self._handle.branch,
                body=_body(self._handle, target, self._key),
            )
        except AnswerLost:
            raise
        except AllclearError as error:
            await self._take_back(error, made=made_branch)
            raise
        return Receipt(facts={"write": "opened", "number": number})

    async def _make_commit(self, made_at: datetime, tree: str) -> str:
        """Make the commit. A lost answer changes nothing that anyone can see: no branch has the commit."""
        target = self._target
        message = f'Revert "{target.title}"\n\nThis reverts commit {target.name}.\n'
        try:
            return await self._github.create_commit(
                self._handle.repository, message=message, tree=tree, parent=target.name, made_at=made_at
            )
        except AnswerLost as error:
            raise Unreachable(f"{error.message} No branch was changed.", "Try again.") from error

    async def _make_branch(self, sha: str) -> bool:
        """Make the branch; return whether it was not there. Raises VendorRefused if it is there with another commit."""
        repository = self._handle.repository
        try:
            await self._github.create_branch(repository, self._branch, sha)
        except VendorRefused as error:
            found = None
            with suppress(AllclearError):
                found = await self._github.head(repository, self._branch)
            if found is None:
                raise
            if found != sha:
                raise VendorRefused(
                    f"{repository} has a branch {self._branch} already, with another commit ({short(found)}).",
                    "Find out whose it is. Delete it, or revert the change by hand.",
                ) from error
            return False
        except AnswerLost:
            if await self._github.head(repository, self._branch) != sha:
                raise
        return True

    async def _take_back(self, error: AllclearError, *, made: bool) -> None:
        """Delete the branch that was made for a pull request that GitHub refused. Raises AnswerLost if it stays."""
        if not made:
            return
        try:
            await self._github.delete_branch(self._handle.repository, self._branch)
        except AllclearError as failed:
            raise AnswerLost(
                f"{error.message} The branch {self._branch} was made for it, and could not be deleted:"
                f" {failed.message}",
                f"Open a pull request from {self._branch} on GitHub, or delete that branch.",
            ) from failed


def _body(handle: GithubHandle, target: Target, key: str) -> str:
    what = f"{handle.repository}{target.name}" if target.way == "pull_request" else target.name
    return f"Reverts {what}\n\nOpened by allclear for {key}."
