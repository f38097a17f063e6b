"""Checking a company's drills: they can be run, and the names in them exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from allclear.company import Company, load_company
from allclear.company.check import check_company
from allclear.domain.errors import NotFound
from allclear.drill.check import check_drills
from allclear.drill.script import first_script, scripts
from tests.unit.company.company_support import KINDS, Edit, company_folder

DRILL = """\
title: Payments fail
alert:
  labels: {alertname: PaymentsFail}
  summary: Payments fail
people:
  - {name: Ana, role: on_call}
answers:
  - {ask: contain/move, by: on_call}
  - {ask: resolve/fix, reason: Mended.}
notes: {on_call: It was loud.}
words: {summary: It broke.}
expect:
  verified: [contain/move]
production:
  project: acme-prod
  region: us-central1
  service: shop
  pages: [{path: /}]
  revisions: [{name: shop-1}]
"""
CLOUD = (
    "systems.yaml",
    "    url: https://shop.example.com\n",
    "    url: https://shop.example.com\n    cloud_run: shop\n",
)
UNDO = ("runbooks/outage.yaml", "resolve:\n", "resolve:\n  - {id: undo, undo: everything}\n")
DUTIES = (
    "duties:\n  - {name: tell, title: T, ask: Tell, role: on_call, within: 72h}\n"
    "evidence:\n  - {name: logs, title: L, ask: Keep, role: on_call}\nsupport:\n"
)
DUTY = ("plan.yaml", "support:\n", DUTIES)


def with_drill(root: Path, text: str = DRILL, *edits: Edit) -> Path:
    """Return the small company's folder with this drill, its service in Cloud Run."""
    folder = company_folder(root, CLOUD, *edits)
    (folder / "drills").mkdir()
    (folder / "drills" / "pay.yaml").write_text(text, encoding="utf-8")
    return folder


def found(folder: Path) -> list[str]:
    """Return the diagnostics as `level pay.yaml:7: sentence next step`."""
    diagnostics = check_company(folder, KINDS, extra_check=check_drills)
    return [
        f"{line.level} {line.location.rsplit('/', 1)[-1]}: {line.sentence} {line.next_step}" for line in diagnostics
    ]


def test_a_drill_that_can_be_run_has_no_diagnostics(tmp_path: Path) -> None:
    """The drill of these tests has none, and neither have answers about undos, duties, evidence and manual work."""
    asks = (
        "resolve/undo-contain-move",
        "resolve/undo-contain-move-left",
        "contain/contained-manually",
        "duty/tell",
        "contain/evidence-logs",
        "contain/move-choice",
    )
    more = "answers:\n" + "".join(f"  - {{ask: {ask}}}\n" for ask in asks)
    assert found(with_drill(tmp_path, DRILL.replace("answers:\n", more), UNDO, DUTY)) == []


def test_a_region_that_the_drill_lacks_is_a_warning(tmp_path: Path) -> None:
    """A service in two regions needs both in the drill: the second one under `other_services`."""
    regions = ("systems.yaml", "    cloud_run: shop\n", "    cloud_run: {us-central1: shop, europe-west1: shop-eu}\n")
    warning = (
        "warning pay.yaml:14: `shop` in systems.yaml is `shop-eu` in europe-west1, which the drill's production"
        " lacks. Add it under `other_services`, or leave that region's steps out of the drill."
    )
    other = "  other_services: [{region: europe-west1, service: shop-eu, share: 30, revisions: [{name: shop-eu-1}]}]\n"
    without, within = (
        found(with_drill(tmp_path / name, text, regions)) for name, text in (("one", DRILL), ("two", DRILL + other))
    )
    assert [line for line in without if line not in within] == [warning]


MISTAKES: list[tuple[str, str, str]] = [
    ("role: on_call}", "role: oncall}", "error pay.yaml:6: The plan has no role `oncall`. Did you mean `on_call`?"),
    ("by: on_call", "by: boss", "error pay.yaml:8: The plan has no role `boss`."),
    ("notes: {on_call:", "notes: {scribe:", "error pay.yaml:10: The plan has no role `scribe`."),
    ("words: {summary:", "words: {sumary:", "error pay.yaml:11: The post-mortem has no field `sumary`. Did you mean"),
    (
        "ask: contain/move",
        "ask: contain/mvoe",
        "error pay.yaml:8: No one is ever asked `contain/mvoe`. Did you mean `contain/move`?",
    ),
    (
        "[contain/move]",
        "[contain/moved]",
        "error pay.yaml:13: `contain/moved` is no act of the runbook `outage`. Did you mean `contain/move`?",
    ),
    ("alertname: PaymentsFail", "alertname: X", "error pay.yaml:3: No route of plan.yaml takes the drill's alert."),
    (
        "service: shop",
        "service: shup",
        "error pay.yaml:17: The drill's production runs `shup`, and `shop` in systems.yaml is `shop` in Cloud Run.",
    ),
    (
        "path: /}]",
        "path: /x}]\n  users: {mix: {/x: 1}}",
        "error pay.yaml:18: The smoke test of `shop` asks for `/`, which is not under `pages`.",
    ),
    ("summary: Payments", "sumary: Payments", "error pay.yaml:4: `sumary` is not a field in `alert`. Did you mean"),
    ("name: shop-1", "nmae: shop-1", "error pay.yaml:19: `nmae` is not a field in `revisions` no. 1."),
    ("region: us-central1", "region: nowhere", "error pay.yaml:16: `region`:"),
    ("title: Payments", "title: [Payments", "error pay.yaml:"),
    ("It was loud.", "{incident} was loud.", "error pay.yaml:"),
    (
        "reason: Mended.",
        "reason: 'Mended {incident}.'",
        "warning pay.yaml:9: {incident} stays as it is in a drill. It is filled in templates and steps only.",
    ),
]


@pytest.mark.parametrize(("old", "new", "says"), MISTAKES)
def test_a_mistake_in_a_drill_is_reported_with_its_line(tmp_path: Path, old: str, new: str, says: str) -> None:
    """A mistake that would break the drill half-way is found before it starts."""
    assert DRILL.count(old) == 1
    diagnostics = found(with_drill(tmp_path, DRILL.replace(old, new)))
    assert any(line.startswith(says) for line in diagnostics), diagnostics


def test_a_drill_without_a_production_is_an_error(tmp_path: Path) -> None:
    """Without a simulated production nothing can break."""
    [error] = found(with_drill(tmp_path, DRILL[: DRILL.index("production:")]))
    assert error.startswith("error pay.yaml:1: The drill has no `production` that could break. Add it:")


def test_a_file_with_only_a_production_is_not_a_drill(tmp_path: Path) -> None:
    """`allclear simulate` uses it. It is not an error, and it is not run as a drill."""
    folder = with_drill(tmp_path, DRILL[DRILL.index("production:") :])
    assert found(folder) == []
    assert scripts(load_company(folder)) == []


def test_the_first_drill_is_the_plans_or_the_first_by_name(tmp_path: Path) -> None:
    """If the plan names none, the first by name is run. A name that does not exist is an error."""
    folder = with_drill(tmp_path)
    (folder / "drills" / "a.yaml").write_text(DRILL, encoding="utf-8")
    assert first_script(load_company(folder)) == "a"
    plan = folder / "plan.yaml"
    plan.write_text(plan.read_text() + "first_drill: pay\n", encoding="utf-8")
    assert scripts(load_company(folder)) == ["pay", "a"]
    plan.write_text(plan.read_text().replace("first_drill: pay", "first_drill: pai"), encoding="utf-8")
    assert any("There is no drill `pai`. Did you mean `pay`?" in line for line in found(folder))


def test_the_error_for_a_company_without_a_drill_names_the_file_to_write(tmp_path: Path) -> None:
    """There is no first drill to run."""
    company: Company = load_company(company_folder(tmp_path))
    with pytest.raises(NotFound, match="acme has no drill"):
        first_script(company)


def test_a_fault_that_no_call_can_meet_is_an_error(tmp_path: Path) -> None:
    """The line names the vendor's calls."""
    faults = "  faults:\n    - {api: email, method: send, kind: unavailable}\n    - {api: mail, kind: slow}\n"
    first, second = found(with_drill(tmp_path, DRILL + faults))
    assert first.startswith(
        "error pay.yaml:21: No call can meet this fault: email has no method 'send'; it has connect,"
    )
    assert second.startswith("error pay.yaml:22: No call can meet this fault: there is no API 'mail'; there are ")


def test_who_must_be_notified_is_an_audience_and_a_way_of_the_plan(tmp_path: Path) -> None:
    """Else the drill could never go as planned."""
    told = "  notified: {on_call: pigeon, king: email}\n"
    text = DRILL.replace("  verified: [contain/move]\n", f"  verified: [contain/move]\n{told}")
    sentences = found(with_drill(tmp_path, text))
    assert any("The plan notifies no `king`." in sentence for sentence in sentences)
