"""RetailGen AI's folder, as it is shipped."""

from __future__ import annotations

import re
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

import allclear
from allclear.company import Company, load_company
from allclear.company.check import check_company
from allclear.domain.approval import ONE_PERSON, Ask, AskKind
from allclear.domain.errors import Refused
from allclear.domain.incident import Incident
from allclear.domain.records import AskAnswered, AskOpened, IncidentOpened
from allclear.domain.runbook import Phase, Step
from allclear.domain.template_values import values
from allclear.drill.script import find_script
from allclear.engine.actions.registry import Registry
from allclear.engine.response.next_move import applicable
from allclear.postmortem.document import PostMortem, write_post_mortem
from allclear.postmortem.placeholders import PLACEHOLDERS
from tasks.convex.environment import SetEnvironment
from tasks.convex.pause import PauseDeployment, UnpauseDeployment
from tasks.email.actions import SendEmail
from tasks.http_probes import Health, SmokeTest
from tasks.jira import CreateTicket, MoveTicket
from tasks.pagerduty import Page, Resolve
from tasks.slack import PostMessage
from tasks.slack_meeting import AnnounceMeeting
from tasks.statuspage import OpenIncident, ResolveIncident, UpdateIncident
from tasks.twilio.text import SendText
from tasks.vercel.actions import Deployments, Promote, RollBack
from tasks.vercel.attack_mode import EndAttackMode, StartAttackMode
from tasks.vercel.config import DisableItem, DisableVercelMaintenance, EnableItem, EnableVercelMaintenance
from tasks.vercel.firewall import BlockAddresses, UnblockAddresses
from tasks.vercel.flags import DisableVercelFlag, EnableVercelFlag
from tests.unit.domain.stories import ANA, Story

FOLDER = Path(allclear.__file__).resolve().parents[1] / "runbooks" / "retailgen"
BOOKS = ["bad-deployment", "broken-feature", "export-failing", "security-incident", "vendor-down"]
KINDS = Registry.of(
    [
        RollBack,
        Promote,
        BlockAddresses,
        UnblockAddresses,
        StartAttackMode,
        EndAttackMode,
        DisableVercelFlag,
        EnableVercelFlag,
        DisableItem,
        EnableItem,
        EnableVercelMaintenance,
        DisableVercelMaintenance,
        PauseDeployment,
        UnpauseDeployment,
        SetEnvironment,
        CreateTicket,
        MoveTicket,
        Deployments,
        Health,
        SmokeTest,
        PostMessage,
        AnnounceMeeting,
        SendEmail,
        SendText,
        Page,
        Resolve,
        OpenIncident,
        UpdateIncident,
        ResolveIncident,
    ]
)


@pytest.fixture(scope="module")
def retailgen() -> Company:
    """Return the loaded company."""
    return load_company(FOLDER)


def opened(company: Company, severity: str = "SEV-1", alert: str = "SiteDown") -> Story:
    """Return an incident that such an alert opened."""
    route = company.plan.route({"alertname": alert})
    assert route is not None
    return Story("RG-1").record(
        IncidentOpened(
            company=company.plan.company,
            title="retailgen.ai does not answer",
            severity=severity,
            service=route.service,
            runbook=route.runbook,
            reported="alert from json",
            feature=route.feature,
            impact=route.impact,
            incident_kind=company.runbook(route.runbook).kind,
        )
    )


def cause_known(story: Story) -> Story:
    """Record that a person found the root cause."""
    ask = Ask(
        id="RG-1/investigate/root-cause",
        kind=AskKind.STEP,
        phase="investigate",
        step="root-cause",
        title="Find the root cause",
        text="?",
        yes="Known.",
        no="Not known.",
        policy=ONE_PERSON,
    )
    return story.record(AskOpened(ask=ask), AskAnswered(ask=ask.id, yes=True, reason="an empty key"), by=ANA)


def steps(company: Company, incident: Incident, phase: Phase) -> list[Step]:
    """Return the steps of that incident's runbook that apply in a phase."""
    return applicable(incident, company.plan, company.runbook(incident.opened.runbook), phase)


def test_the_folder_has_no_errors_and_its_blanks_are_reported() -> None:
    """No error would stop an incident; the plan's own blanks and each assumption are listed."""
    found = check_company(FOLDER, KINDS, PLACEHOLDERS)
    assert [str(one) for one in found if one.level == "error"] == []
    warned = " ".join(one.sentence for one in found if one.level == "warning")
    assert warned.count("is still the blank `[Phone Number]`.") == 3
    assert "The name of Security Officer is still the blank" in warned
    assert "No runbook uses" not in warned
    assert "No alert reaches" not in warned
    assert any(one.level == "assumed" for one in found)


def test_severities_are_the_plans_own(retailgen: Company) -> None:
    """Four levels, the worst first, with the plan's own words on time."""
    plan = retailgen.plan
    assert [(one.name, one.title) for one in plan.severities] == [
        ("SEV-1", "Critical"),
        ("SEV-2", "High"),
        ("SEV-3", "Medium"),
        ("SEV-4", "Low"),
    ]
    targets = [target for one in plan.severities if (target := one.target("respond"))]
    assert [target.words for target in targets] == ["< 15 mins", "< 1 hour", "< 4 hours", "< 24 hours"]
    hours = [target.within.length / timedelta(hours=1) for target in targets]
    assert hours == [0.25, 1, 4, 24]


@pytest.mark.parametrize(
    ("severity", "contains"), [("SEV-1", True), ("SEV-2", True), ("SEV-3", False), ("SEV-4", False)]
)
@pytest.mark.parametrize("alert", ["SiteDown", "ExportFailing", "DataLeak"])
def test_only_sev_1_and_sev_2_are_contained(retailgen: Company, severity: str, alert: str, *, contains: bool) -> None:
    """At the other levels, no step of the containment phase changes production or asks a person to change it."""
    incident = opened(retailgen, severity, alert).incident
    found = [step for step in steps(retailgen, incident, Phase.CONTAIN) if not step.probe]
    assert any(step.action == "vercel.rollback" for step in found) is contains
    assert bool(found) is contains


@pytest.mark.parametrize(
    ("alert", "severity", "runbook"),
    [
        ("SiteDown", "SEV-1", "bad-deployment"),
        ("DataLeak", "SEV-1", "security-incident"),
        ("PaymentFailure", "SEV-1", "bad-deployment"),
        ("ExportFailing", "SEV-2", "export-failing"),
        ("VendorDown", "SEV-2", "vendor-down"),
        ("AiGenerationDown", "SEV-2", "broken-feature"),
        ("SlowLoading", "SEV-3", "broken-feature"),
    ],
)
def test_each_example_of_the_plan_has_its_route(retailgen: Company, alert: str, severity: str, runbook: str) -> None:
    """Each example of the plan opens an incident of its severity, with a runbook that exists."""
    route = retailgen.plan.route({"alertname": alert, "source": "uptime"})
    assert route is not None
    assert (route.severity, route.runbook) == (severity, runbook)
    assert retailgen.runbook(runbook).service == route.service


def test_each_runbook_has_all_five_phases(retailgen: Company) -> None:
    """The phases keep the plan's own labels."""
    assert sorted(retailgen.runbooks) == BOOKS
    assert all(book.steps(phase) for book in retailgen.runbooks.values() for phase in Phase)
    assert [retailgen.plan.phases[phase].label for phase in Phase] == [
        "Detection & Identification",
        "Containment",
        "Investigation & Diagnosis",
        "Resolution & Recovery",
        "Post-Mortem & Review",
    ]


@pytest.mark.parametrize("name", [name for name in BOOKS if name != "security-incident"])
def test_nothing_is_written_before_the_trouble_is_verified(retailgen: Company, name: str) -> None:
    """The first step probes for trouble, so that no one is paged for a false alarm."""
    first = retailgen.runbook(name).steps(Phase.DETECT)[0]
    assert (first.probe, first.expects) == ("http.smoke", "trouble")


def test_a_security_incident_keeps_evidence_and_trusts_no_check(retailgen: Company) -> None:
    """Evidence is kept for this kind only; a successful probe neither makes a leak a false alarm nor contains it."""
    incident = opened(retailgen, alert="DataLeak").incident
    plan, book = retailgen.plan, retailgen.runbook("security-incident")
    assert [one.name for one in plan.applying(plan.evidence, "SEV-1", incident.kind, {})] == ["before-containment"]
    assert plan.applying(plan.evidence, "SEV-1", "outage", {}) == []
    assert plan.people_verify(incident.kind)
    assert not any(step.expects for step in [*book.detect, *book.contain])
    assert [(step.id, step.person) for step in book.measures] == [("stopped", "security_officer")]
    acting = [step.action for step in book.contain if step.action and step.action.startswith("vercel.")]
    assert acting == [
        "vercel.block_addresses",
        "vercel.attack_mode",
        "vercel.disable_flag",
        "vercel.rollback",
        "vercel.enable_maintenance",
    ]
    assert [step.action for step in book.contain if step.action and step.action.startswith("convex.")] == [
        "convex.pause"
    ]


@pytest.mark.parametrize("name", BOOKS)
def test_each_containment_measure_of_the_plan_acts_behind_an_approval_and_is_reviewed(
    retailgen: Company, name: str
) -> None:
    """No containment is a request to a person; what it leaves in place has an owner and a date."""
    own = ("vercel.", "convex.")
    acts = [step for step in retailgen.runbook(name).contain if step.action and step.action.startswith(own)]
    named = {step.action for step in acts}
    assert "vercel.disable_flag" in named
    assert ({"vercel.rollback", "vercel.enable_maintenance"} <= named) is (
        name not in ("export-failing", "vendor-down")
    )
    for step in acts:
        assert step.action in retailgen.plan.approvals
        assert step.auto_approve is None
        assert (step.owner in retailgen.plan.roles, step.expires is not None) == (True, True)


def test_the_review_is_due_when_the_plan_says(retailgen: Company) -> None:
    """The meeting is due within 24 hours for SEV-1 and SEV-2, and not for the other levels."""
    plan = retailgen.plan
    assert plan.post_mortem.title == "Post-Incident Review"
    due = {
        one.name: [
            str(line.within)
            for line in plan.applying(plan.post_mortem.due, one.name, "outage", {})
            if line.what == "meeting"
        ]
        for one in plan.severities
    }
    assert due == {"SEV-1": ["1d"], "SEV-2": ["1d"], "SEV-3": [], "SEV-4": []}


@pytest.mark.parametrize("alert", ["SiteDown", "ExportFailing"])
def test_every_template_renders_without_a_blank(retailgen: Company, alert: str) -> None:
    """No rendered template contains a brace or a bracket, and a title has one line."""
    story = cause_known(opened(retailgen, alert=alert))
    service = retailgen.service("app")
    filled = values(
        story.incident,
        lambda: story.entries,
        retailgen.plan,
        service_title=service.title,
        impact=story.incident.opened.impact,
        now=story.now,
        templates=retailgen.templates,
    )
    rendered = {name: text for name, text in filled.items() if name.startswith("t_")}
    assert sorted(rendered) == sorted(f"t_{name}" for name in retailgen.plan.templates)
    assert {name: text for name, text in rendered.items() if re.search(r"[\[\]{}]", text)} == {}
    assert not any("\n" in rendered[name].strip() for name in rendered if name.endswith("_title"))


def test_the_status_page_reads_as_in_the_plan(retailgen: Company) -> None:
    """Feature, time and cause replace the plan's blanks."""
    story = opened(retailgen, alert="ExportFailing", severity="SEV-2")
    filled = values(
        story.incident,
        lambda: story.entries,
        retailgen.plan,
        service_title="RetailGen AI",
        impact="Export is failing",
        now=story.now,
        templates=retailgen.templates,
    )
    promised = filled.extended({"next_update": "2026-11-22 15:30 UTC"})["t_status_page_investigating"]
    assert filled["t_status_page_title"].strip() == "Service Issue - Export"
    assert filled["t_status_page_resolved_title"].strip() == "Resolved - Service Issue - Export"
    first = "We are currently investigating reports of issues with Export. Our team is working to identify the cause."
    assert filled["t_status_page_investigating"].strip() == first  # no time is promised that no one knows
    assert promised.strip() == f"{first}\nWe will provide an update by 2026-11-22 15:30 UTC."
    with pytest.raises(Refused, match="brief cause"):  # the public is not told a cause that no one knows
        assert filled["t_status_page_identified"]
    known = cause_known(story)
    filled = values(
        known.incident,
        lambda: known.entries,
        retailgen.plan,
        service_title="RetailGen AI",
        impact="Export is failing",
        now=known.now,
        templates=retailgen.templates,
    )
    assert "the issue affecting Export as an empty key." in filled["t_status_page_identified"]
    assert "All systems are operational" not in filled["t_status_page_resolved"]  # recovery was not proven


def test_the_review_document_renders(retailgen: Company) -> None:
    """The document has the plan's own title, its Root Cause Analysis and its action items."""
    story = opened(retailgen)
    document = write_post_mortem(
        PostMortem(story.incident, story.entries, retailgen.plan, "RetailGen AI", retailgen.post_mortem, story.now)
    )
    assert document.startswith("# Post-Incident Review: ")
    for heading in ("## Root Cause Analysis", "## Action Items", "## Timeline"):
        assert heading in document
    assert "{" not in document


def test_the_drill_expects_the_rollback(retailgen: Company) -> None:
    """A route matches its alert, and each role that is asked has a stand-in."""
    _, script = find_script(FOLDER, "site-down")
    route = retailgen.plan.route(script.alert.labels)
    assert route is not None
    assert route.runbook == "bad-deployment"
    assert script.expect.verified == ["contain/roll-back"]
    book, played = retailgen.runbook(route.runbook), {one.role for one in script.people}
    asked = {step.person for phase in Phase for step in book.steps(phase) if step.person}
    assert asked <= played


def test_a_step_whose_service_lacks_what_its_action_needs_is_an_error(tmp_path: Path) -> None:
    """Without the name of the maintenance switch, the step would fail in the incident; `check` says so before."""
    folder = tmp_path / "retailgen"
    shutil.copytree(FOLDER, folder)
    systems = folder / "systems.yaml"
    lines = systems.read_text(encoding="utf-8").splitlines(keepends=True)
    systems.write_text("".join(line for line in lines if line.strip() != "maintenance: maintenance"), encoding="utf-8")
    errors = {one.sentence for one in check_company(folder, KINDS, PLACEHOLDERS) if one.level == "error"}
    assert "vercel.enable_maintenance: systems.yaml does not give the service app what this action needs." in errors
