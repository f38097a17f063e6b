"""`allclear check` on the ways by which people are notified, and on the lines that name them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.company.checks.test_plan import diagnostics_of, plan
from tests.unit.company.company_support import Edit

WAYS = """\
ways:
  mail: {action: mail.send, with: {key: "{number}", text: "{audience} {name}: {notice}"}}
  pager: {action: pager.ring, with: {key: "{number}", text: "{notice}"}}
"""
LINES = "notifications: [{audience: communications_lead, by: [mail]}, {audience: on_call, by: [pager]}]\n"
PHONE: Edit = ("plan.yaml", '      phone: "+1 555 0100"\n', "")


def test_ways_and_their_lines_are_no_problem(tmp_path: Path) -> None:
    """Each way says what happened under a key of its own, and each audience has a person whom it reaches."""
    found = [*diagnostics_of(tmp_path / "1", "error", plan(WAYS + LINES))]
    found += diagnostics_of(tmp_path / "2", "warning", plan(WAYS + LINES))
    assert [line for line in found if "way" in line or "notif" in line] == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("mail.send", "mail.sent", "There is no action `mail.sent`. Did you mean `mail.send`?"),
        ("mail.send", "traffic.move", "`traffic.move` is no way to a person"),
        ("mail.send", "chat.post", "`chat.post` is no way to a person"),
        ("{name}: {notice}", "{name}", "`mail` does not say what happened. Put {notice} into its text."),
        ('mail.send, with: {key: "{number}"', 'mail.send, with: {key: "one"', "Each message by `mail` would replace"),
        ("{audience} {name}", "{audience} {whom}", "The placeholder {whom} has no source."),
        ("by: [mail]", "by: [male]", "The plan has no way `male`. Did you mean `mail`?"),
        ("by: [mail]", "by: [pager]", "`pager` pages the person on call, and not Speaker."),
    ],
)
def test_a_way_that_cannot_work_is_an_error(tmp_path: Path, old: str, new: str, expected: str) -> None:
    """A way only sends messages, to people whom it is given, and says what happened."""
    errors = diagnostics_of(tmp_path, "error", plan((WAYS + LINES).replace(old, new, 1)))
    assert any(expected in error for error in errors), errors


def test_an_address_that_the_way_would_refuse_is_an_error(tmp_path: Path) -> None:
    """Otherwise it would show in the night of the incident."""
    edit: Edit = ("plan.yaml", '"+1 555 0100"', "ana at home")
    errors = diagnostics_of(tmp_path, "error", plan(WAYS + LINES), edit)
    assert any("`mail.send` cannot reach 'ana at home': " in error for error in errors), errors


def test_an_address_that_two_ways_would_refuse_is_reported_once(tmp_path: Path) -> None:
    """The address is to be corrected once."""
    second = WAYS + '  post: {action: mail.send, with: {key: "{number}/post", text: "{notice}"}}\n'
    edit: Edit = ("plan.yaml", '"+1 555 0100"', "ana at home")
    errors = diagnostics_of(tmp_path, "error", plan(second + LINES), edit)
    assert len([error for error in errors if "cannot reach" in error]) == 1, errors


def test_an_audience_that_is_away_as_a_whole_is_a_warning(tmp_path: Path) -> None:
    """Each person may be away, but not all of a role on the same days."""
    away = "    away: [{from: 2026-12-21, until: 2026-12-31}, {from: 2027-02-01, until: 2027-02-07}]\n"
    alone: Edit = (PHONE[0], PHONE[1], PHONE[1] + away)
    other = "  - {name: Ben, roles: [on_call], away: [{from: 2026-12-30, until: 2027-01-04}]}\n"
    both: Edit = (PHONE[0], PHONE[1], PHONE[1] + away + other)
    found = [
        [line for line in diagnostics_of(tmp_path / name, "warning", plan(WAYS + LINES), edit) if " away, and" in line]
        for name, edit in (("alone", alone), ("both", both))
    ]
    assert len(found[0]) == 2
    assert "From 2026-12-21 to 2026-12-31 Ana is away, and no one else is Speaker and On-Call" in found[0][0]
    assert ["From 2026-12-30 to 2026-12-31 Ana and Ben are away" in line for line in found[1] if "On-Call" in line] == [
        True
    ]


@pytest.mark.parametrize(
    ("ways", "lines", "expected"),
    [
        ("", "notifications: [{audience: on_call}]\n", "Nothing is sent to On-Call, because the plan has no `ways`."),
        (WAYS, "notifications: [{audience: customers}]\n", "`customers` is no role and no mailing list, so that"),
    ],
)
def test_an_audience_to_which_nothing_can_be_sent_is_a_warning(
    tmp_path: Path, ways: str, lines: str, expected: str
) -> None:
    """A person has to be asked to tell it."""
    warnings = diagnostics_of(tmp_path, "warning", plan(ways + lines))
    assert any(expected in warning for warning in warnings), warnings


def test_a_person_whom_no_way_reaches_is_a_warning(tmp_path: Path) -> None:
    """The sentence says what to write into the plan."""
    warnings = diagnostics_of(tmp_path, "warning", plan(WAYS + LINES), (PHONE[0], "    contacts:\n" + PHONE[1], ""))
    assert any("Ana cannot be notified by mail" in line and "Add `phone` to the contacts" in line for line in warnings)


LISTS = "mailing_lists: {all: {title: Everyone, address: all@acme.example}}\n"


@pytest.mark.parametrize(
    ("lists", "lines", "expected"),
    [
        (LISTS, "[{audience: all, by: [pager]}]", "No way of this line sends e-mail, and Everyone is a mailing list."),
        (LISTS, "[{audience: al}]", "`al` is no role and no mailing list, so that nothing is sent to it"),
        (LISTS.replace("all@acme.example", '"[Address]"'), "[]", "The address of Everyone is still the blank"),
        (LISTS.replace("{all:", "{on_call:"), "[]", "`on_call` is a role as well."),
    ],
)
def test_a_mailing_list_that_gets_nothing_is_found(tmp_path: Path, lists: str, lines: str, expected: str) -> None:
    """It has an address, a name of its own, and a way that sends e-mail."""
    found = plan(WAYS + lists + f"notifications: {lines}\n")
    told = [*diagnostics_of(tmp_path / "1", "error", found), *diagnostics_of(tmp_path / "2", "warning", found)]
    assert any(expected in one for one in told), told


def test_the_address_of_a_mailing_list_is_no_persons(tmp_path: Path) -> None:
    """The identity proxy would take a member of the list for that person."""
    edit: Edit = ("plan.yaml", '      phone: "+1 555 0100"\n', "      email: ALL@acme.example\n")
    errors = diagnostics_of(tmp_path, "error", plan(LISTS), edit)
    assert any("Everyone and Ana have the same e-mail address" in one for one in errors), errors


def test_an_invitation_of_an_unknown_role_is_an_error(tmp_path: Path) -> None:
    """Otherwise no one would notice that it is invited to nothing."""
    edit: Edit = ("plan.yaml", "  due: 48h\n", "  due: 48h\n  invite: [on_call, all, al]\n")
    errors = diagnostics_of(tmp_path, "error", plan(LISTS), edit)
    assert [one for one in errors if "no role and no mailing list `al`. Did you mean `all`?" in one], errors
    assert not any("`on_call`" in one or "`all`." in one for one in errors)
