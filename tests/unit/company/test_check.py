"""The check of a company's folder: each diagnostic has its file, its line and the next step."""

from __future__ import annotations

from pathlib import Path

import pytest

from allclear.company.check import check_company
from tests.unit.company.company_support import KINDS, Edit, company_folder, in_one_line

BOOK = "runbooks/outage.yaml"
TWICE = """\
  - {name: b, match: {alertname: PaymentsFail, x: y}, service: shop, severity: P0, runbook: outage, impact: No}
templates: {"""


def check(folder: Path) -> list[str]:
    """Return each diagnostic as `level file:line: sentence next step`, the file relative to the folder."""
    return [in_one_line(diagnostic, folder) for diagnostic in check_company(folder, KINDS)]


def test_a_correct_folder_has_no_diagnostics(tmp_path: Path) -> None:
    """The small company of these tests has no error, so each diagnostic below has exactly one cause."""
    assert check(company_folder(tmp_path)) == []


# One mistake each, and a part of its diagnostic.
ERRORS: list[tuple[Edit, str]] = [
    (
        (BOOK, "traffic.move", "trafic.move"),
        "outage.yaml:15: There is no action `trafic.move`. Did you mean `traffic.move`?",
    ),
    (
        (BOOK, "action: flag.disable", "action: http.smoke"),
        "outage.yaml:20: `http.smoke` is not an action but a probe. Write `probe: http.smoke`.",
    ),
    ((BOOK, "probe: http.smoke", "probe: http.smok"), "outage.yaml:6: There is no probe `http.smok`."),
    (
        (BOOK, "percent: 10", "percent: lots"),
        "outage.yaml:16: traffic.move: `percent`: input should be a valid integer",
    ),
    (
        (BOOK, "percent: 10", "percent: 101"),
        "outage.yaml:16: traffic.move: `percent`: input should be less than or equal to 100.",
    ),
    ((BOOK, 'text: "{t_int', 'txet: "{t_int'), "outage.yaml:11: chat.post: `text` is missing. Add `text`."),
    (
        (BOOK, 'text: "{t_int', 'urgency: now\n      text: "{t_int'),
        "outage.yaml:12: chat.post: `urgency`: input should be a valid integer",
    ),
    (
        (BOOK, "flag: checkout", "flags: checkout"),
        "outage.yaml:22: flag.disable: `flags` is not a field. Did you mean `flag`?",
    ),
    (
        (BOOK, "{service: shop, p", "{service: shup, p"),
        "outage.yaml:16: systems.yaml has no service `shup`. Did you mean `shop`?",
    ),
    ((BOOK, "service: shop\nh", "service: shup\nh"), "outage.yaml:4: systems.yaml has no service `shup`."),
    (
        (BOOK, "Fix {incident}", "Fix {incidnet}"),
        "outage.yaml:26: The placeholder {incidnet} has no source. Did you mean `incident`?",
    ),
    ((BOOK, "{t_internal_alert}", "{t_internal}"), "outage.yaml:12: The placeholder {t_internal} has no source."),
    (
        (BOOK, "person: on_call", "person: on_cal"),
        "outage.yaml:25: The plan has no role `on_cal`. Did you mean `on_call`?",
    ),
    (
        (BOOK, "owner: on_call", "owner: tech_lead"),
        "outage.yaml:18: The plan has no role `tech_lead`. There are: communications_lead, on_call.",
    ),
    ((BOOK, "severities: [P0]", "severities: [P0, P9]"), "outage.yaml:27: The plan has no severity `P9`."),
    ((BOOK, "owner: on_call", "approval: {roles: [boss]}"), "outage.yaml:18: The plan has no role `boss`."),
    (
        (BOOK, "owner: on_call", "approval: {roles: [on_call], people: 2}"),
        "outage.yaml:18: `traffic.move` waits for 2 of on_call, and the plan has 1.",
    ),
    (
        ("plan.yaml", "    service: shop", "    service: shoop"),
        "plan.yaml:24: systems.yaml has no service `shoop`. Did you mean `shop`?",
    ),
    (
        ("plan.yaml", "    severity: P0", "    severity: P5"),
        "plan.yaml:25: The plan has no severity `P5`. There are: P0.",
    ),
    (
        ("plan.yaml", "runbook: outage", "runbook: outrage"),
        "plan.yaml:26: There is no runbook `outrage`. Did you mean `outage`?",
    ),
    (("plan.yaml", "roles: [on_call, ", "roles: [oncall, on_call, "), "plan.yaml:12: The plan has no role `oncall`."),
    (
        ("plan.yaml", "  traffic.move:", "  traffic.mvoe:"),
        "plan.yaml:30: There is no action `traffic.mvoe`. Did you mean `traffic.move`?",
    ),
    (("plan.yaml", "move: {roles: [on_call]}", "move: {roles: [boss]}"), "plan.yaml:30: The plan has no role `boss`."),
    (
        ("plan.yaml", "due: 48h", "due:\n    - {within: 48h, severities: [P7]}"),
        "plan.yaml:34: The plan has no severity `P7`.",
    ),
    (
        ("plan.yaml", "internal-alert.txt", "internal-alrt.txt"),
        "plan.yaml:28: The template `templates/internal-alrt.txt` does not exist.",
    ),
    (("plan.yaml", "post-mortem.md", "pm.md"), "plan.yaml:32: The template `templates/pm.md` does not exist."),
    (
        ("templates/internal-alert.txt", "{updates}", "{update}"),
        "internal-alert.txt:2: The placeholder {update} has no source.",
    ),
    (
        ("templates/internal-alert.txt", "{updates}", "{t_other}"),
        "internal-alert.txt:2: The placeholder {t_other} names a template",
    ),
    (
        ("systems.yaml", "  chat:", "  chatt:"),
        "systems.yaml:1: There is no system `chat`, which chat.post needs. Add `chat` under `systems`",
    ),
    (
        (BOOK, "    action: flag.disable\n", "    action: flag.disable\n    live: true\n"),
        "outage.yaml:21: `flag.disable` does more than send a message, and `live` would run it without an approval.",
    ),
    (
        (BOOK, "    ask: Fix {incident}.\n", "    ask: Fix {incident}.\n    live: true\n"),
        "only a message can be `live`",
    ),
    (
        ("systems.yaml", "    channel:", "    chanel:"),
        "systems.yaml:5: The system `chat`: `chanel` is not a field. Did you mean `channel`?",
    ),
    (("systems.yaml", '    channel: "#incidents"\n', ""), "systems.yaml:2: The system `chat`: `channel` is missing."),
    (
        ("systems.yaml", "secret: CHAT_TOKEN", "secret: xoxb-123"),
        "systems.yaml:4: `secret` is not the name of an environment variable.",
    ),
]


@pytest.mark.parametrize(("edit", "expected"), ERRORS)
def test_a_mistake_that_would_stop_an_incident_is_an_error(tmp_path: Path, edit: Edit, expected: str) -> None:
    """Each mistake is an error at its own line, with the nearest name if one resembles it."""
    found = [one for one in check(company_folder(tmp_path, edit)) if one.startswith("error ")]
    assert any(expected in one for one in found), found


WARNINGS: list[tuple[Edit, str]] = [
    (
        ("systems.yaml", '"#incidents"', '"[Channel]"'),
        "systems.yaml:5: `channel` still contains the blank `[Channel]`.",
    ),
    (
        ("plan.yaml", "name: Ana", 'name: "[Name]"'),
        "plan.yaml:11: The name of On-Call, Speaker is still the blank `[Name]`.",
    ),
    (
        ("plan.yaml", '"+1 555 0100"', '"[Phone]"'),
        "plan.yaml:14: The phone of On-Call, Speaker is still the blank `[Phone]`.",
    ),
    (("plan.yaml", '"+1 555 0100"', '""'), "plan.yaml:14: The phone of On-Call, Speaker is still empty."),
    (
        ("plan.yaml", "help@host.example", '"[E-mail]"'),
        "plan.yaml:36: The contact of Host is still the blank `[E-mail]`.",
    ),
    (
        ("plan.yaml", "title: Speaker}", "title: Speaker}\n  scribe: {title: S}"),
        "plan.yaml:10: No one holds the role `scribe`.",
    ),
    (("plan.yaml", "runbook: outage", "runbook: other"), "outage.yaml:1: No alert reaches the runbook `outage`."),
    ((BOOK, "{t_internal_alert}", "{updates}"), "plan.yaml:28: No runbook uses the template `internal-alert`."),
    (
        (BOOK, "flag: checkout", "flag: chekout"),
        "outage.yaml:22: flag.disable: No service in systems.yaml has the flag `chekout`. Did you mean `checkout`?",
    ),
    (
        (BOOK, "Fix {incident}", "Fix {Incident}"),
        "outage.yaml:26: {Incident} is not a placeholder, and is not replaced.",
    ),
    (
        ("templates/internal-alert.txt", "{updates}", "{ updates }"),
        "internal-alert.txt:2: { updates } is not a placeholder",
    ),
    (
        ("systems.yaml", "chat.example", "YOUR-PROJECT.example"),
        "systems.yaml:3: `endpoint` still contains the blank `YOUR-PROJECT`",
    ),
    (
        ("systems.yaml", "services:", "  chatty: {endpoint: https://x}\nservices:"),
        "systems.yaml:6: No action or probe uses the system `chatty`.",
    ),
    (
        ("plan.yaml", "templates: {", TWICE),
        "plan.yaml:28: No alert reaches the route `b`: `payments` comes first.",
    ),
]


@pytest.mark.parametrize(("edit", "expected"), WARNINGS)
def test_a_blank_or_an_unused_part_is_a_warning(tmp_path: Path, edit: Edit, expected: str) -> None:
    """Blanks, roles without people and parts that nothing uses are warnings at their line."""
    found = [one for one in check(company_folder(tmp_path, edit)) if one.startswith("warning ")]
    assert any(expected in one for one in found), found


def test_assumptions_are_listed_last(tmp_path: Path) -> None:
    """Assumptions, which people have to confirm, come after errors and warnings."""
    assumed = "assumed:\n  - {field: short, because: the plan does not say}\nsupport:"
    folder = company_folder(tmp_path, ("plan.yaml", "support:", assumed), ("plan.yaml", "name: Ana", 'name: "[Name]"'))
    found = check(folder)
    assert [one.split()[0] for one in found] == ["warning", "assumed"]
    assert "plan.yaml:35: Assumed, short: the plan does not say." in found[1]


def test_one_broken_file_does_not_hide_the_others(tmp_path: Path) -> None:
    """If plan.yaml and systems.yaml cannot be read, the errors in the runbooks are still reported."""
    folder = company_folder(tmp_path, (BOOK, "traffic.move", "trafic.move"))
    (folder / "plan.yaml").write_text("company: [\n", encoding="utf-8")
    (folder / "systems.yaml").write_text("systems: {}\n", encoding="utf-8")
    (folder / "runbooks" / "second.yaml").write_text("name: second\n", encoding="utf-8")
    found = check(folder)
    every = ("plan.yaml:", "systems.yaml:1: `services` is missing", "no action `trafic.move`", "second.yaml:1: `title`")
    for expected in every:
        assert any(expected in one for one in found), (expected, found)
    assert not any("t_internal_alert" in one for one in found), "the plan's templates are not known now"


def test_an_approval_that_no_one_can_give_is_reported_once_and_a_blank_counts_as_a_person(tmp_path: Path) -> None:
    """An action whose approvers are missing would wait forever; a role with a blank name can be claimed by a person."""
    step = (BOOK, "  - id: off", "  - id: public\n    action: public.tell\n    with: {text: x}\n  - id: off")
    missing = ("plan.yaml", "[on_call, communications_lead]", "[on_call]")
    errors = [one for one in check(company_folder(tmp_path, step, missing)) if one.startswith("error ")]
    assert len(errors) == 1
    assert "outage.yaml:20: `public.tell` waits for 1 of communications_lead, incident_commander" in errors[0]
    blank = ("plan.yaml", "name: Ana", 'name: "[Name]"')
    assert not [one for one in check(company_folder(tmp_path, step, blank)) if one.startswith("error ")]


def test_the_secret_itself_is_never_repeated(tmp_path: Path) -> None:
    """If a person writes the secret in place of its variable's name, the output does not contain it."""
    folder = company_folder(tmp_path, ("systems.yaml", "secret: CHAT_TOKEN", "secret: xoxb-hunter2"))
    assert not any("hunter2" in one for one in check(folder))


def test_files_that_are_never_read_are_reported(tmp_path: Path) -> None:
    """A template that the plan does not name, and a runbook called .yml, would otherwise be ignored silently."""
    folder = company_folder(tmp_path)
    (folder / "templates" / "old.txt").write_text("x", encoding="utf-8")
    (folder / "runbooks" / "second.yml").write_text("x", encoding="utf-8")
    found = check(folder)
    assert any("plan.yaml:28: The plan does not name the file `templates/old.txt`." in one for one in found)
    assert any("runbooks/second.yml: The file is not read." in one for one in found)


def test_a_post_mortem_is_checked_against_its_own_placeholders(tmp_path: Path) -> None:
    """Its template may use the placeholders of the given mapping instead of those of the other templates."""
    folder = company_folder(tmp_path)
    assert check_company(folder, KINDS, {"title": "", "timeline": ""}) == []
    found = [in_one_line(diagnostic, folder) for diagnostic in check_company(folder, KINDS, {"title": ""})]
    assert found == [
        "error templates/post-mortem.md:3: The placeholder {timeline} has no source. Did you mean `title`?"
    ]


TWO_REGIONS = ("systems.yaml", "    flags:", "    cloud_run: {us-central1: shop, europe-west1: shop-eu}\n    flags:")


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        (
            "percent: 10",
            "outage.yaml:16: traffic.move: shop runs in europe-west1 and us-central1, and no region is named.",
        ),
        (
            "percent: 10, region: europe-west2",
            "outage.yaml:16: traffic.move: shop does not run in europe-west2. Did you mean `europe-west1`?",
        ),
        ("percent: 10, region: europe-west1", ""),
    ],
)
def test_a_step_for_a_service_in_two_regions_names_one(tmp_path: Path, named: str, expected: str) -> None:
    """A missing or unknown region is reported before an incident needs the step."""
    folder = company_folder(tmp_path, TWO_REGIONS, (BOOK, "percent: 10", named))
    found = [one for one in check(folder) if one.startswith("error ")]
    assert (expected in found[0]) if expected else (found == []), found


@pytest.mark.parametrize("value", ["{US: shop}", "{}", "[shop]"])
def test_an_invalid_cloud_run_handle_is_an_error_at_its_line(tmp_path: Path, value: str) -> None:
    """An unknown region, an empty mapping and a list are refused."""
    found = check(company_folder(tmp_path, ("systems.yaml", "    flags:", f"    cloud_run: {value}\n    flags:")))
    sentence = "`cloud_run`: it must be a service's name, or one for each region, as `us-central1: web`."
    assert len(found) == 1
    assert f"systems.yaml:10: {sentence}" in found[0]
