"""VintStreet's folder, as it is shipped."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import Field

import allclear
from allclear.company import Company, load_company
from allclear.company.check import check_company
from allclear.domain.action import Params
from allclear.domain.approval import ONE_PERSON, ONE_PERSON_WITH_REASON, SPEAKERS, TWO_PEOPLE
from allclear.domain.privacy import reading_roles_of
from allclear.domain.probe import Probe
from allclear.domain.runbook import Phase
from allclear.engine.actions.registry import Registry
from allclear.postmortem.placeholders import PLACEHOLDERS
from tasks.email.actions import WriteToCustomers
from tasks.email.meetings import InviteToMeeting
from tasks.supabase.restore import RestoreToPoint
from tests.unit.company.company_support import ServiceParams, action, client

FOLDER = Path(allclear.__file__).resolve().parents[1] / "runbooks" / "vintstreet"


class OfIncident(Params):
    """A page to acknowledge or resolve."""

    incident: str = Field(pattern=r"^[A-Z]+-\d+(-notice)?(-\d+)?$")


class Page(OfIncident):
    """A page."""

    summary: str
    severity: str = "critical"


class Message(Params):
    """A message in Slack."""

    message: str
    text: str
    channel: str | None = None
    people: list[str] = []


class Mail(Message):
    """An e-mail."""

    subject: str


class Update(OfIncident):
    """An update of the status page."""

    message: str
    severity: str = ""
    impact: dict[str, str] = {}
    status: Literal["investigating", "identified", "monitoring", "resolved"] = "resolved"


class Opening(Update):
    """A new incident on the status page."""

    service: str
    title: str


class Rollback(ServiceParams):
    """Where traffic goes."""

    to: str = "previous"


class Closing(ServiceParams):
    """By what the service is closed."""

    by: str | None = None


class Restore(ServiceParams):
    """The point in time."""

    to: str = ""


class Blocking(ServiceParams):
    """Addresses."""

    addresses: str = ""


class Revert(ServiceParams):
    """What is reverted."""

    what: str


class Closed(ServiceParams):
    """A ticket's name."""

    ticket: str


class Ticket(Closed):
    """A ticket."""

    title: str
    text: str
    labels: list[str] = []


class Merge(ServiceParams):
    """A pull request."""

    pull: str


class Run(ServiceParams):
    """A workflow and the name of its run."""

    workflow: str
    run: str


class Flag(Params):
    """A flag."""

    flag: str
    service: str | None = None


def probe(name: str, *needs: type[Any]) -> type[Probe[Any]]:
    """Return a probe's class as a check reads it."""
    return type(name, (Probe,), {"name": name, "title": name, "params": ServiceParams, "needs": needs})


CLOUD, FLAGS, DATABASE, SLACK, PAGER, PUBLIC, ARMOR, GITHUB, EMAIL, PHONE = (
    client(name)
    for name in (
        "cloud_run",
        "supabase",
        "supabase_management",
        "slack",
        "pagerduty",
        "statuspage",
        "cloud_armor",
        "github",
        "email",
        "twilio",
    )
)
KINDS = Registry.of(
    [
        action("cloud_run.rollback_traffic", Rollback, (CLOUD,), approval=ONE_PERSON),
        action("cloud_armor.block_addresses", Blocking, (ARMOR,), approval=ONE_PERSON_WITH_REASON),
        action("cloud_run.restore_latest", ServiceParams, (CLOUD,), approval=ONE_PERSON),
        action("github.open_revert", Revert, (GITHUB,), approval=ONE_PERSON),
        action("github.issue", Ticket, (GITHUB,), approval=None, opens_ticket=True, text_params=("title", "text")),
        action("github.close_issue", Closed, (GITHUB,), approval=None, closes_ticket={}),
        action("github.merge", Merge, (GITHUB,), approval=ONE_PERSON),
        action("github.run_workflow", Run, (GITHUB,), approval=ONE_PERSON_WITH_REASON),
        action("feature_flag.disable", Flag, (FLAGS,), approval=ONE_PERSON),
        action("maintenance.enable", Closing, (FLAGS,), approval=ONE_PERSON_WITH_REASON),
        action("supabase.restore_to_point", Restore, (DATABASE,), approval=TWO_PEOPLE),
        action("pagerduty.page", Page, (PAGER,), approval=None, text_params=("summary",), pages=True),
        action("pagerduty.resolve", OfIncident, (PAGER,), approval=None),
        action("slack.post", Message, (SLACK,), approval=None, text_params=("text",), reaches="slack"),
        action("email.send", Mail, (EMAIL,), approval=None, text_params=("text",), reaches="email"),
        action("twilio.text", Message, (PHONE,), approval=None, text_params=("text",), reaches="phone"),
        action("twilio.call", Message, (PHONE,), approval=None, text_params=("text",), reaches="phone"),
        action("status_page.open", Opening, (PUBLIC,), approval=SPEAKERS),
        action("status_page.update", Update, (PUBLIC,), approval=SPEAKERS),
        action("status_page.resolve", Update, (PUBLIC,), approval=SPEAKERS),
        action(
            "email.customers", WriteToCustomers.params, (EMAIL,), approval=SPEAKERS, text_params=("subject", "text")
        ),
        action("calendar.invite", InviteToMeeting.params, (EMAIL,), approval=None, text_params=("subject", "text")),
        probe("http.health"),
        probe("http.smoke"),
        probe("cloud_run.revisions", CLOUD),
        probe("supabase.database", DATABASE),
        probe("cloud_run.user_requests", CLOUD),
    ]
)


@pytest.fixture(scope="module")
def vintstreet() -> Company:
    """Return the loaded company."""
    return load_company(FOLDER)


def test_the_folder_has_no_errors_and_its_blanks_are_reported() -> None:
    """No error would stop an incident; the plan's own blanks and each assumption are listed."""
    found = check_company(FOLDER, KINDS, PLACEHOLDERS)
    assert [str(one) for one in found if one.level == "error"] == []
    warned = " ".join(one.sentence for one in found if one.level == "warning")
    assert "The name of CTO is still the blank `[Name]`." in warned
    assert "No one holds the role `ceo`." in warned
    assert "`endpoint` still contains the blank `YOUR-PROJECT`." in warned
    assert "No runbook uses" not in warned
    assert "No alert reaches" not in warned
    assert any(one.level == "assumed" for one in found)


def test_severities_are_the_plans_own(vintstreet: Company) -> None:
    """Four levels, the worst first, with the plan's own words on time and escalation."""
    plan = vintstreet.plan
    assert [(one.name, one.title) for one in plan.severities] == [
        ("P0", "Critical"),
        ("P1", "High"),
        ("P2", "Medium"),
        ("P3", "Low"),
    ]
    targets = [severity.target("respond") for severity in plan.severities]
    assert [str(target.within) for target in targets if target] == ["5m", "30m", "2h", "1 business day"]
    assert [(one.name, one.escalates.to) for one in plan.severities if one.escalates] == [("P1", "P0"), ("P2", "P1")]
    assert "Notify PR team if security breach" in plan.severities[0].escalation


@pytest.mark.parametrize(
    ("alert", "severity", "runbook"),
    [
        ("PaymentProcessingFailures", "P0", "bad-deployment"),
        ("DatabaseConnectionFailures", "P0", "database-down"),
        ("BadMigration", "P0", "bad-migration"),
        ("CredentialsCompromised", "P0", "security-incident"),
        ("DataBreach", "P0", "security-incident"),
        ("AuthenticationFailures", "P1", "bad-deployment"),
        ("ApiResponseTimeHigh", "P1", "bad-deployment"),
        ("ErrorRateHigh", "P1", "bad-deployment"),
        ("LiveStreamFailures", "P1", "broken-feature"),
    ],
)
def test_each_critical_alert_has_its_route(vintstreet: Company, alert: str, severity: str, runbook: str) -> None:
    """Each critical alert of the plan opens an incident of its severity, with a runbook that exists."""
    route = vintstreet.plan.route({"alertname": alert, "job": "web"})
    assert route is not None
    assert (route.severity, route.runbook) == (severity, runbook)
    assert vintstreet.runbook(runbook).service == route.service


@pytest.mark.parametrize("name", ["bad-deployment", "broken-feature", "bad-migration", "database-down"])
def test_nothing_is_written_before_the_trouble_is_verified(vintstreet: Company, name: str) -> None:
    """The first step probes for trouble, so that no one is paged for a false alarm."""
    first = vintstreet.runbook(name).steps(Phase.DETECT)[0]
    assert (first.probe, first.expects) == ("http.smoke", "trouble")


def test_the_measures_are_in_the_order_in_which_they_are_tried(vintstreet: Company) -> None:
    """The rollback comes before maintenance, and the flag before the rollback; a restore is no containment."""
    tried = {name: [step.action for step in book.contain if step.measure] for name, book in vintstreet.runbooks.items()}
    assert tried == {
        "bad-deployment": [
            "cloud_run.rollback_traffic",
            "github.open_revert",
            "github.merge",
            "github.run_workflow",
            "cloud_run.restore_latest",
            "maintenance.enable",
        ],
        "broken-feature": ["feature_flag.disable", "cloud_run.rollback_traffic"],
        "bad-migration": ["maintenance.enable"],
        "database-down": ["maintenance.enable"],
        "security-incident": [None],  # a person confirms that the damage has stopped
    }


def test_a_compromise_is_private_and_its_evidence_comes_before_every_change(vintstreet: Company) -> None:
    """Once the names are filled in: everyone who responds may read it; nothing of it is published by itself."""
    assert reading_roles_of(vintstreet.plan, "security", "P0") == []
    named = vintstreet.with_stand_ins({"on_call": "Ana Ruiz", "cto": "Kim"})
    assert set(reading_roles_of(named.plan, "security", "P0")) >= {"on_call", "tech_lead", "devops", "cto"}
    assert [person.name for person in named.plan.holders("on_call")] == ["Ana Ruiz"]
    book = vintstreet.runbook("security-incident")
    actions = [step.action for phase in Phase for step in book.steps(phase) if step.action]
    assert [name for name in actions if name.startswith("status_page")] == []
    assert [evidence.kinds for evidence in vintstreet.plan.evidence] == [["security"]]


def test_a_restore_is_for_two_proven_people_and_never_in_prefect(vintstreet: Company) -> None:
    """The plan does not make it weaker, and users are kept out by what stands outside the database."""
    assert (TWO_PEOPLE.people, TWO_PEOPLE.needs_proof, TWO_PEOPLE.prefect_may) == (2, True, False)
    assert RestoreToPoint.approval is TWO_PEOPLE
    assert RestoreToPoint.name not in vintstreet.plan.approvals
    for name in ("bad-migration", "database-down"):
        [maintenance] = [step for step in vintstreet.runbook(name).contain if step.measure]
        assert maintenance.with_["by"] == "revision"


@pytest.mark.parametrize(
    ("customers", "reason"),
    [("[]", "the list of people is empty"), ("[all customers]", "'all customers' is not an e-mail address")],
)
def test_a_list_of_customers_that_cannot_be_written_to_is_reported_where_it_stands(
    tmp_path: Path, customers: str, reason: str
) -> None:
    """And not in the step of the runbook, which has only the placeholder."""
    folder = tmp_path / "vintstreet"
    shutil.copytree(FOLDER, folder)
    plan = (folder / "plan.yaml").read_text(encoding="utf-8")
    written, number = re.subn(r"(?m)^customers:.*$", f"customers: {customers}", plan)
    assert number == 1
    (folder / "plan.yaml").write_text(written, encoding="utf-8")
    errors = [one for one in check_company(folder, KINDS, PLACEHOLDERS) if one.level == "error"]
    assert {one.sentence.partition("; ")[0] for one in errors} == {
        f"email.customers writes to `customers`: {reason}"
    }, errors
    assert all(one.file.endswith("plan.yaml") for one in errors)
    assert all("Correct `customers` in plan.yaml" in one.next_step for one in errors)
