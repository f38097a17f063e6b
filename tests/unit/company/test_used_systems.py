"""Which systems a plan needs: only those that its actions talk to with the services as systems.yaml describes them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from allclear.company import Company, find_company
from allclear.company.check import check_company
from allclear.company.used_systems import used_systems
from allclear.engine.actions.offered import offered_actions
from allclear.engine.actions.registry import Registry
from tasks.maintenance_handle import MaintenanceHandle
from tests.unit.company.test_vintstreet import FOLDER

HANDLES = {
    "flag": MaintenanceHandle(flag="maintenance_mode"),
    "revision": MaintenanceHandle(revision_tag="maintenance"),
    "both": MaintenanceHandle(flag="maintenance_mode", revision_tag="maintenance"),
}


def with_maintenance_by(handle: MaintenanceHandle, without: str = "") -> Company:
    """Return VintStreet with that handle, without one of its systems."""
    company = find_company("vintstreet")
    storefront = company.systems.services["storefront"]
    changed = storefront.model_copy(update={"maintenance": handle})
    systems = {name: one for name, one in company.systems.systems.items() if name != without}
    update = {"services": {"storefront": changed}, "systems": systems}
    return replace(company, systems=company.systems.model_copy(update=update))


@pytest.mark.parametrize(
    ("by", "needs", "runbook"),
    [
        ("flag", "supabase", "bad-deployment"),
        ("revision", "cloud_run", "bad-deployment"),
        ("both", "supabase", "bad-deployment"),  # the step names neither, so that the flag is used
        ("both", "cloud_run", "database-down"),  # the step names the revision
    ],
)
def test_maintenance_needs_what_closes_the_service_and_nothing_else(by: str, needs: str, runbook: str) -> None:
    """A company with a flag needs no Cloud Run for it, and one with a revision no database."""
    company, registry = with_maintenance_by(HANDLES[by]), Registry.installed()
    found = used_systems(company.plan, company.systems, [company.runbooks[runbook]], registry)
    assert [name for name, used in found.items() if "maintenance.enable" in used.names] == [needs]


@pytest.mark.parametrize(("by", "without"), [("flag", "cloud_run"), ("revision", "supabase")])
def test_maintenance_can_be_started_without_the_system_that_it_does_not_use(by: str, without: str) -> None:
    """And not without the one that it uses."""
    registry = Registry.installed()
    names = {one.name for one in offered_actions(with_maintenance_by(HANDLES[by], without), registry)}
    assert "maintenance.enable" in names
    other = "supabase" if without == "cloud_run" else "cloud_run"
    names = {one.name for one in offered_actions(with_maintenance_by(HANDLES[by], other), registry)}
    assert "maintenance.enable" not in names


def test_the_tickets_of_incidents_and_of_severities_need_their_system() -> None:
    """Without a runbook that names it, and without tickets of follow-ups: a missing token shows before the incident."""
    company, registry = find_company("vintstreet"), Registry.installed()
    plan = company.plan.model_copy(update={"follow_up_tickets": None})
    found = used_systems(plan, company.systems, [], registry)["github"]
    assert found.needed
    assert {"github.issue", "github.close_issue"} <= set(found.names)
    plan = plan.model_copy(update={"incident_tickets": None})
    assert list(used_systems(plan, company.systems, [], registry)["github"].names) == ["github.issue"]


def test_the_folder_as_it_is_shipped_lacks_no_system() -> None:
    """`allclear check` asks for none that is not used."""
    found = check_company(Path(FOLDER), Registry.installed())
    assert not [one for one in found if "There is no system" in one.sentence]
