"""How GitHub shows its objects as JSON: commits, pull requests, checks, workflows, runs.

*Source:* GitHub's REST API reference, version 2022-11-28, read November 2026; each has the fields that clients of it
read most, and the addresses by which they read the rest.
"""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any

from allclear.simulator.event_log import iso
from allclear.simulator.github_repository import CheckRun, Commit, GithubRepository, Issue, Pull, Run
from allclear.simulator.github_spec import WorkflowSpec

Json = dict[str, Any]


class Views:
    """Shows one repository's objects, at one address."""

    def __init__(self, repository: GithubRepository, api: str) -> None:
        self._repository = repository
        name = repository.spec.repository
        self._api, self._html = f"{api}/repos/{name}", f"https://github.com/{name}"

    def repository(self) -> Json:
        """Return the repository."""
        spec = self._repository.spec
        owner, _, name = spec.repository.partition("/")
        push = spec.may_push
        rights = {"admin": False, "maintain": False, "push": push, "triage": push, "pull": True}
        return {
            "id": 1,
            "node_id": "R_1",
            "name": name,
            "full_name": spec.repository,
            "private": True,
            "owner": user(owner),
            "html_url": self._html,
            "url": self._api,
            "default_branch": spec.branch,
            "archived": False,
            "disabled": False,
            "has_issues": spec.issues,
            "permissions": rights,
        }

    def ref(self, branch: str) -> Json:
        """Return a branch as git's API shows it."""
        sha = self._repository.branches[branch]
        return {
            "ref": f"refs/heads/{branch}",
            "node_id": f"REF_{branch}",
            "url": f"{self._api}/git/refs/heads/{branch}",
            "object": {"sha": sha, "type": "commit", "url": f"{self._api}/git/commits/{sha}"},
        }

    def git_commit(self, commit: Commit) -> Json:
        """Return a commit as git's API shows it."""
        people = {"name": commit.author, "email": f"{commit.author}@users.noreply.github.com", "date": commit.made_at}
        return {
            "sha": commit.sha,
            "node_id": f"C_{commit.sha}",
            "url": f"{self._api}/git/commits/{commit.sha}",
            "html_url": f"{self._html}/commit/{commit.sha}",
            "author": people,
            "committer": people,
            "message": commit.message,
            "tree": {"sha": commit.tree, "url": f"{self._api}/git/trees/{commit.tree}"},
            "parents": [self._parent(sha) for sha in commit.parents],
        }

    def commit(self, commit: Commit) -> Json:
        """Return a commit with the people behind it."""
        git = self.git_commit(commit)
        shown = {key: git[key] for key in ("author", "committer", "message", "tree")}
        return {
            "sha": commit.sha,
            "node_id": f"C_{commit.sha}",
            "url": f"{self._api}/commits/{commit.sha}",
            "html_url": f"{self._html}/commit/{commit.sha}",
            "commit": {**shown, "url": git["url"], "comment_count": 0},
            "author": user(commit.author),
            "committer": user(commit.author),
            "parents": git["parents"],
        }

    def _parent(self, sha: str) -> Json:
        return {"sha": sha, "url": f"{self._api}/commits/{sha}", "html_url": f"{self._html}/commit/{sha}"}

    def pull(self, pull: Pull, *, whole: bool = False) -> Json:
        """Return a pull request; `whole` adds what only one that is read alone shows."""
        shown: Json = {
            "id": pull.number,
            "node_id": node_of(pull.number),
            "number": pull.number,
            "url": f"{self._api}/pulls/{pull.number}",
            "html_url": f"{self._html}/pull/{pull.number}",
            "issue_url": f"{self._api}/issues/{pull.number}",
            "state": pull.state,
            "locked": False,
            "title": pull.title,
            "user": user(pull.author),
            "body": pull.body,
            "labels": [],
            "assignees": [],
            "created_at": moment(pull.created_at),
            "updated_at": moment(pull.merged_at or pull.created_at),
            "closed_at": moment(pull.merged_at),
            "merged_at": moment(pull.merged_at),
            "merge_commit_sha": pull.merge_commit,
            "draft": pull.draft,
            "head": self._end(pull.head, pull.head_sha, pull.fork),
            "base": self._end(pull.base, self._repository.branches[pull.base]),
        }
        if whole:
            shown |= self._merging(pull)
        return shown

    def _merging(self, pull: Pull) -> Json:
        mergeable = self._repository.read_mergeable(pull)
        state = "unknown"
        if mergeable is not None:
            state = "dirty" if not mergeable else "draft" if pull.draft else "blocked" if pull.blocked else "clean"
        merged = pull.merged_at is not None
        return {"merged": merged, "mergeable": mergeable, "mergeable_state": state, "commits": 1, "changed_files": 1}

    def _end(self, branch: str, sha: str, fork: str = "") -> Json:
        name = fork or self._repository.spec.repository
        owner = name.partition("/")[0]
        return {
            "label": f"{owner}:{branch}",
            "ref": branch,
            "sha": sha,
            "user": user(owner),
            "repo": {**self.repository(), "full_name": name, "owner": user(owner)},
        }

    def issue(self, issue: Issue) -> Json:
        """Return an issue."""
        return {
            "id": issue.number,
            "node_id": f"I_{issue.number}",
            "number": issue.number,
            "url": f"{self._api}/issues/{issue.number}",
            "html_url": f"{self._html}/issues/{issue.number}",
            "state": issue.state,
            "state_reason": issue.reason,
            "title": issue.title,
            "body": issue.body,
            "user": user("allclear-bot"),
            "author_association": issue.association,
            "labels": [{"id": 1, "name": name, "color": "ededed", "default": False} for name in issue.labels],
            "assignees": [user(login) for login in issue.assignees],
            "comments": 0,
            "created_at": moment(issue.created_at),
            "updated_at": moment(issue.created_at),
        }

    def check_run(self, run: CheckRun) -> Json:
        """Return a check of a commit."""
        return {
            "id": run.id,
            "node_id": f"CR_{run.id}",
            "name": run.spec.name,
            "head_sha": run.sha,
            "url": f"{self._api}/check-runs/{run.id}",
            "html_url": f"{self._html}/runs/{run.id}",
            "status": "completed" if run.over else "in_progress",
            "conclusion": run.spec.conclusion if run.over else None,
        }

    def status(self, sha: str) -> Json:
        """Return the combined status of a commit: `pending` also if no one has reported one."""
        reported = self._repository.statuses.get(sha, {})
        states = set(reported.values())
        combined = "failure" if states & {"failure", "error"} else "success" if states == {"success"} else "pending"
        each = [{"context": name, "state": state, "description": "", "url": ""} for name, state in reported.items()]
        return {"state": combined, "sha": sha, "total_count": len(each), "statuses": each, "url": ""}

    def workflow(self, spec: WorkflowSpec) -> Json:
        """Return a workflow."""
        number = self._repository.spec.workflows.index(spec) + 1
        return {
            "id": number,
            "node_id": f"W_{number}",
            "name": spec.file.partition(".")[0],
            "path": f".github/workflows/{spec.file}",
            "state": spec.state,
            "url": f"{self._api}/actions/workflows/{number}",
            "html_url": f"{self._html}/blob/main/.github/workflows/{spec.file}",
        }

    def workflow_file(self, spec: WorkflowSpec) -> Json:
        """Return a workflow's file, whose text names what it declares."""
        by_hand = "workflow_dispatch:\n    inputs: {" + ", ".join(f"{name}: {{}}" for name in spec.inputs) + "}"
        text = f"name: {spec.file}\non:\n  {by_hand if spec.by_hand else 'push:'}\n"
        encoded = base64.encodebytes(text.encode()).decode()
        path = f".github/workflows/{spec.file}"
        return {"type": "file", "encoding": "base64", "name": spec.file, "path": path, "content": encoded, "size": 1}

    def run(self, run: Run) -> Json:
        """Return a run of a workflow."""
        return {
            "id": run.id,
            "node_id": f"WFR_{run.id}",
            "name": run.spec.file.partition(".")[0],
            "display_title": run.title,
            "head_branch": run.ref,
            "head_sha": run.sha,
            "path": f".github/workflows/{run.spec.file}",
            "run_number": run.id - 999,
            "run_attempt": 1,
            "event": "workflow_dispatch",
            "status": run.status,
            "conclusion": run.conclusion,
            "workflow_id": self._repository.spec.workflows.index(run.spec) + 1,
            "url": self.run_url(run),
            "html_url": f"{self._html}/actions/runs/{run.id}",
            "created_at": moment(run.created_at),
            "updated_at": moment(run.created_at),
        }

    def run_url(self, run: Run) -> str:
        """Return where a run is read."""
        return f"{self._api}/actions/runs/{run.id}"

    def page_of(self, run: Run) -> str:
        """Return a run's page for people."""
        return f"{self._html}/actions/runs/{run.id}"

    def pull_page(self, pull: Pull) -> str:
        """Return a pull request's page for people."""
        return f"{self._html}/pull/{pull.number}"


def node_of(number: int) -> str:
    """Return the node id of a pull request."""
    return f"PR_{number}"


def user(login: str) -> Json:
    """Return an account."""
    kind = "Bot" if login.endswith("[bot]") else "User"
    return {"login": login, "id": 1, "node_id": f"U_{login}", "type": kind, "site_admin": False}


def moment(value: datetime | None) -> str | None:
    """Return a moment as GitHub writes it: in UTC, without parts of a second."""
    return (iso(value) or "")[:19] + "Z" if value else None
