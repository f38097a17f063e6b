"""Merging a pull request, if its checks passed; the approval covers its head, which GitHub compares."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import ClassVar

from pydantic import Field
from typing_extensions import override

from allclear.domain.action import COMPANY, Action, Change, Client, Fence, Finding, Receipt, Refusal, State, Verdict
from allclear.domain.approval import ONE_PERSON
from allclear.domain.base import Candidate, Model
from allclear.domain.errors import Refused
from allclear.domain.preflight import Preflight
from allclear.domain.systems import Handle
from allclear.domain.text import enumerated
from allclear.vendors.github import Github
from allclear.vendors.github_pulls import Checks, Pull, Pulls
from tasks.github.handles import SHOWN_SHA, GithubHandle, repository_of
from tasks.github.preflight import GithubPreflight
from tasks.github.revert import OpenRevert
from tasks.github.revert_state import is_revert
from tasks.permissions import GITHUB_CHECKS, GITHUB_PULLS
from tasks.service_params import ServiceParams

REVERT = "revert"
DEADLINE = timedelta(minutes=10)
"""How long checks that are still running are waited for."""
_RECENT = timedelta(days=1)
_NUMBER = re.compile(r"#?(\d{1,9})")
_SHOWN = 10


class MergeParams(ServiceParams):
    """Which service, and which of its pull requests."""

    pull: str = Field(
        default=REVERT, description="A pull request as #12, or `revert` for the open one that reverts a change."
    )


class Merging(Model):
    """What GitHub says about merging a pull request."""

    title: str
    url: str
    author: str = ""
    fork: str = ""
    """The fork that it comes from, in words; empty if its branch is in the repository itself."""
    draft: bool = False
    mergeable: bool | None = None
    """None while GitHub is computing it."""
    state: str = ""
    """GitHub's `mergeable_state`."""
    checks: Checks = Checks()


class MergeState(State):
    """A pull request, and whether it is merged."""

    incidental: ClassVar[frozenset[str]] = frozenset({"merging", "commit"})

    repository: str
    number: int
    base: str
    head: str
    """The newest commit of the pull request."""
    open: bool
    merged: bool
    merging: Merging
    commit: str = ""
    """What is on the branch after the merge."""

    @override
    def fence_token(self) -> str:
        return self.head

    @override
    def in_words(self) -> str:
        state = "merged" if self.merged else "open" if self.open else "closed"
        return f"#{self.number} ({self.merging.title}) at {self.head[:SHOWN_SHA]} is {state}"


class Merge(Action[MergeParams, MergeState]):
    """Merges a pull request into the branch that is deployed, if its checks passed."""

    name = "github.merge"
    title = "Merge a pull request"
    params = MergeParams
    state: ClassVar[type[State]] = MergeState
    needs: ClassVar[tuple[type[Client], ...]] = (Github,)
    handles: ClassVar[tuple[type[Handle], ...]] = (GithubHandle,)
    preflights: ClassVar[tuple[type[Preflight], ...]] = (GithubPreflight,)
    fence: ClassVar[Fence] = Fence.VERSION
    approval = ONE_PERSON
    chooses = "pull"
    permissions = (GITHUB_PULLS, GITHUB_CHECKS)
    usual_risk = "Users get it with the next deployment, which may start by itself when it is merged."
    usual_undo = "It cannot be undone: open a pull request that reverts it, behind its own approval."

    @property
    def github(self) -> Github:
        """Return the client."""
        return self.context.client(Github)

    @override
    def resource(self, params: MergeParams) -> str:
        return f"branch:{repository_of(self.context, params.service).repository}"

    @override
    async def observe(self, params: MergeParams) -> MergeState:
        return await self._seen(params)

    @override
    async def observe_for_plan(self, params: MergeParams) -> MergeState:
        return await self._seen(params, planning=True)

    async def _seen(self, params: MergeParams, *, planning: bool = False) -> MergeState:
        handle = repository_of(self.context, params.service)
        pulls = Pulls(self.github, handle.repository)
        pull = await pulls.pull(await self._number(params, handle, pulls, planning=planning))
        checks = await pulls.checks(pull.head.sha) if pull.open else Checks()
        return MergeState(
            repository=handle.repository,
            number=pull.number,
            base=pull.base.ref,
            head=pull.head.sha,
            open=pull.open,
            merged=pull.merged,
            commit=(pull.merge_commit_sha or "") if pull.merged else "",
            merging=Merging(
                title=pull.title,
                url=pull.url,
                author=pull.author,
                fork=pull.fork,
                draft=pull.draft,
                mergeable=pull.mergeable,
                state=pull.mergeable_state,
                checks=checks,
            ),
        )

    async def _number(self, params: MergeParams, handle: GithubHandle, pulls: Pulls, *, planning: bool) -> int:
        """Return the number of the pull request that is meant.

        When `planning`, a revert that was merged already counts only if nothing came after it: otherwise it is that of
        an earlier incident. Raises Refused with candidates if it is not clear: several reverts are open, or none.
        """
        if named := _NUMBER.fullmatch(params.pull):
            return int(named[1])
        newest = await pulls.newest(handle.branch)
        reverts = [pull for pull in newest if is_revert(pull)]
        open_ones = [pull for pull in reverts if pull.open]
        if params.pull != REVERT:
            raise Refused(
                f"`{params.pull}` is no pull request, as #12, and not `{REVERT}`.",
                "Choose one of the open ones.",
                _candidates([pull for pull in newest if pull.open]),
            )
        if len(open_ones) > 1:
            raise Refused(
                f"{len(open_ones)} open pull requests of {handle.repository} revert something.",
                "Choose the one that is to be merged.",
                _candidates(open_ones),
            )
        # Without an open one, the newest that was merged lately: after the merge it is what this act is about.
        now = self.context.clock()
        merged = [pull for pull in reverts if pull.merged_at and now - pull.merged_at < _RECENT]
        if merged and not open_ones and planning:
            head = await self.github.head(handle.repository, handle.branch)
            merged = [pull for pull in merged if pull.merge_commit_sha == head]
        if not open_ones and not merged:
            raise Refused(
                f"No open pull request of {handle.repository} reverts a change.",
                f"Open one first: allclear act {COMPANY} {OpenRevert.name} service={params.service} --reason WHY"
                " --as NAME",
                _candidates([pull for pull in newest if pull.open]),
            )
        return (open_ones or merged)[0].number

    @override
    def plan(self, params: MergeParams, before: MergeState) -> Change[MergeState]:
        merging, checks = before.merging, before.merging.checks
        by = f" by {merging.author}" if merging.author else ""
        by += f" from {merging.fork}" if merging.fork else ""
        passed = f"{enumerated(checks.passed)} passed." if checks.passed else "No check has run on it."
        return Change(
            action=self.name,
            resource=self.resource(params),
            summary=f"Merge #{before.number} ({merging.title}){by} into {before.base} of"
            f" {before.repository}, as it is at {before.head[:SHOWN_SHA]}.",
            before=before,
            after=before.model_copy(update={"open": False, "merged": True}),
            risk=f"{passed} {self.usual_risk}",
            undo=self.usual_undo,
            deadline=DEADLINE,
        )

    @override
    async def precheck(self, params: MergeParams, change: Change[MergeState]) -> list[Refusal]:
        now = change.before
        if now.base != repository_of(self.context, params.service).branch:
            sentence = f"#{now.number} goes into {now.base}, which is not the branch that is deployed."
            return [Refusal(sentence=sentence, next_step="Name another pull request.")]
        refusal = _not_ready(now) or _checks_missing(now) or _not_mergeable(now)
        return [refusal] if refusal else []

    @override
    async def apply(self, params: MergeParams, change: Change[MergeState], key: str) -> Receipt:
        handle, after = repository_of(self.context, params.service), change.after
        pulls = Pulls(self.github, handle.repository)
        commit = await pulls.merge(after.number, after.head, handle.merge_method)
        return Receipt(facts={"commit": commit})

    @override
    def verify(self, change: Change[MergeState], after: MergeState, receipt: Receipt | None) -> Finding:
        wanted = change.after
        facts = {"number": after.number, "head": after.head, "commit": after.commit}
        if after.number != wanted.number:
            sentence = f"#{wanted.number} is not the pull request that `{REVERT}` means now: that is #{after.number}."
            return Finding(verdict=Verdict.INCONCLUSIVE, sentence=sentence, facts=facts)
        if not after.merged:
            sentence = f"#{after.number} is not merged: {after.merging.url}"
            return Finding(verdict=Verdict.FAILURE, sentence=sentence, facts=facts)
        if after.head != wanted.head:
            sentence = (
                f"#{after.number} was merged with other commits than those that were approved: {after.merging.url}"
            )
            return Finding(verdict=Verdict.FAILURE, sentence=sentence, facts=facts, final=True)
        sentence = f"#{after.number} is merged into {after.base} as {after.commit[:SHOWN_SHA]}."
        return Finding(verdict=Verdict.SUCCESS, sentence=sentence, facts=facts)

    @override
    def undo(self, params: MergeParams, done: Change[MergeState], now: MergeState) -> Change[MergeState]:
        raise Refused(
            f"The merge of #{done.after.number} cannot be undone.",
            f"Revert it: allclear act {COMPANY} {OpenRevert.name} service={params.service} what=#{done.after.number}"
            " --reason WHY --as NAME",
        )


def _not_ready(now: MergeState) -> Refusal | None:
    """Return why the pull request itself is not to be merged."""
    name, page = f"#{now.number}", f"It is at {now.merging.url}."
    if not now.open:
        return Refusal(
            sentence=f"{name} is closed and was not merged.", next_step=f"Open it again, or leave it. {page}"
        )
    if now.merging.draft:
        return Refusal(sentence=f"{name} is a draft.", next_step=f"Mark it as ready first. {page}")
    return None


def _checks_missing(now: MergeState) -> Refusal | None:
    """Return which of its checks have not passed; those that still run are waited for."""
    name, checks, page = f"#{now.number}", now.merging.checks, f"It is at {now.merging.url}."
    if checks.failed:
        next_step = f"Correct what failed, or run the check again. {page}"
        return Refusal(sentence=f"A check failed on {name}: {enumerated(checks.failed)}.", next_step=next_step)
    if checks.running:
        sentence = f"A check is still running on {name}: {enumerated(checks.running)}."
        return Refusal(sentence=sentence, next_step=f"It is waited for. {page}", passes=True)
    return None


def _not_mergeable(now: MergeState) -> Refusal | None:
    """Return why GitHub would not merge it; what GitHub still computes is waited for."""
    name, merging, page = f"#{now.number}", now.merging, f"It is at {now.merging.url}."
    if merging.mergeable is None:
        sentence = f"GitHub is computing whether {name} can be merged."
        return Refusal(sentence=sentence, next_step=f"It is waited for. {page}", passes=True)
    if not merging.mergeable:
        sentence = f"{name} conflicts with {now.base}."
        return Refusal(sentence=sentence, next_step=f"Resolve the conflict in its branch. {page}")
    if merging.state == "blocked":
        sentence = f"A rule of {now.base} does not allow merging {name}: a review or a required check is missing."
        return Refusal(sentence=sentence, next_step=f"Let a person who may review it approve it there. {page}")
    if not merging.checks.passed:
        return Refusal(sentence=f"No check has run on {name}.", next_step=page, warning=True)
    return None


def _whose(pull: Pull) -> str:
    return f"{pull.author}, from {pull.fork}" if pull.fork else pull.author


def _candidates(pulls: list[Pull]) -> tuple[Candidate, ...]:
    return tuple(Candidate(name=f"#{pull.number}", reason=f"{pull.title} ({_whose(pull)})") for pull in pulls[:_SHOWN])
