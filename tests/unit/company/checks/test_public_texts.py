"""The check of what the public reads, and of whom a page reaches."""

from __future__ import annotations

from pathlib import Path

import pytest

from allclear.company.check import check_company
from allclear.engine.actions.registry import Registry
from tasks.pagerduty_people import PagePeople
from tests.unit.company.company_support import KINDS, company_folder, in_one_line

PUBLIC = "  - id: off\n    action: flag.disable\n    with:\n      flag: checkout\n"
SAY = "  - id: say\n    action: public.tell\n    with: {{text: '{}'}}\n"
PAGE = 'reminders:\n  page: {action: pagerduty.page_people, with: {incident: "{number}", summary: "{reminder}"}}\n'
ALL = Registry.of([*KINDS.actions.values(), *KINDS.probes.values(), PagePeople])


@pytest.mark.parametrize("text", ["{title}", "{updates}", "{problem} again", "{t_internal_alert}"])
def test_a_public_text_with_strangers_words_is_an_error(tmp_path: Path, text: str) -> None:
    """Also if the placeholder stands in a template; the next step names a placeholder that is safe."""
    folder = company_folder(tmp_path, ("runbooks/outage.yaml", PUBLIC, PUBLIC + SAY.format(text)))
    found = [in_one_line(one, folder) for one in check_company(folder, KINDS)]
    (error,) = [line for line in found if "The public would read" in line]
    assert error.startswith("error runbooks/outage.yaml:25: The public would read {")
    assert "Write {impact} or {feature}" in error


def test_the_plans_own_words_may_be_public(tmp_path: Path) -> None:
    """An impact, a feature and a time are safe."""
    text = SAY.format("{impact} since {began}: {feature}, {next_update}")
    folder = company_folder(tmp_path, ("runbooks/outage.yaml", PUBLIC, PUBLIC + text))
    assert not any("The public would read" in one.sentence for one in check_company(folder, KINDS))


def test_a_route_is_asked_for_its_impact(tmp_path: Path) -> None:
    """Without one, people and the public read only what is affected."""
    folder = company_folder(tmp_path, ("plan.yaml", "    impact: Payments fail\n", ""))
    found = [in_one_line(one, folder) for one in check_company(folder, KINDS)]
    (warning,) = [line for line in found if "has no `impact`" in line]
    assert warning.startswith("warning plan.yaml:22: The route `payments` has no `impact`")


@pytest.mark.parametrize(
    ("contacts", "expected"),
    [
        ("{}", "warning plan.yaml:11: `pagerduty.page_people` cannot page Ana, who has no contact `pagerduty`."),
        ("{pagerduty: ana@x.test}", "error plan.yaml:13: `pagerduty.page_people` cannot page 'ana@x.test': "),
        ("{pagerduty: PANA123}", ""),
    ],
)
def test_a_page_by_name_needs_the_persons_id(tmp_path: Path, contacts: str, expected: str) -> None:
    """Otherwise the reminder of that person only says whom to call."""
    folder = company_folder(
        tmp_path,
        ("plan.yaml", '    contacts:\n      phone: "+1 555 0100"\n', f"    contacts: {contacts}\n"),
        ("plan.yaml", "reminders:\n", PAGE),
    )
    found = [in_one_line(one, folder) for one in check_company(folder, ALL)]
    cannot = [line for line in found if "cannot page" in line]
    assert [line[: len(expected)] for line in cannot] == ([expected] if expected else [])
