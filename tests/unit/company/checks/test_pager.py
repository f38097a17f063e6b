"""The checks of what a plan says about PagerDuty."""

from __future__ import annotations

from pathlib import Path

from tests.unit.company.checks.test_runbooks import ROTA, company_folder, found, plan

FOLLOWS = ROTA.replace("role: on_call,", "role: on_call, from_pager: true,")


def test_two_people_cannot_have_one_id_in_pagerduty(tmp_path: Path) -> None:
    """It would not say who acknowledged a page."""
    contacts = "contacts: {pagerduty: PANA123}"
    other = ("plan.yaml", "people:\n", f"people:\n  - {{name: Bo, roles: [on_call], {contacts}}}\n")
    ana = ("plan.yaml", 'phone: "+1 555 0100"', "pagerduty: PANA123")
    (error,) = found(company_folder(tmp_path, other, ana), "error")
    assert "Bo and Ana have the same id in PagerDuty, PANA123." in error


def test_two_people_cannot_have_one_e_mail_address_in_any_spelling(tmp_path: Path) -> None:
    """The identity proxy would not say who signed in."""
    contacts = "contacts: {email: Ops@x.example}"
    other = ("plan.yaml", "people:\n", f"people:\n  - {{name: Bo, roles: [on_call], {contacts}}}\n")
    ana = ("plan.yaml", 'phone: "+1 555 0100"', "email: ops@X.example")
    (error,) = found(company_folder(tmp_path, other, ana), "error")
    assert "Bo and Ana have the same e-mail address, ops@x.example." in error


def test_two_people_who_share_a_phone_are_reported(tmp_path: Path) -> None:
    """A key that is pressed there would not say who acknowledges, so it acknowledges nothing."""
    contacts = 'contacts: {phone: "+1 (555) 201-0100"}'
    other = ("plan.yaml", "people:\n", f"people:\n  - {{name: Bo, roles: [on_call], {contacts}}}\n")
    ana = ("plan.yaml", 'phone: "+1 555 0100"', 'phone: "+15552010100"')
    warnings = found(company_folder(tmp_path, other, ana), "warning")
    assert any("Bo and Ana have the same phone number" in one for one in warnings)


def test_a_rota_follows_pagerduty_only_with_a_policy_and_an_action_that_can_ask(tmp_path: Path) -> None:
    """Otherwise its turns would silently count for ever."""
    errors = found(company_folder(tmp_path, plan(FOLLOWS)), "error")
    assert len(errors) == 2
    assert any("`on_call` has no escalation policy there. Write `pager_policy: PXXXXXX`" in error for error in errors)
    assert any("`reminders.page` names no action that can ask it." in error for error in errors)


def test_an_id_of_a_policy_has_the_form_of_one(tmp_path: Path) -> None:
    """A name in its place would page no one."""
    named = ("plan.yaml", "on_call: {title: On-Call}", "on_call: {title: On-Call, pager_policy: My policy}")
    assert any("pager_policy" in error for error in found(company_folder(tmp_path, named), "error"))
