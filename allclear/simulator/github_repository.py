"""The simulated repository on GitHub: commits, branches, pull requests with their checks, and runs of workflows.

What it keeps to:

- A pull request's `mergeable` is null when it is first read: GitHub computes it then.
- `revertPullRequest` opens a pull request from `revert-NUMBER-BRANCH`; it is not merged. If the branch is taken, a
  number is added. (That is our choice; the vendor does not document it.)
- A commit's sha depends on its tree, parents, message, people and dates, so the same ones give the same commit.
- A file's content is not kept: the tree after a commit is a hash of the tree before and of what it changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from allclear.simulator.event_log import Clock, iso
from allclear.simulator.github_spec import CheckSpec, CommitSpec, GithubSpec, WorkflowSpec
from allclear.simulator.scenario_schema import RevisionSpec

Later = Callable[[timedelta, Callable[[], object]], None]
Deploy = Callable[[RevisionSpec, str], None]
ROBOT = "github-actions[bot]"
_NO_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
"""Git's own name of the empty tree."""


class GithubError(Exception):
    """A refusal of GitHub: a status and a sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, message)
        self.status, self.message = status, message


@dataclass
class Commit:
    """A commit, whether or not a branch has it."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    message: str
    author: str
    made_at: str
    """As GitHub shows it: ISO 8601 in UTC."""


@dataclass
class Pull:
    """A pull request."""

    number: int
    title: str
    body: str
    head: str
    """The branch that it comes from."""
    base: str
    head_sha: str
    author: str
    created_at: datetime
    state: str = "open"
    draft: bool = False
    merged_at: datetime | None = None
    merge_commit: str | None = None
    mergeable: bool | None = None
    blocked: bool = False
    """Whether a rule of the branch forbids to merge it."""
    conflicts: bool = False
    reverts_cleanly: bool = True
    fork: str = ""
    """The repository that its branch is in, as `OWNER/NAME`; empty for this one."""


@dataclass
class CheckRun:
    """One check of one commit."""

    id: int
    spec: CheckSpec
    sha: str
    over: bool = False


@dataclass
class Run:
    """One run of a workflow."""

    id: int
    spec: WorkflowSpec
    ref: str
    sha: str
    inputs: dict[str, str]
    title: str
    created_at: datetime
    status: str = "queued"
    conclusion: str | None = None


@dataclass
class Issue:
    """An issue."""

    number: int
    title: str
    body: str
    labels: list[str]
    assignees: list[str]
    created_at: datetime
    state: str = "open"
    reason: str | None = None
    association: str = "MEMBER"
    """What its author is to the repository, as GitHub names it."""


class GithubRepository:
    """Everything of one repository, and what changes it."""

    def __init__(self, spec: GithubSpec, clock: Clock, later: Later, deploy: Deploy) -> None:
        self.spec, self._clock, self._later, self._deploy = spec, clock, later, deploy
        self.commits: dict[str, Commit] = {}
        self.branches: dict[str, str] = {}
        self.pulls: list[Pull] = []
        self.issues: list[Issue] = []
        self.deleted: set[int] = set()
        """The numbers of the issues that people have deleted."""
        self.checks: list[CheckRun] = []
        self.statuses: dict[str, dict[str, str]] = {}
        """Sha -> context -> state, as other services report them."""
        self.runs: list[Run] = []
        """The newest last."""
        for commit in spec.commits or [CommitSpec(title="First commit")]:
            self.push(commit)

    @property
    def head(self) -> str:
        """Return the newest commit of the branch that is deployed."""
        return self.branches[self.spec.branch]

    def now(self) -> datetime:
        """Return the present."""
        return self._clock()

    # --- commits and branches ----------------------------------------------------------------------------

    def push(self, spec: CommitSpec) -> Commit:
        """Add a commit to the branch that is deployed, as a person would; return it."""
        before = self.branches.get(self.spec.branch)
        made_at = self._clock() - spec.age
        tree = _sha([self.commits[before].tree if before else _NO_TREE, spec.title])
        message, parents = spec.title, [before] if before else []
        if spec.merge and before:
            side = self.commit(self.commits[before].tree, [before], f"side of {spec.title}", spec.by, _iso(made_at))
            parents.append(side.sha)
        if spec.pull:
            message = f"{spec.title} (#{self._next_number})"
        commit = self.commit(tree, parents, message, spec.by, _iso(made_at))
        self.branches[self.spec.branch] = commit.sha
        if spec.pull:
            self.pulls.append(
                Pull(
                    number=self._next_number,
                    title=spec.title,
                    body="",
                    head=spec.pull,
                    base=self.spec.branch,
                    head_sha=_sha([commit.sha, "head"]),
                    author=spec.by,
                    created_at=made_at,
                    state="closed",
                    merged_at=made_at,
                    merge_commit=commit.sha,
                    reverts_cleanly=spec.reverts_cleanly,
                )
            )
        return commit

    def commit(self, tree: str, parents: list[str], message: str, author: str, made_at: str) -> Commit:
        """Make a commit that no branch has yet. Raises GithubError: 422 for an unknown parent."""
        if any(parent not in self.commits for parent in parents):
            raise GithubError(422, "Parent does not exist or is not a commit object")
        sha = _sha([tree, parents, message, author, made_at])
        self.commits[sha] = Commit(sha, tree, tuple(parents), message, author, made_at)
        return self.commits[sha]

    def find_commit(self, name: str) -> Commit:
        """Return the commit of a sha, a part of one, or a branch. Raises GithubError: 422 or 409."""
        name = self.branches.get(name, name)
        found = [commit for sha, commit in self.commits.items() if sha.startswith(name)]
        if len(found) != 1 or len(name) < 4:  # noqa: PLR2004 - git's shortest
            raise GithubError(422, f"No commit found for SHA: {name}")
        return found[0]

    def history(self, name: str) -> list[Commit]:
        """Return the commits of a branch along its first parents, the newest first. Raises GithubError."""
        commit: Commit | None = self.find_commit(name)
        found: list[Commit] = []
        while commit is not None:
            found.append(commit)
            commit = self.commits[commit.parents[0]] if commit.parents else None
        return found

    def create_branch(self, name: str, sha: str) -> None:
        """Make a branch. Raises GithubError: 422."""
        if name in self.branches:
            raise GithubError(422, "Reference already exists")
        if sha not in self.commits:
            raise GithubError(422, "Object does not exist")
        self.branches[name] = sha

    def delete_branch(self, name: str) -> None:
        """Delete a branch. Raises GithubError: 422."""
        if self.branches.pop(name, None) is None:
            raise GithubError(422, "Reference does not exist")

    # --- pull requests -----------------------------------------------------------------------------------

    @property
    def _next_number(self) -> int:
        return len(self.pulls) + len(self.issues) + len(self.deleted) + 1

    def pull(self, number: int) -> Pull:
        """Return the pull request of that number. Raises GithubError: 404."""
        found = next((pull for pull in self.pulls if pull.number == number), None)
        if found is None:
            raise GithubError(404, "Not Found")
        return found

    def open_pull(self, title: str, body: str, head: str, base: str, author: str) -> Pull:
        """Open a pull request. Raises GithubError: 422."""
        if head not in self.branches:
            raise GithubError(422, "Validation Failed: head is invalid")
        if base not in self.branches:
            raise GithubError(422, "Validation Failed: base is invalid")
        if any(pull.head == head and pull.state == "open" for pull in self.pulls):
            owner = self.spec.repository.partition("/")[0]
            raise GithubError(422, f"Validation Failed: A pull request already exists for {owner}:{head}.")
        if self.branches[head] == self.branches[base]:
            raise GithubError(422, f"Validation Failed: No commits between {base} and {head}")
        pull = Pull(self._next_number, title, body, head, base, self.branches[head], author, self._clock())
        self.pulls.append(pull)
        self._check(pull.head_sha)
        return pull

    def _check(self, sha: str) -> None:
        for spec in self.spec.checks:
            run = CheckRun(len(self.checks) + 1, spec, sha)
            self.checks.append(run)
            self._soon(spec.takes, lambda run=run: setattr(run, "over", True))

    def push_to(self, pull: Pull) -> Commit:
        """Add a commit to a pull request, as its author would; return it."""
        head = self.commits[pull.head_sha]
        commit = self.commit(_sha([head.tree, "more"]), [head.sha], "One more", pull.author, _iso(self._clock()))
        self.branches[pull.head] = pull.head_sha = commit.sha
        return commit

    def revert(self, number: int, title: str, body: str, author: str, *, draft: bool) -> Pull:
        """Open a pull request that reverts a merged one. Raises GithubError: 422."""
        reverted = self.pull(number)
        if reverted.merged_at is None or reverted.merge_commit is None:
            raise GithubError(422, "Pull request is not merged")
        if not reverted.reverts_cleanly:
            raise GithubError(422, "Pull request could not be reverted: there are merge conflicts")
        branch = base = f"revert-{number}-{reverted.head}"
        count = 0
        while branch in self.branches:
            count += 1
            branch = f"{base}-{count}"
        tree = self._tree_without(reverted.merge_commit)
        message = title or f'Revert "{reverted.title}"'
        commit = self.commit(tree, [self.head], message, author, _iso(self._clock()))
        self.branches[branch] = commit.sha
        pull = self.open_pull(message, body, branch, reverted.base, author)
        pull.draft = draft
        return pull

    def _tree_without(self, sha: str) -> str:
        """Return the tree of the branch without what a commit changed; its parent's, if it is the newest."""
        commit = self.commits[sha]
        before = self.commits[commit.parents[0]].tree if commit.parents else _NO_TREE
        return before if sha == self.head else _sha([self.commits[self.head].tree, "without", sha])

    def read_mergeable(self, pull: Pull) -> bool | None:
        """Return whether it can be merged; null the first time, because GitHub begins to compute it then."""
        known = pull.mergeable
        if pull.state == "open":
            pull.mergeable = not pull.conflicts
        return known if pull.state == "open" else None

    def merge(self, pull: Pull, sha: str | None, method: str, by: str) -> Commit:
        """Merge a pull request. Raises GithubError: 405 or 409."""
        if sha and sha != pull.head_sha:
            raise GithubError(409, "Head branch was modified. Review and try the merge again.")
        if pull.state != "open" or pull.draft or pull.conflicts:
            raise GithubError(405, "Pull Request is not mergeable")
        if pull.blocked:
            raise GithubError(405, "At least 1 approving review is required by reviewers with write access.")
        parents = [self.branches[pull.base], *([pull.head_sha] if method == "merge" else [])]
        tree = self.commits[pull.head_sha].tree if pull.head_sha in self.commits else _sha([pull.head_sha])
        message = f"Merge pull request #{pull.number}\n\n{pull.title}" if method == "merge" else pull.title
        commit = self.commit(tree, parents, message, by, _iso(self._clock()))
        self.branches[pull.base] = commit.sha
        pull.state, pull.merged_at, pull.merge_commit = "closed", self._clock(), commit.sha
        return commit

    # --- issues ------------------------------------------------------------------------------------------

    def open_issue(self, title: str, body: str, labels: list[str], assignees: list[str]) -> Issue:
        """Open an issue; labels and assignees are left out if the token's account may not write."""
        may = self.spec.may_push
        issue = Issue(self._next_number, title, body, labels if may else [], assignees if may else [], self._clock())
        self.issues.append(issue)
        return issue

    def issue(self, number: int) -> Issue:
        """Return the issue of that number. Raises GithubError: 404, or 410 for one that was deleted."""
        if number in self.deleted:
            raise GithubError(410, "This issue was deleted")
        found = next((issue for issue in self.issues if issue.number == number), None)
        if found is None:
            raise GithubError(404, "Not Found")
        return found

    def delete_issue(self, number: int) -> None:
        """Delete an issue, as an owner of the repository may. Raises GithubError."""
        self.issues.remove(self.issue(number))
        self.deleted.add(number)

    # --- workflows ---------------------------------------------------------------------------------------

    def workflow(self, name: str) -> WorkflowSpec:
        """Return the workflow of that file or id. Raises GithubError: 404."""
        for number, spec in enumerate(self.spec.workflows, start=1):
            if name in (spec.file, str(number)):
                return spec
        raise GithubError(404, "Not Found")

    def dispatch(self, spec: WorkflowSpec, ref: str, inputs: dict[str, str]) -> Run:
        """Start a run. Raises GithubError: 422."""
        if not spec.by_hand:
            raise GithubError(422, "Workflow does not have 'workflow_dispatch' trigger")
        if spec.state != "active":
            raise GithubError(422, "Cannot trigger a 'workflow_dispatch' on a disabled workflow")
        if ref not in self.branches:
            raise GithubError(422, f"No ref found for: {ref}")
        unexpected = sorted(set(inputs) - set(spec.inputs))
        if unexpected:
            raise GithubError(422, f"Unexpected inputs provided: {json.dumps(unexpected)}")
        title = inputs.get(spec.shows, spec.file) if spec.shows else spec.file
        run = Run(1000 + len(self.runs), spec, ref, self.branches[ref], inputs, title, self._clock())
        self.runs.append(run)
        run.status = "waiting" if spec.waits else "in_progress"
        if not spec.waits:
            self._soon(spec.takes, lambda: self.end(run))
        return run

    def run(self, number: int) -> Run:
        """Return the run of that id. Raises GithubError: 404."""
        found = next((run for run in self.runs if run.id == number), None)
        if found is None:
            raise GithubError(404, "Not Found")
        return found

    def end(self, run: Run) -> None:
        """End a run, with what a good one does."""
        run.status, run.conclusion = "completed", run.spec.conclusion
        if run.conclusion != "success":
            return
        if run.spec.deploys is not None:
            self._deploy(run.spec.deploys, ROBOT)
        if run.spec.reverts:
            tree = self._tree_without(run.inputs["commit"])
            commit = self.commit(tree, [self.head], run.inputs["title"], ROBOT, _iso(self._clock()))
            self.create_branch(run.inputs["branch"], commit.sha)
            self.open_pull(run.inputs["title"], "", run.inputs["branch"], run.inputs["base"], ROBOT)

    def _soon(self, delay: timedelta, do: Callable[[], object]) -> None:
        if delay > timedelta(0):
            self._later(delay, do)
        else:
            do()


def _iso(moment: datetime) -> str:
    return (iso(moment) or "")[:19] + "Z"


def _sha(parts: list[Any]) -> str:
    return hashlib.sha1(json.dumps(parts).encode()).hexdigest()  # noqa: S324 - as git names its objects
