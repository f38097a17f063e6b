"""Loading a company's folder: its parts, or one sentence on why it cannot be loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from allclear.company import companies_root, company_names, find_company, load_company
from allclear.domain.errors import ConfigError, NotFound
from tests.unit.company.company_support import ALERT, RUNBOOK, Edit, company_folder


def test_a_complete_folder_is_loaded(tmp_path: Path) -> None:
    """Plan, systems, runbooks and templates are loaded, each under its name."""
    company = load_company(company_folder(tmp_path))
    assert (company.name, company.plan.company, company.folder) == ("acme", "Acme", tmp_path / "acme")
    assert company.runbook("outage").title == "Outage"
    assert company.service("shop").title == "The shop"
    assert company.templates == {"internal-alert": ALERT}
    assert company.post_mortem.startswith("# {title}")


def test_an_unknown_name_is_an_error_with_the_known_names(tmp_path: Path) -> None:
    """An unknown runbook or service raises NotFound, with the nearest name or all names."""
    company = load_company(company_folder(tmp_path))
    with pytest.raises(NotFound, match=r"no runbook called outtage\. Did you mean `outage`"):
        company.runbook("outtage")
    with pytest.raises(NotFound, match=r"no service called warehouse\. There are: shop"):
        company.service("warehouse")


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (
            ("plan.yaml", "short: AC", "short: AC: x"),
            "plan.yaml:2: It is not valid YAML: mapping values are not allowed",
        ),
        (("plan.yaml", "short: AC", "\tshort: AC"), "plan.yaml:2: It is not valid YAML"),
        (("plan.yaml", "[on_call, communications_lead]", "[on_call"), "plan.yaml:13: It is not valid YAML"),
        (("plan.yaml", "short: AC", "company: AC"), "plan.yaml:2: The key `company` appears twice."),
        (("plan.yaml", "short: AC", "short: *nobody"), "plan.yaml:2: It is not valid YAML: found undefined alias"),
        (("plan.yaml", "short: AC", "shrot: AC"), "plan.yaml:1: `short` is missing."),
        (
            ("plan.yaml", "short: AC", "short: AC\nsuport: []"),
            "plan.yaml:3: `suport` is not a field. Did you mean `support`",
        ),
        (("plan.yaml", "    title: Crit", "    titel: Crit"), "plan.yaml:4: `title` is missing in `severities` no. 1."),
        (
            ("plan.yaml", "due: 48h", "due: two days"),
            "plan.yaml:33: `within`: 'two days' is not a duration: write it",
        ),
        (
            ("plan.yaml", "company: Acme", "company: 2"),
            "plan.yaml:1: `company` must be text, and 2 is not. Put it in quotes.",
        ),
        (("plan.yaml", "  on_call: {title", "  On Call: {title"), "plan.yaml:8: `On Call` is not a short name."),
        (("plan.yaml", "  review: {", "  revue: {"), "plan.yaml:20: `revue` is not one of 'detect', 'contain'"),
        (("plan.yaml", "  review: {label: Review}\n", ""), "plan.yaml:15: `phases`: it has no review."),
        (
            ("plan.yaml", "support:\n", "support: none\nchannels:\n"),
            "plan.yaml:34: `support`: input should be a valid list.",
        ),
        (
            ("systems.yaml", "timeout: 2s", "tiemout: 2s"),
            "systems.yaml:11: `timeout` is missing in `smoke`. Add `timeout`: ",
        ),
        (
            ("systems.yaml", "timeout: 2s", "timeout: 2s\n      request: 9"),
            "systems.yaml:13: `request` is not a field in `smoke`.",
        ),
        (
            ("runbooks/outage.yaml", "    measure: true", "    mesure: true"),
            "outage.yaml:17: `mesure` is not a field in `contain` no. 1.",
        ),
        (
            ("runbooks/outage.yaml", "ask: Fix {incident}.", "title: x"),
            "outage.yaml:24: `resolve` no. 1: a step with `person` needs `ask`",
        ),
        (
            ("runbooks/outage.yaml", "  - id: off", "  - id: move"),
            "outage.yaml:19: The step `move` is listed twice in `contain`. Give one of them another id.",
        ),
        (
            ("runbooks/outage.yaml", "name: outage", "name: outrage"),
            "outage.yaml:1: `name` is `outrage`, and the file is called `outage.yaml`.",
        ),
        (
            ("plan.yaml", "templates/internal", "templates/interna"),
            "plan.yaml:28: The template `templates/interna-alert.txt` does not exist.",
        ),
        (
            ("plan.yaml", "templates/internal-alert.txt", "../../secrets"),
            "plan.yaml:28: The template `../../secrets` lies outside",
        ),
        (("plan.yaml", "post-mortem.md", "pir.md"), "plan.yaml:32: The template `templates/pir.md` does not exist."),
    ],
)
def test_a_malformed_file_is_one_sentence_with_its_line(tmp_path: Path, edit: Edit, expected: str) -> None:
    """The error has the file, the line, one sentence about the mistake, and the next step."""
    folder = company_folder(tmp_path, edit)
    with pytest.raises(ConfigError) as caught:
        load_company(folder)
    assert expected in str(caught.value)
    assert str(caught.value).startswith(str(folder))
    assert "\n" not in caught.value.message
    assert caught.value.next_step


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "plan.yaml:1: The file is empty."),
        ("- one\n- two\n", "plan.yaml:1: The file is not a mapping of fields."),
        ("a: 1\n---\nb: 2\n", "plan.yaml:2: It is not valid YAML: but found another document"),
        ("a: &a [*a]\n", "plan.yaml: A value in it cannot be read, or refers to itself."),
        ("a: 2026-02-30\n", "plan.yaml: A value in it cannot be read"),
        ("a: \x07\n", "plan.yaml: It is not valid YAML"),
        ("a: !!python/object:os.system rm\n", "plan.yaml:1: It is not valid YAML: could not determine a constructor"),
        ("a: " + "[" * 5000 + "]" * 5000, "plan.yaml: A value in it cannot be read"),
    ],
)
def test_strange_yaml_is_refused_without_a_traceback(tmp_path: Path, text: str, expected: str) -> None:
    """A file that is not a mapping of fields, and a file with unsafe or endless values, is refused in one sentence."""
    folder = company_folder(tmp_path)
    (folder / "plan.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_company(folder)
    assert expected in caught.value.message


def test_missing_and_unreadable_files_are_named(tmp_path: Path) -> None:
    """A missing folder, a missing file and a file that is not text have different errors."""
    with pytest.raises(ConfigError, match="nowhere: There is no such folder"):
        load_company(tmp_path / "nowhere")
    folder = company_folder(tmp_path)
    (folder / "systems.yaml").unlink()
    with pytest.raises(ConfigError, match=r"systems\.yaml: The file is missing"):
        load_company(folder)
    (folder / "systems.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"systems\.yaml: It is not UTF-8"):
        load_company(folder)


def test_several_errors_are_counted(tmp_path: Path) -> None:
    """Loading reports the first error and the number of all errors."""
    folder = company_folder(tmp_path, ("plan.yaml", "short: AC", "short: a"), ("plan.yaml", "due: 48h", "due: x"))
    with pytest.raises(ConfigError, match=r"plan\.yaml:2: .*`allclear check acme` lists all 2"):
        load_company(folder)


def test_companies_are_found_by_name_under_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The root is ALLCLEAR_RUNBOOKS; an unknown name, or a path, raises NotFound with the known names."""
    root = tmp_path / "books"
    company_folder(root)
    company_folder(tmp_path, name="outside")
    monkeypatch.setenv("ALLCLEAR_RUNBOOKS", str(root))
    assert companies_root() == root
    assert company_names() == ["acme"]
    assert find_company("acme").plan.company == "Acme"
    for name in ("../outside", str(tmp_path / "outside"), "acme/", ".", "", "acne\\x", "akme"):
        with pytest.raises(NotFound, match="acme"):
            find_company(name)


def test_the_default_root_is_in_the_working_directory_or_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the variable, `runbooks` in the working directory is used, else the folder that comes with allclear."""
    monkeypatch.delenv("ALLCLEAR_RUNBOOKS", raising=False)
    monkeypatch.chdir(tmp_path)
    assert "vintstreet" in company_names()
    company_folder(tmp_path / "runbooks")
    assert company_names() == ["acme"]
    monkeypatch.setenv("ALLCLEAR_RUNBOOKS", str(tmp_path / "gone"))
    with pytest.raises(ConfigError, match="ALLCLEAR_RUNBOOKS names"):
        companies_root()


def test_an_error_has_the_right_line_in_block_and_flow_style(tmp_path: Path) -> None:
    """A comment, a folded text and a mapping in braces before an error do not shift its line."""
    folder = company_folder(tmp_path)
    text = "# first\n\nabout: >-\n  a\n  b\n" + RUNBOOK.replace("about: All is down.\n", "") + "wrong: {a: 1}\n"
    (folder / "runbooks" / "outage.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_company(folder)
    assert f"outage.yaml:{text.count(chr(10))}: `wrong` is not a field." in caught.value.message
