"""What is to be reverted, in which of the three ways, and whether a pull request reverts it already.

A merged pull request is reverted by GitHub itself. A commit that was pushed directly is reverted by a commit with its
parent's tree, which is right only if it is the newest of the branch and has one parent. Anything older is reverted by a
workflow that systems.yaml names.
"""

from __future__ import annotations

import re
from typing import ClassVar, Literal

from typing_extensions import override

from allclear.domain.action import COMPANY, State
from allclear.domain.base import Candidate, Model
from allclear.domain.errors import NotFound, Refused
from allclear.vendors.github import Commit, Github
from allclear.vendors.github_pulls import Pull, Pulls
from tasks.github.handles import SHOWN_SHA, GithubHandle

LATEST = "latest"
Way = Literal["pull_request", "commit", "workflow"]
_LISTED = 10
"""How many commits of the branch a person is shown."""
_SHA = re.compile(r"[0-9a-f]{7,40}")
_NUMBER = re.compile(r"#?(\d{1,9})")
_OURS = "allclear/revert-"
_REVERT_BRANCH = re.compile(rf"revert-\d+-|{_OURS}")
"""The branches of reverts: GitHub's own, and ours."""


class Target(Model):
    """What is reverted, and how."""

    way: Way
    name: str
    """`#12` for a pull request, the sha of a commit otherwise."""
    title: str
    by: str = ""
    sha: str = ""
    """The commit that it brought to the branch."""
    node: str = ""
    """A pull request's node id."""
    is_revert: bool = False
    """Whether it is a pull request that reverts something itself."""

    @property
    def shown(self) -> str:
        """Return it as people know it."""
        what = f"{self.name} ({self.title})" if self.way == "pull_request" else f"{short(self.name)} ({self.title})"
        return f"{what} by {self.by}" if self.by else what


class Reverting(Model):
    """A pull request whose branch is the one of a revert."""

    branch: str
    number: int
    url: str
    open: bool
    merged: bool

    def of(self, target: Target) -> bool:
        """Return whether it reverts the target: its branch is the one that GitHub, or we, give to that revert."""
        if target.way == "pull_request":
            return self.branch.startswith(f"revert-{target.name.removeprefix('#')}-")
        return self.branch == branch_for(target.name)


class RevertState(State):
    """A change on a branch, and the pull requests that revert something."""

    incidental: ClassVar[frozenset[str]] = frozenset({"target", "found"})

    repository: str
    branch: str
    reverts: str
    """What is reverted: `#12`, or the sha of a commit."""
    way: Way
    head: str = ""
    """The newest commit of the branch, if the change is right only for it."""
    open: bool = False
    """Whether a pull request that reverts it is open."""
    closes: int | None = None
    """The pull request that an undo closes; None in a state that was read."""
    target: Target
    found: tuple[Reverting, ...] = ()
    """The newest pull requests that revert this or something else."""

    @override
    def in_words(self) -> str:
        if self.closes is not None:
            return f"#{self.closes} is closed"
        if self.open and self.open_for(self.target) is None:
            return f"a pull request is open and reverts {short(self.reverts)}"
        return self.words_of(self.target)

    def words_of(self, target: Target) -> str:
        """Return what reverts a target, which may be another one than this state's."""
        if (pull := self.open_for(target)) is not None:
            return f"#{pull.number} is open and reverts {short(target.name)}"
        if (pull := self.merged_for(target)) is not None:
            return f"#{pull.number} has reverted {short(target.name)}"
        return f"no open pull request reverts {short(target.name)}"

    def open_for(self, target: Target) -> Reverting | None:
        """Return the open pull request that reverts a target, which may be another one than this state's."""
        return next((pull for pull in self.found if pull.open and pull.of(target)), None)

    def is_open(self, number: int) -> bool:
        """Return whether the pull request of that number is open."""
        return any(pull.open for pull in self.found if pull.number == number)

    def merged_for(self, target: Target) -> Reverting | None:
        """Return the newest merged pull request that reverts a target."""
        return next((pull for pull in self.found if pull.merged and pull.of(target)), None)


def short(name: str) -> str:
    """Return a sha cut as people know it; any other name whole."""
    return name[:SHOWN_SHA] if _SHA.fullmatch(name) else name


def is_revert(pull: Pull) -> bool:
    """Return whether a pull request is a revert: its branch is called as GitHub, or we, call the branch of one.

    A branch of a fork is none: a stranger may give it any name, and his change would be merged as our revert.
    """
    return not pull.fork and _REVERT_BRANCH.match(pull.head.ref) is not None


def branch_for(sha: str) -> str:
    """Return the branch of our pull request that reverts a commit: the same name each time."""
    return f"{_OURS}{sha[:SHOWN_SHA]}"


async def find_target(github: Github, handle: GithubHandle, what: str) -> tuple[Target, str]:
    """Return what `what` names, and the newest commit of the branch.

    Raises Refused for a name that fits nothing that can be reverted, with candidates; NotFound, VendorError.
    """
    pulls = Pulls(github, handle.repository)
    if what != LATEST and (number := _NUMBER.fullmatch(what)) and not _is_long_sha(what):
        head = await github.head(handle.repository, handle.branch)
        return _of_pull(await pulls.pull(int(number[1])), handle), head
    newest = await github.commits(handle.repository, handle.branch, _LISTED)
    if not newest:
        raise NotFound(f"The branch {handle.branch} of {handle.repository} has no commit.", "Check its name.")
    head = newest[0].sha
    commit = newest[0] if what == LATEST else await _named(github, handle, what, newest)
    brought = await _bringing(pulls, commit, handle)
    if brought is not None:
        return _of_pull(brought, handle, commit.sha), head
    if commit.sha == head and len(commit.parents) == 1:
        return _of_commit("commit", commit), head
    if len(commit.parents) != 1:
        kind = "a merge of several commits" if commit.parents else "the first commit"
        raise Refused(
            f"{short(commit.sha)} is {kind} and belongs to no pull request, so what to go back to is not known.",
            "Revert it by hand, or choose another change.",
            _candidates(newest),
        )
    return _of_commit("workflow", commit), head


def _is_long_sha(what: str) -> bool:
    """Return whether digits alone are meant as the beginning of a sha and not as a pull request's number."""
    return not what.startswith("#") and len(what) >= 7  # noqa: PLR2004 - the shortest sha that is taken


async def _named(github: Github, handle: GithubHandle, what: str, newest: list[Commit]) -> Commit:
    if not _SHA.fullmatch(what):
        raise Refused(
            f"`{what}` is neither `latest`, nor a pull request as `#12`, nor a commit of 7 to 40 hex digits.",
            "Choose one of the newest commits, or name another: allclear act"
            f" {COMPANY} github.open_revert service=SERVICE what=COMMIT --reason WHY --as NAME",
            _candidates(newest),
        )
    matching = [commit for commit in newest if commit.sha.startswith(what)]
    if len(matching) > 1:
        raise Refused(f"`{what}` fits several commits.", "Choose one of them.", _candidates(matching))
    return matching[0] if matching else await github.commit(handle.repository, what)


async def _bringing(pulls: Pulls, commit: Commit, handle: GithubHandle) -> Pull | None:
    """Return the merged pull request that brought a commit to the branch; None if it was pushed directly."""
    of_commit = await pulls.of_commit(commit.sha)
    return next((pull for pull in of_commit if pull.merged and pull.base.ref == handle.branch), None)


def _of_pull(pull: Pull, handle: GithubHandle, sha: str = "") -> Target:
    if not pull.merged:
        state = "still open" if pull.open else "closed and was not merged"
        raise Refused(
            f"#{pull.number} ({pull.title}) is {state}, so there is nothing to revert.", "Name a merged pull request."
        )
    if pull.base.ref != handle.branch:
        raise Refused(
            f"#{pull.number} was merged into {pull.base.ref}, and {handle.branch} is what is deployed.",
            f"Name a pull request that was merged into {handle.branch}.",
        )
    return Target(
        way="pull_request",
        name=f"#{pull.number}",
        title=pull.title,
        by=pull.author,
        sha=sha or pull.merge_commit_sha or "",
        node=pull.node_id,
        is_revert=is_revert(pull),
    )


def _of_commit(way: Way, commit: Commit) -> Target:
    return Target(way=way, name=commit.sha, title=commit.title, by=commit.author, sha=commit.sha)


def _candidates(commits: list[Commit]) -> tuple[Candidate, ...]:
    return tuple(
        Candidate(name=short(commit.sha), reason=f"{commit.title} ({commit.author or 'no author'})")
        for commit in commits
    )


async def observed(github: Github, handle: GithubHandle, target: Target, head: str) -> RevertState:
    """Return a target's state, with every pull request into the branch that reverts something. Raises VendorError."""
    newest = await Pulls(github, handle.repository).newest(handle.branch)
    found = tuple(
        Reverting(branch=pull.head.ref, number=pull.number, url=pull.url, open=pull.open, merged=pull.merged)
        for pull in newest
        if is_revert(pull)
    )
    return RevertState(
        repository=handle.repository,
        branch=handle.branch,
        reverts=target.name,
        way=target.way,
        head=head if target.way == "commit" else "",
        open=any(pull.open and pull.of(target) for pull in found),
        target=target,
        found=found,
    )
