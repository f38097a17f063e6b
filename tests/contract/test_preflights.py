"""`allclear doctor` against the simulator: each kind of trouble has its sentence and its next step."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from allclear.bootstrap import Engine, make_engine
from allclear.company import Company, find_company
from allclear.domain.baseline import NoRecord
from allclear.domain.errors import NotFound
from allclear.domain.links import NoLinks
from allclear.domain.plan import MessageAction
from allclear.domain.preflight import Unproven
from allclear.domain.systems import Service, System
from allclear.engine.actions.registry import Registry
from allclear.engine.doctor import Problem, SystemReport
from allclear.settings import Settings
from allclear.simulator.github_spec import WorkflowSpec
from allclear.simulator.scenario import load_scenario
from allclear.simulator.scenario_schema import ConvexSpec, SupabaseSpec
from allclear.vendors.slack import Slack, SlackOptions
from tasks.slack import SlackPreflight
from tests.contract.simulator_support import REPOSITORY, Simulated, fault, quick, recorded
from tests.scenario.response_support import announced, engine_on, installed, new_journal, vintstreet
from tests.scenario.slack_support import with_slack


@asynccontextmanager
async def simulated(folder: Path, company: Company | None = None) -> AsyncGenerator[tuple[Simulated, Engine]]:
    """Yield VintStreet's simulated production, and an engine on it."""
    async with Simulated(quick()) as simulation:
        engine = engine_on(new_journal(folder), announced(simulation, folder), company=company)
        try:
            yield simulation, engine
        finally:
            await engine.close()


def failed(reports: list[SystemReport]) -> dict[str, Problem | None]:
    """Return what is wrong, by system."""
    return {report.system: report.problem for report in reports if report.failed}


async def test_a_production_that_works_is_ok(tmp_path: Path) -> None:
    """Every system of the plan is tested; reading does not prove PagerDuty's key, nor that a restore is allowed."""
    async with simulated(tmp_path) as (simulation, engine):
        reports = await engine.doctor.examine()
        assert recorded(simulation, "write") == []
    assert failed(reports) == {}
    assert {report.system: report.problem for report in reports} == {
        "web": None,
        "email": None,
        "twilio": None,
        "pagerduty": Problem.UNPROVEN,
        "slack": None,
        "cloud_run": None,
        "cloud_monitoring": None,
        "cloud_logging": None,
        "cloud_armor": None,
        "supabase": None,
        "supabase_management": Problem.UNPROVEN,
        "statuspage": None,
        "github": None,
    }
    assert all(report.next_step for report in reports if report.problem)
    targets = {(report.system, report.target) for report in reports}
    assert {
        ("slack", "#incidents"),
        ("cloud_run", "vintstreet in us-central1"),
        ("supabase", "flag new_checkout"),
        ("github", "repository vintstreet/storefront"),
        ("github", "workflow deploy.yml of vintstreet/storefront"),
    } <= targets


async def test_another_company_on_vercel_is_ok(tmp_path: Path) -> None:
    """RetailGen's project and its domain are read."""
    scenario = load_scenario(min((REPOSITORY / "runbooks" / "retailgen" / "drills").glob("*.yaml")))
    async with Simulated(scenario) as simulation:
        settings = Settings(
            company="retailgen", journal_url=new_journal(tmp_path), simulation=announced(simulation, tmp_path)
        )
        engine = make_engine(settings, environ={}, company=find_company("retailgen"), registry=installed())
        reports = await engine.doctor.examine(["vercel"])
        await engine.close()
    assert [(one.target, one.problem) for one in reports] == [
        ("project retailgen", None),
        ("firewall of retailgen", None),
        ("flag export", None),
        ("flag ai-generation", None),
        ("item maintenance of ecfg_YOURCONFIG", None),
    ]


async def test_convex_is_tested_with_each_of_its_switches(tmp_path: Path) -> None:
    """A variable that is missing, or no switch, is found before an incident needs it; no value is shown."""
    drills = REPOSITORY / "runbooks" / "retailgen" / "drills"
    scenario = load_scenario(drills / "vendor-down.yaml")
    spec = ConvexSpec(environment={"EXPORT": "sk-secret"})
    async with Simulated(scenario.model_copy(update={"convex": spec})) as simulation:
        settings = Settings(
            company="retailgen", journal_url=new_journal(tmp_path), simulation=announced(simulation, tmp_path)
        )
        engine = make_engine(settings, environ={}, company=find_company("retailgen"), registry=installed())
        reports = {one.target: one for one in await engine.doctor.examine(["convex"])}
        await engine.close()
    assert {target: one.problem for target, one in reports.items()} == {
        "deployment YOUR-DEPLOYMENT": None,
        "variable AI_GENERATION": Problem.NOT_THERE,
        "variable EXPORT": Problem.WRONG,
    }
    assert "sk-secret" not in str(reports)
    assert all("systems.yaml" in one.next_step for one in reports.values() if one.problem)


@pytest.mark.parametrize(
    ("system", "method", "words"),
    [
        ("slack", "auth.test", "does not allow our key to say who we are"),
        ("slack", "conversations.history", "does not allow our key to read incidents"),
        ("statuspage", "list_components", "list the components"),
        ("supabase", "select", "read the flag"),
        ("supabase_management", "get_project", "read the project YOURPROJECTREFERENCE"),
        ("supabase_management", "list_backups", "read the backups of YOURPROJECTREFERENCE"),
        ("cloud_run", "GetService", "read the service vintstreet"),
        ("cloud_monitoring", "*", "count the requests of vintstreet"),
        ("cloud_logging", "*", "read the audit log of vintstreet"),
        ("github", "get_repository", "read the repository vintstreet/storefront"),
        ("github", "list_pulls", "list the pull requests of vintstreet/storefront"),
    ],
)
async def test_a_system_that_refuses_us_is_named(tmp_path: Path, system: str, method: str, words: str) -> None:
    """The report says what was refused and what to do; the other systems are tested all the same."""
    async with simulated(tmp_path) as (simulation, engine):
        await fault(simulation, system, method, "permission_denied")
        reports = await engine.doctor.examine()
    assert failed(reports) == {system: Problem.REFUSED}
    (report,) = [one for one in reports if one.failed]
    assert words in report.sentence
    assert report.next_step


async def test_a_database_that_cannot_go_back_is_found_before_an_incident_needs_it(tmp_path: Path) -> None:
    """Point-in-time recovery is off: the plan's restore would be refused at night."""
    async with Simulated(quick(supabase=SupabaseSpec(point_in_time=False))) as simulation:
        engine = engine_on(new_journal(tmp_path), announced(simulation, tmp_path))
        [report] = [one for one in await engine.doctor.examine(["supabase_management"]) if one.failed]
        await engine.close()
    assert report.problem is Problem.NOT_THERE
    assert "Point-in-time recovery of YOURPROJECTREFERENCE is off" in report.sentence
    assert "take the step out of the runbook" in report.next_step


async def test_a_permission_that_is_missing_on_the_very_resource_is_named(tmp_path: Path) -> None:
    """The service can be read and not changed: the report names the permission, the service and the role."""
    async with simulated(tmp_path) as (simulation, engine):
        await fault(simulation, "cloud_run", "UpdateService", "permission_denied", times=100)
        (report,) = await engine.doctor.examine(["cloud_run"])
    assert report.problem is Problem.REFUSED
    assert "run.services.update" in report.sentence
    assert "projects/vintstreet-prod/locations/us-central1/services/vintstreet" in report.sentence
    assert "roles/run.developer" in report.next_step


async def test_targets_that_are_not_there_are_named(tmp_path: Path) -> None:
    """A flag, a component of the status page and a Cloud Run service that do not exist, each with what to correct."""
    company = vintstreet()
    services = {
        name: type(service).model_validate(
            {
                **service.model_dump(mode="json", by_alias=True),
                "flags": ["no_such_flag"],
                "status_components": ["no-such-component"],
                "cloud_run": "no-such-service",
            }
        )
        for name, service in company.systems.services.items()
    }
    elsewhere = replace(company, systems=company.systems.model_copy(update={"services": services}))
    async with simulated(tmp_path, elsewhere) as (_, engine):
        reports = await engine.doctor.examine(["supabase", "statuspage", "cloud_run"])
    assert failed(reports) == dict.fromkeys(("supabase", "statuspage", "cloud_run"), Problem.NOT_THERE)
    told = " ".join(f"{one.sentence} {one.next_step}" for one in reports)
    for words in ("no_such_flag", "no-such-component", "no-such-service", "systems.yaml"):
        assert words in told


@pytest.mark.parametrize("system", ["slack", "statuspage", "supabase"])
async def test_a_system_that_does_not_answer_is_unreachable(tmp_path: Path, system: str) -> None:
    """It may pass by itself, so the report says to look at the network and the vendor's status page."""
    async with simulated(tmp_path) as (simulation, engine):
        await fault(simulation, system, "*", "unavailable", times=1000)
        reports = await engine.doctor.examine([system])
    assert failed(reports) == {system: Problem.UNREACHABLE}


def test_every_client_of_an_action_or_probe_has_a_preflight() -> None:
    """The read-only test of a system is declared beside the actions that need it."""
    registry = Registry.installed()
    without = [
        (kind.name, client.system)
        for kind in [*registry.actions.values(), *registry.probes.values()]
        for client in (*kind.needs, *kind.uses)
        if client not in [preflight.client for preflight in kind.preflights]
    ]
    assert without == []


@pytest.mark.parametrize("system", ["slack", "statuspage", "supabase"])
async def test_a_system_that_limits_our_requests_is_unreachable(tmp_path: Path, system: str) -> None:
    """It may pass by itself: nothing is configured wrongly, so the responder stays ready."""
    async with simulated(tmp_path) as (simulation, engine):
        await fault(simulation, system, "*", "rate_limited", times=1000)
        reports = await engine.doctor.examine([system])
    assert failed(reports) == {system: Problem.UNREACHABLE}


async def test_slacks_app_token_is_tested_by_opening_a_connection(tmp_path: Path) -> None:
    """Only if systems.yaml names it; one that Slack refuses is reported with what to do."""
    async with simulated(tmp_path, with_slack()) as (simulation, engine):
        good = await engine.doctor.examine(["slack"])
        assert {one.target: one.problem for one in good if one.target != "#incidents"} == {
            "token": None,
            "buttons": None,
            "app token": None,
        }
        await fault(simulation, "slack", "apps.connections.open", "permission_denied")
        (wrong,) = [one for one in await engine.doctor.examine(["slack"]) if one.failed]
        assert (wrong.target, wrong.problem) == ("app token", Problem.REFUSED)


async def test_slack_without_a_secret_to_send_with_is_said_plainly() -> None:
    """It is no fault, because people can answer on the page; the next step names the line and the document."""
    context = ContextOf(Slack("https://slack.com/api", "token", SlackOptions(channel="C0123456789")))
    (buttons,) = [one for one in SlackPreflight(context).checks({}, []) if one.target == "buttons"]
    found = await buttons.run()
    assert isinstance(found, Unproven)
    assert "/incident does nothing" in found.sentence
    assert "docs/how-to/slack.md" in found.next_step


class ContextOf:
    """A context with one client, for a preflight that asks for no other part."""

    record = NoRecord()
    links = NoLinks()
    zone = UTC

    def __init__(self, client: Any) -> None:  # noqa: ANN401 - any vendor's
        self._client = client

    def client(self, vendor: type[Any]) -> Any:  # noqa: ANN401 - as the port
        """Return the client."""
        assert isinstance(self._client, vendor)
        return self._client

    def service(self, name: str) -> Service:
        """Raise NotFound, because there are no services."""
        raise NotFound(f"There is no service {name}.", "None is needed.")


@pytest.mark.parametrize(
    ("changes", "words", "next_step"),
    [
        ({"may_push": False}, "The token's account may not write to vintstreet/storefront", "role Write"),
        ({"repository": "vintstreet/other"}, "if the token may not see it", "systems.yaml"),
        ({"branch": "trunk"}, "read the branch main of vintstreet/storefront", "systems.yaml"),
        ({"workflows": []}, "read the workflow deploy.yml", "systems.yaml"),
        ({"workflows": [WorkflowSpec(file="deploy.yml", state="disabled_manually")]}, "is not active", "Enable it"),
        ({"workflows": [WorkflowSpec(file="deploy.yml", by_hand=False)]}, "has no `workflow_dispatch`", "Add"),
        ({"workflows": [WorkflowSpec(file="deploy.yml")]}, "does not declare the input `act`", "Declare it"),
    ],
)
async def test_what_is_wrong_on_github_is_named(
    tmp_path: Path, changes: dict[str, Any], words: str, next_step: str
) -> None:
    """The rights of the token's account, and a repository, a branch or a workflow that is not as systems.yaml says."""
    scenario = quick()
    assert scenario.github is not None
    github = scenario.github.model_copy(update=changes)
    async with Simulated(scenario.model_copy(update={"github": github})) as simulation:
        engine = engine_on(new_journal(tmp_path), announced(simulation, tmp_path))
        reports = await engine.doctor.examine(["github"])
        await engine.close()
    report = next(one for one in reports if one.failed)
    assert words in report.sentence
    assert next_step in report.next_step


FLOW = "https://default1.12.environment.api.powerplatform.com:443/powerautomate/workflows/1?sp=%2Ft&sig=canary-2718"


@pytest.mark.parametrize(
    ("secret", "problem", "words", "step"),
    [
        (FLOW, Problem.UNPROVEN, "Only a card in Incidents shows whether", "allclear act vintstreet teams.post"),
        ("", Problem.MISSING, "TEAMS_WEBHOOK_URL is not set", "Set TEAMS_WEBHOOK_URL"),
        (FLOW.partition("&")[0], Problem.WRONG, "has no `sig=`", "to *Anyone*"),
        (
            FLOW.replace("default1", "default2"),
            Problem.WRONG,
            "systems.yaml names default1",
            "endpoint: https://default2",
        ),
        ("https://acme.webhook.office.com/x", Problem.WRONG, "has switched off", "docs/how-to/teams.md"),
    ],
)
async def test_teams_is_tested_by_the_form_of_its_address(
    tmp_path: Path, secret: str, problem: Problem, words: str, step: str
) -> None:
    """Nothing is sent, because a flow can only be started; the address is in no sentence."""
    known = vintstreet()
    endpoint = "https://default1.12.environment.api.powerplatform.com"
    teams = System.model_validate({"endpoint": endpoint, "secret": "TEAMS_WEBHOOK_URL"})
    systems = known.systems.model_copy(update={"systems": known.systems.systems | {"teams": teams}})
    way = MessageAction.model_validate({"action": "teams.post", "with": {"message": "{incident}", "text": "{notice}"}})
    company = replace(known, systems=systems, plan=known.plan.model_copy(update={"ways": {"teams": way}}))
    settings = Settings(company="vintstreet", journal_url=new_journal(tmp_path))
    engine = make_engine(settings, environ={"TEAMS_WEBHOOK_URL": secret}, company=company, registry=installed())
    [report] = await engine.doctor.examine(["teams"])
    await engine.close()
    assert (report.problem, words in report.sentence, step in report.next_step) == (problem, True, True), report
    assert "canary-2718" not in str(report)
