"""The simulated GitHub, judged by PyGithub, which others wrote for the real one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx
import pytest
from github import Auth, Github, GithubException, InputGitAuthor

from tests.contract.github_support import BY_PULL, DIRECT, OLDER, REPOSITORY, at_github, hosted, spec
from tests.contract.simulator_support import Simulated

AUTHOR = InputGitAuthor("allclear", "allclear@localhost", "2026-11-29T01:00:00Z")


@asynccontextmanager
async def published(*commits: Any) -> AsyncGenerator[tuple[Simulated, Github]]:  # noqa: ANN401 - parts of a scenario
    """Run a repository, and yield PyGithub's client of it."""
    async with hosted(spec(*commits)) as (sim, _):
        client = Github(
            auth=Auth.Token(sim.secrets["github"]),
            base_url=sim.endpoints["github"],
            retry=0,
            seconds_between_requests=0,
            seconds_between_writes=0,
        )
        try:
            yield sim, client
        finally:
            client.close()


async def test_pygithub_reverts_the_newest_commit_through_gits_data_api_and_merges_it() -> None:
    """References, commits, trees, a new branch, a pull request with its checks, the merge, and the list of commits."""

    def work(client: Github) -> tuple[str, str]:
        repository = client.get_repo(REPOSITORY)
        assert (repository.full_name, repository.permissions.push) == (REPOSITORY, True)
        head = repository.get_git_ref("heads/main").object.sha
        newest = repository.get_git_commit(head)
        parent = repository.get_git_commit(newest.parents[0].sha)
        made = repository.create_git_commit("Revert", parent.tree, [newest], AUTHOR, AUTHOR)
        again = repository.create_git_commit("Revert", parent.tree, [newest], AUTHOR, AUTHOR)
        assert made.sha == again.sha
        repository.create_git_ref("refs/heads/revert", made.sha)
        with pytest.raises(GithubException) as taken:
            repository.create_git_ref("refs/heads/revert", made.sha)
        assert taken.value.status == 422
        pull = repository.create_pull("main", "revert", title="Revert", body="it", draft=False)
        assert [one.number for one in repository.get_pulls(state="open", base="main")] == [pull.number]
        assert repository.get_commit(made.sha).get_combined_status().state == "pending"
        assert repository.get_commit(made.sha).get_check_runs().totalCount == 0
        merged = repository.get_pull(pull.number).merge(sha=made.sha, merge_method="squash")
        assert merged.merged
        assert repository.get_pull(pull.number).is_merged() or repository.get_pull(pull.number).merged
        return merged.sha, next(iter(repository.get_commits(sha="main"))).sha

    async with published(OLDER, DIRECT) as (sim, client):
        merged, newest = await asyncio.to_thread(work, client)
        assert merged == newest == at_github(sim).head


async def test_pygithub_runs_a_workflow_and_reads_its_end() -> None:
    """The workflow by its file, the dispatch, and the run with its status and conclusion."""

    def work(client: Github) -> tuple[str, str, str]:
        workflow = client.get_repo(REPOSITORY).get_workflow("deploy.yml")
        inputs = {"act": "VS-1-redeploy"}
        start = cast("Any", workflow).create_dispatch  # the types of its inputs are not known
        assert start("main", inputs)
        started = start("main", inputs, return_run_details=True)
        run = workflow.get_runs(event="workflow_dispatch")[0]
        assert started.id == run.id
        return workflow.state, run.display_title, run.conclusion

    async with published(BY_PULL) as (_, client):
        assert await asyncio.to_thread(work, client) == ("active", "VS-1-redeploy", "success")


async def test_pygithub_opens_finds_and_closes_an_issue() -> None:
    """The list has pull requests too, which PyGithub tells apart."""

    def work(client: Github) -> tuple[int, str, list[int]]:
        repository = client.get_repo(REPOSITORY)
        made = repository.create_issue("Search is slow", body="x", labels=["search-team"], assignees=["chi"])
        assert ([label.name for label in made.labels], made.assignees[0].login) == (["search-team"], "chi")
        made.edit(state="closed", state_reason="completed")
        listed = [one.number for one in repository.get_issues(state="all") if one.pull_request is None]
        return made.number, repository.get_issue(made.number).state, listed

    async with published(BY_PULL) as (_, client):
        assert await asyncio.to_thread(work, client) == (2, "closed", [2])


async def test_pygithubs_graphql_reverts_a_merged_pull_request() -> None:
    """A refusal is 200 with `errors`, which PyGithub raises."""

    def work(client: Github) -> list[int]:
        repository = client.get_repo(REPOSITORY)
        [merged] = repository.get_commit("main").get_pulls()
        query = (
            "mutation($input: RevertPullRequestInput!)"
            " { revertPullRequest(input: $input) { revertPullRequest { number url } } }"
        )
        variables = {"input": {"pullRequestId": merged.node_id, "title": "Revert", "body": "x"}}
        _, answer = client.requester.graphql_query(query, variables)
        with pytest.raises(GithubException):
            client.requester.graphql_query(query, {"input": {"pullRequestId": "PR_99"}})
        opened = answer["data"]["revertPullRequest"]["revertPullRequest"]["number"]
        return [merged.number, opened]

    async with published(BY_PULL) as (_, client):
        assert await asyncio.to_thread(work, client) == [1, 2]


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (f"/repos/{REPOSITORY}", {"Authorization": "Bearer wrong"}, 401),
        (f"/repos/{REPOSITORY}", {"X-GitHub-Api-Version": "2019-01-01"}, 400),
        ("/repos/vintstreet/other", {}, 404),
        (f"/repos/{REPOSITORY}/pulls/99", {}, 404),
        (f"/repos/{REPOSITORY}/commits/ffffffffff", {}, 422),
        (f"/repos/{REPOSITORY}/actions/workflows/none.yml", {}, 404),
    ],
)
async def test_refusals_have_githubs_own_form(path: str, headers: dict[str, str], status: int) -> None:
    """A status, `message`, `documentation_url`, and the status once more as a text."""
    async with hosted(spec(BY_PULL)) as (sim, _):
        sent = {"Authorization": f"Bearer {sim.secrets['github']}", **headers}
        async with httpx.AsyncClient(base_url=sim.endpoints["github"], headers=sent) as client:
            answer = await client.get(path)
        assert (answer.status_code, answer.json()["status"]) == (status, str(status))
        assert {"message", "documentation_url"} <= answer.json().keys()


async def test_mergeable_is_null_until_github_has_computed_it() -> None:
    """The first read starts that."""
    async with hosted(spec(BY_PULL)) as (sim, _):
        pull = at_github(sim).revert(1, "", "", "dana", draft=False)
        sent = {"Authorization": f"Bearer {sim.secrets['github']}"}
        async with httpx.AsyncClient(base_url=sim.endpoints["github"], headers=sent) as client:
            first, second = [
                (await client.get(f"/repos/{REPOSITORY}/pulls/{pull.number}")).json()["mergeable"] for _ in range(2)
            ]
        assert (first, second) == (None, True)
