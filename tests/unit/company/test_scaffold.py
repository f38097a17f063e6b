"""`allclear init`: the new folder works unchanged, its blanks are reported, and a failure leaves no partial folder."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from allclear.cli import main
from allclear.company import load_company
from allclear.company.check import check_company
from allclear.company.scaffold import STARTER, NewCompany, new_folder, questions, write_new_company
from allclear.domain.errors import ConfigError
from allclear.drill.check import check_drills
from allclear.drill.script import find_script, first_script
from allclear.engine.actions.registry import Registry
from allclear.postmortem.placeholders import PLACEHOLDERS
from allclear.simulator.scenario import load_scenario
from allclear.vendors.cloud_run.handle import CloudRunHandle
from tests.contract.simulator_support import REPOSITORY

ALL = {
    "title": 'Acme & "Söhne": Tools',
    "service": "shop",
    "service_url": "https://shop.acme.com/",
    "cloud_run": "acme-shop",
    "project": "acme-prod",
    "region": "europe-west3",
    "slack_channel": "alarm",
    "alert": "Errors: high",
    "zone": "Europe/Berlin",
    "on_call": "Ana O'Hara",
    "tech_lead": "no",
}


class Result(NamedTuple):
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str


Cli = Callable[..., Result]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run the command line in this process, with an empty folder for companies."""
    for name in [one for one in os.environ if one.startswith(("ALLCLEAR_", "PREFECT_"))]:
        monkeypatch.delenv(name)
    (tmp_path / "runbooks").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["allclear", *words])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        printed = capsys.readouterr()
        return Result(code, printed.out, printed.err)

    return run


def diagnostics(folder: Path, level: str) -> list[str]:
    """Return the sentences of `allclear check` at that level."""
    found = check_company(folder, Registry.installed(), PLACEHOLDERS, check_drills)
    return [diagnostic.sentence for diagnostic in found if diagnostic.level == level]


def test_a_new_folder_works_unchanged_and_its_blanks_are_reported(cli: Cli, tmp_path: Path) -> None:
    """Without any answer the check finds no error; each blank is a warning, and there are fewer than forty."""
    result = cli("init", "acme", "--yes")
    assert result.code == 0, result
    folder = tmp_path / "runbooks" / "acme"
    assert diagnostics(folder, "error") == []
    warnings = diagnostics(folder, "warning")
    assert all("blank" in warning for warning in warnings)
    assert 5 < len(warnings) < 40
    assert cli("check").out.splitlines()[-1] == f"acme: 0 errors, {len(warnings)} warnings, 2 assumed defaults."


def test_init_prints_the_next_commands(cli: Cli, tmp_path: Path) -> None:
    """They name the company, and the folder of a company outside the repository."""
    result = cli("init", "acme", "--yes").out.splitlines()
    assert [line.strip() for line in result[1:]] == [
        f"export ALLCLEAR_RUNBOOKS={tmp_path}/runbooks",
        "allclear check acme",
        "allclear drill --company acme",
        "ALLCLEAR_COMPANY=acme allclear up --simulated",
    ]


def test_every_answer_is_written_to_its_place(cli: Cli, tmp_path: Path) -> None:
    """Answers with quotes, colons and umlauts, and one that YAML would read as false, are read back unchanged."""
    flags = [word for name, text in ALL.items() for word in (f"--{name.replace('_', '-')}", text)]
    assert cli("init", "acme", *flags, "--yes").code == 0
    company = load_company(tmp_path / "runbooks" / "acme")
    plan, service = company.plan, company.service("shop")
    assert (plan.company, plan.short, plan.working_time.zone) == (ALL["title"], "ACME", "Europe/Berlin")
    assert [person.name for person in plan.people] == [ALL["on_call"], "no"]
    assert plan.route({"alertname": "Errors: high"}) is not None
    assert (service.url, service.handle(CloudRunHandle)) == ("https://shop.acme.com", CloudRunHandle("acme-shop"))
    cloud = company.systems.systems["cloud_run"].options
    assert (cloud["project"], cloud["region"]) == ("acme-prod", "europe-west3")
    assert company.systems.systems["slack"].options["channel"] == "#alarm"
    assert [one for one in diagnostics(company.folder, "warning") if "phone" not in one] == []
    assert diagnostics(company.folder, "error") == []


def piped(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    """Give the command these lines on standard input, which is no terminal."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))


def test_piped_answers_are_read_in_the_order_of_the_questions(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A question that an option answers is skipped, an empty line takes the default, and what was taken is shown."""
    piped(monkeypatch, "shop", "https://nova.shop", "", "nova-prod", "", "#alarm")
    result = cli("init", "nova", "--title", "Nova AG")
    assert result.code == 0, result
    company = load_company(tmp_path / "runbooks" / "nova")
    assert (company.plan.company, company.service("shop").url) == ("Nova AG", "https://nova.shop")
    assert company.systems.systems["slack"].options["channel"] == "#alarm"
    assert company.systems.systems["cloud_run"].options["project"] == "nova-prod"
    assert "Its address: https://nova.shop" in result.out
    assert "Its service in Cloud Run: (left blank)" in result.out
    assert "Standard input ended: the other 4 keep their defaults or stay blank." in result.out


def test_piped_answers_that_do_not_fit_are_refused(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An invalid answer, and more answers than questions, are errors with the next step; nothing is written."""
    piped(monkeypatch, "Nova", "shop", "nova.shop")
    wrong = cli("init", "nova")
    assert (wrong.code, wrong.err) == (3, "Its address: 'nova.shop' does not fit.\n→ Write it like https://acme.com.\n")
    piped(monkeypatch, *[""] * 11, "one too many")
    many = cli("init", "nova")
    assert many.code == 3
    assert "Standard input has more lines than the 11 questions." in many.err
    assert list((tmp_path / "runbooks").iterdir()) == []


def test_init_writes_outside_the_repository(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere it writes into `runbooks` in the working directory, or into the folder that ALLCLEAR_RUNBOOKS names."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert cli("init", "acme", "--yes").code == 0
    assert (tmp_path / "elsewhere" / "runbooks" / "acme" / "plan.yaml").is_file()
    assert cli("check", "acme").code == 0
    monkeypatch.setenv("ALLCLEAR_RUNBOOKS", str(tmp_path / "our companies"))
    assert cli("init", "beta", "--yes").code == 0
    assert load_company(tmp_path / "our companies" / "beta").name == "beta"
    monkeypatch.chdir(tmp_path)
    assert cli("check", "beta").code == 0


def test_init_inside_the_repository_writes_beside_the_other_companies(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the repository and in each of its folders that is its `runbooks`."""
    monkeypatch.delenv("ALLCLEAR_RUNBOOKS", raising=False)
    for place in (REPOSITORY, REPOSITORY / "docs" / "how-to"):
        monkeypatch.chdir(place)
        assert new_folder("nova").resolve() == REPOSITORY / "runbooks" / "nova"


def test_the_first_drill_fits_the_new_company(cli: Cli, tmp_path: Path) -> None:
    """The drill breaks the service that systems.yaml names, and the simulated Slack has the company's channel."""
    cli("init", "acme", "--yes", "--slack-channel", "#alarm")
    company = load_company(tmp_path / "runbooks" / "acme")
    path, script = find_script(company.folder, first_script(company))
    production = load_scenario(path)
    assert company.service("web").handle(CloudRunHandle) == CloudRunHandle(production.service)
    assert production.slack.channels == ["alarm"]
    assert company.plan.route(script.alert.labels) is not None


def test_an_editor_finds_the_schema_of_each_file(cli: Cli, tmp_path: Path) -> None:
    """The first line of every YAML file names a schema by a relative path. The schema exists, and the file fits it."""
    cli("init", "acme", "--yes")
    files = sorted((tmp_path / "runbooks" / "acme").rglob("*.yaml"))
    assert len(files) == 4
    for path in files:
        mark, _, where = path.read_text().splitlines()[0].partition("$schema=")
        assert mark == "# yaml-language-server: "
        schema = json.loads((path.parent / where).read_text())
        yaml: Any = YAML(typ="safe", pure=True)
        assert list(Draft202012Validator(schema).iter_errors(yaml.load(path.read_text()))) == []


def test_an_existing_folder_is_not_changed(cli: Cli, tmp_path: Path) -> None:
    """If a folder of that name exists, even an empty one, the command refuses the name and does not change it."""
    place = tmp_path / "runbooks" / "acme"
    place.mkdir()
    result = cli("init", "acme", "--yes")
    assert result.code == 3
    assert result.err.splitlines() == [
        "runbooks/acme exists already and was not changed.",
        "→ Choose another name, or move that folder away.",
    ]
    assert list(place.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "hint"), [("Acme Ltd.", "acme-ltd"), ("../x", "x"), ("", "acme"), (".hidden", "hidden"), ("a/b", "a-b")]
)
def test_an_invalid_name_is_refused(cli: Cli, tmp_path: Path, name: str, hint: str) -> None:
    """The command refuses the name and proposes a valid one."""
    result = cli("init", name, "--yes")
    assert result.code == 3
    assert result.err.endswith(f"→ Try: allclear init {hint}.\n")
    assert list((tmp_path / "runbooks").iterdir()) == []


@pytest.mark.parametrize(
    ("flag", "answer"),
    [
        ("--service-url", "acme.com"),
        ("--service-url", "https://"),
        ("--project", "Acme"),
        ("--region", "europe"),
        ("--zone", "Berlin"),
        ("--cloud-run", "My_Service"),
        ("--slack-channel", "C0 12"),
        ("--on-call", "a\nb"),
        ("--service", "The Shop"),
    ],
)
def test_an_answer_that_does_not_fit_is_refused(cli: Cli, tmp_path: Path, flag: str, answer: str) -> None:
    """An invalid answer is refused in one sentence with an example, and nothing is written."""
    result = cli("init", "acme", flag, answer, "--yes")
    assert result.code == 3
    assert "does not fit.\n→ Write it " in result.err
    assert list((tmp_path / "runbooks").iterdir()) == []


def test_a_failure_leaves_no_partial_folder(tmp_path: Path) -> None:
    """If the starter cannot be filled in, neither the company's folder nor the temporary one is left."""
    good = NewCompany.read("acme", {})
    bad = NewCompany("acme", {**good.marks, "region": "nowhere: at all\n"} | {"short": "not a number"})
    with pytest.raises(ConfigError):
        write_new_company(bad, tmp_path / "acme")
    assert list(tmp_path.iterdir()) == []
    write_new_company(good, tmp_path / "acme")
    assert [path.name for path in tmp_path.iterdir()] == ["acme"]


def test_every_mark_of_the_starter_has_a_value() -> None:
    """No filled-in file of the starter contains a mark or names another company."""
    start = NewCompany.read("acme", {})
    for path in STARTER.rglob("*"):
        if path.is_file():
            text = start.fill(path.read_text(encoding="utf-8"))
            assert "<<" not in text
            assert "vintstreet" not in text.lower()
    assert {one.name for one in questions("acme")} <= set(start.marks)


def test_all_companies_are_checked_when_none_is_named(cli: Cli, tmp_path: Path) -> None:
    """Each company has a summary line, and an error in one of them makes the command fail."""
    assert cli("check").err.startswith("There is no company in runbooks.")
    cli("init", "acme", "--yes")
    cli("init", "beta", "--yes")
    both = cli("check")
    assert both.code == 0
    assert [line.split(":")[0] for line in both.out.splitlines() if " errors, " in line] == ["acme", "beta"]
    plan = tmp_path / "runbooks" / "beta" / "plan.yaml"
    plan.write_text(plan.read_text().replace("ticket_only:", "ticket_onl:"))
    assert cli("check").code == 1
    assert cli("check", "acme").code == 0


def test_schemas_are_printed_and_written(cli: Cli, tmp_path: Path) -> None:
    """The command prints one schema or all, or writes them into a folder. An unknown name is an error with a hint."""
    one = json.loads(cli("schema", "plan").out)
    assert json.loads(cli("schema").out)["plan"] == one
    assert cli("schema", "--write", "made").code == 0
    assert json.loads((tmp_path / "made" / "plan.schema.json").read_text()) == one
    result = cli("schema", "plans")
    assert (result.code, result.err) == (4, "There is no schema for 'plans'.\n→ Did you mean `plan`?\n")
