"""Beginning a company's folder: it works as it is, its blanks are told, and nothing half-written stays."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from allclear.cli import main
from allclear.company import check_company, load_company
from allclear.company.scaffold import STARTER, NewCompany, questions, write_new_company
from allclear.domain.errors import ConfigError
from allclear.drill.check import check_drills
from allclear.drill.script import find_script, first_script
from allclear.engine.actions.registry import Registry
from allclear.postmortem.placeholders import PLACEHOLDERS
from allclear.simulator.scenario import load_scenario
from allclear.vendors.cloud_run.handle import CloudRunHandle

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


class Said(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


Cli = Callable[..., Said]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run the command line in this process, with an empty folder for companies."""
    for name in [one for one in os.environ if one.startswith(("ALLCLEAR_", "PREFECT_"))]:
        monkeypatch.delenv(name)
    (tmp_path / "runbooks").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["allclear", *words])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        printed = capsys.readouterr()
        return Said(code, printed.out, printed.err)

    return run


def diagnostics(folder: Path, level: str) -> list[str]:
    """Return what `allclear check` says of the folder at that level."""
    found = check_company(folder, Registry.installed(), PLACEHOLDERS, check_drills)
    return [f"{one.sentence}" for one in found if one.level == level]


def test_a_new_folder_works_as_it_is_and_its_blanks_are_told(cli: Cli, tmp_path: Path) -> None:
    """Without a single answer it checks without an error; each blank is a warning; there are fewer than forty."""
    said = cli("init", "acme", "--yes")
    assert said.code == 0, said
    folder = tmp_path / "runbooks" / "acme"
    assert diagnostics(folder, "error") == []
    told = diagnostics(folder, "warning")
    assert all("blank" in one for one in told)
    assert 5 < len(told) < 40
    assert cli("check").out.splitlines()[-1] == f"acme: 0 errors, {len(told)} warnings, 2 assumed defaults."


def test_it_says_what_to_do_next(cli: Cli) -> None:
    """The next three commands name the company."""
    said = cli("init", "acme", "--yes").out.splitlines()
    assert [line.strip() for line in said[1:]] == [
        "allclear check acme",
        "allclear drill --company acme",
        "ALLCLEAR_COMPANY=acme allclear up --simulated",
    ]


def test_every_answer_stands_where_it_belongs(cli: Cli, tmp_path: Path) -> None:
    """Answers with quotes, colons and umlauts, and one that YAML would take for false, are read back as they were."""
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


def test_a_terminal_is_asked_until_the_answer_fits(tmp_path: Path) -> None:
    """At a terminal each answer is asked for; one that does not fit is asked for again, and the rest is not lost."""
    (tmp_path / "runbooks").mkdir()
    ours, theirs = pty.openpty()
    answers = ["Nova", "shop", "nova.shop", "https://nova.shop", "", "nova-prod", "", "", "", "", "Mia Berg", ""]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ALLCLEAR_", "PREFECT_"))}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    with subprocess.Popen(
        [sys.executable, "-m", "allclear", "init", "nova"],
        cwd=tmp_path,
        env=environment,
        stdin=theirs,
        stdout=subprocess.PIPE,
        text=True,
    ) as asking:
        os.write(ours, "".join(f"{answer}\n" for answer in answers).encode())
        said, _ = asking.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)
    assert asking.returncode == 0, said
    assert "'nova.shop' does not fit. Write it like https://acme.com." in said
    company = load_company(tmp_path / "runbooks" / "nova")
    assert company.service("shop").url == "https://nova.shop"
    assert company.systems.systems["cloud_run"].options["project"] == "nova-prod"
    assert [person.name for person in company.plan.people] == ["Mia Berg", "[Name]"]


def test_its_first_drill_fits_it(cli: Cli, tmp_path: Path) -> None:
    """The drill breaks the service that systems.yaml names, and the simulated Slack has the company's channel."""
    cli("init", "acme", "--yes", "--slack-channel", "#alarm")
    company = load_company(tmp_path / "runbooks" / "acme")
    path, script = find_script(company.folder, first_script(company))
    production = load_scenario(path)
    assert company.service("web").handle(CloudRunHandle) == CloudRunHandle(production.service)
    assert production.slack.channels == ["alarm"]
    assert company.plan.route(script.alert.labels) is not None


def test_an_editor_finds_the_schema_of_each_file(cli: Cli, tmp_path: Path) -> None:
    """The first line of every YAML file names a schema by a relative path; it is there, and the file fits it."""
    cli("init", "acme", "--yes")
    files = sorted((tmp_path / "runbooks" / "acme").rglob("*.yaml"))
    assert len(files) == 4
    for path in files:
        mark, _, where = path.read_text().splitlines()[0].partition("$schema=")
        assert mark == "# yaml-language-server: "
        schema = json.loads((path.parent / where).read_text())
        yaml: Any = YAML(typ="safe", pure=True)
        assert list(Draft202012Validator(schema).iter_errors(yaml.load(path.read_text()))) == []


def test_what_is_there_already_stays_as_it_is(cli: Cli, tmp_path: Path) -> None:
    """A folder of that name, also an empty one and a file, is refused in one sentence and not touched."""
    place = tmp_path / "runbooks" / "acme"
    place.mkdir()
    said = cli("init", "acme", "--yes")
    assert said.code == 3
    assert said.err.splitlines() == [
        "runbooks/acme exists already and was not changed.",
        "→ Choose another name, or move that folder away.",
    ]
    assert list(place.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "hint"), [("Acme Ltd.", "acme-ltd"), ("../x", "x"), ("", "acme"), (".hidden", "hidden"), ("a/b", "a-b")]
)
def test_a_name_that_cannot_be_is_refused(cli: Cli, tmp_path: Path, name: str, hint: str) -> None:
    """A name that is none is refused in one sentence, with one that would do."""
    said = cli("init", name, "--yes")
    assert said.code == 3
    assert said.err.endswith(f"→ Try: allclear init {hint}.\n")
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
    """A malformed answer is one sentence with an example, and nothing is written."""
    said = cli("init", "acme", flag, answer, "--yes")
    assert said.code == 3
    assert "does not fit.\n→ Write it " in said.err
    assert list((tmp_path / "runbooks").iterdir()) == []


def test_nothing_half_written_stays(tmp_path: Path) -> None:
    """A starter that cannot be filled in leaves no folder behind, neither the company's nor the one beside it."""
    good = NewCompany.read("acme", {})
    bad = NewCompany("acme", {**good.marks, "region": "nowhere: at all\n"} | {"short": "not a number"})
    with pytest.raises(ConfigError):
        write_new_company(bad, tmp_path / "acme")
    assert list(tmp_path.iterdir()) == []
    write_new_company(good, tmp_path / "acme")
    assert [path.name for path in tmp_path.iterdir()] == ["acme"]


def test_every_mark_of_the_starter_has_a_word() -> None:
    """No file of the starter holds a mark that is never filled, and nothing of it names another company."""
    start = NewCompany.read("acme", {})
    for path in STARTER.rglob("*"):
        if path.is_file():
            text = start.fill(path.read_text(encoding="utf-8"))
            assert "<<" not in text
            assert "vintstreet" not in text.lower()
    assert {one.name for one in questions("acme")} <= set(start.marks)


def test_all_companies_are_checked_when_none_is_named(cli: Cli, tmp_path: Path) -> None:
    """Every company has its own last line, and one with an error makes the whole fail."""
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
    """One by its name, all by none, and into a folder; an unknown name is told with what there is."""
    one = json.loads(cli("schema", "plan").out)
    assert json.loads(cli("schema").out)["plan"] == one
    assert cli("schema", "--write", "made").code == 0
    assert json.loads((tmp_path / "made" / "plan.schema.json").read_text()) == one
    said = cli("schema", "plans")
    assert (said.code, said.err) == (4, "There is no schema for 'plans'.\n→ Did you mean `plan`?\n")
