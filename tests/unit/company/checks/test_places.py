"""Each fault of a plan or a runbook is reported at the line of the value that is wrong, with a next step that works."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from allclear.cli import main
from allclear.company.check import check_company
from allclear.company.load import RUNBOOKS_VARIABLE
from tests.missing_secrets import company_without_secrets
from tests.scenario.response_support import installed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """VintStreet's folder, to be changed."""
    return company_without_secrets(tmp_path) / "vintstreet"


def line_of(path: Path, text: str, number: int = 1) -> int:
    """Return the line that contains `text` for the `number`-th time."""
    found = [index for index, line in enumerate(path.read_text().splitlines(), start=1) if text in line]
    return found[number - 1]


def edit(path: Path, old: str, new: str) -> None:
    """Replace a text that the file contains, once."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def errors(folder: Path) -> list[str]:
    """Return the errors as `file:line: sentence next step`, with the path inside the company's folder."""
    found = [one for one in check_company(folder, installed()) if one.level == "error"]
    return [f"{str(one).removeprefix(f'{folder}/')} {one.next_step}" for one in found]


def test_a_severity_that_is_listed_twice_is_reported_at_the_second(folder: Path) -> None:
    """The whole plan is read before that shows, and the line is still that of the name."""
    plan = folder / "plan.yaml"
    edit(plan, "name: P1\n", "name: P0\n")
    at = line_of(plan, "name: P0", 2)
    assert errors(folder) == [
        f"plan.yaml:{at}: `name`: the severity `P0` is listed twice. Give one of them another name."
    ]


def test_a_phase_that_is_missing_is_reported_at_the_phases(folder: Path) -> None:
    """The error names the phase."""
    plan = folder / "plan.yaml"
    written = plan.read_text()
    phases = written[written.index("\nphases:") :]
    without = re.sub(r"\n  review:.*?(?=\n\S|\n\n|\Z)", "", phases, count=1, flags=re.DOTALL)
    plan.write_text(written.replace(phases, without))
    (error,) = errors(folder)
    assert error.startswith(f"plan.yaml:{line_of(plan, 'phases:')}: `phases`: it has no review. Add the plan's label")


@pytest.mark.parametrize(
    ("zone", "step"), [("Europe/Berln", "Did you mean Europe/Berlin?"), ("Mars", "Write it as Europe/Berlin.")]
)
def test_an_unknown_time_zone_is_an_error_of_every_command(
    folder: Path, zone: str, step: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`ack` names the file, the line and a zone that exists, as `check` does."""
    plan = folder / "plan.yaml"
    plan.write_text(f"{plan.read_text()}\nworking_time:\n  zone: {zone}\n")
    at = line_of(plan, f"zone: {zone}")
    assert errors(folder) == [f"plan.yaml:{at}: `zone`: '{zone}' is not a time zone. {step}"]
    monkeypatch.setenv(RUNBOOKS_VARIABLE, str(folder.parent))
    monkeypatch.setenv("ALLCLEAR_JOURNAL_URL", f"sqlite:///{folder.parent}/journal.db")
    monkeypatch.setattr(sys, "argv", ["allclear", "ack", "VS-1", "--as", "Ana", "--role", "on_call"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 3
    told = capsys.readouterr().err
    assert f"plan.yaml:{at}: `zone`: '{zone}' is not a time zone." in told
    assert f"→ {step}" in told


@pytest.mark.parametrize(
    ("file", "other", "twice"),
    [
        ("common-steps.yaml", "- id: health\n", "revisions"),
        ("runbooks/bad-deployment.yaml", "- id: maintenance ", "roll-back"),
    ],
)
def test_a_step_that_is_listed_twice_is_reported_at_the_second(folder: Path, file: str, other: str, twice: str) -> None:
    """In a runbook, and in the base of several runbooks: there once."""
    path = folder / file
    edit(path, other, other.replace(other.split()[2], twice))
    at = line_of(path, f"- id: {twice}", 2)
    (error,) = [error for error in errors(folder) if "twice" in error]
    assert error == f"{file}:{at}: The step `{twice}` is listed twice in `contain`. Give one of them another id."


def test_a_step_may_depend_only_on_an_earlier_step_of_a_person(folder: Path) -> None:
    """An action, a later step and an unknown one could never be answered "not done"."""
    base = folder / "common-steps.yaml"
    for wrong in ("invite", "share-private", "documents"):
        path = base.read_text()
        edit(base, "if_done: document  #", f"if_done: {wrong}  #")
        at = line_of(base, f"if_done: {wrong}", 1)
        (error,) = [error for error in errors(folder) if "before" in error]
        assert error == (
            f"common-steps.yaml:{at}: `if_done`: `review` has no step `{wrong}` before `share` that a person does. "
            "Write one of these: meeting, action-items, document."
        )
        base.write_text(path)


def test_a_placeholder_with_one_brace_is_an_error(folder: Path) -> None:
    """In a step and in a template; JSON in a text is left alone."""
    runbook = folder / "runbooks" / "bad-deployment.yaml"
    edit(runbook, "title: Enable maintenance mode", "title: Enable maintenance mode of {service")
    template = min((folder / "templates").glob("*"))
    template.write_text(f'{template.read_text()}\nled by lead}}\n{{"text": "{{incident}}",\n}}\n')
    opened, closed = line_of(runbook, "mode of {service"), line_of(template, "led by lead}")
    rest = "and is not replaced. Write"
    assert errors(folder) == [
        f"runbooks/{runbook.name}:{opened}: The placeholder {{service is not closed, {rest} {{service}}.",
        f"templates/{template.name}:{closed}: The placeholder lead}} is not opened, {rest} {{lead}}.",
    ]


def test_the_role_of_programs_is_no_role_of_people(folder: Path) -> None:
    """A person with it could do nothing, because programs decide nothing."""
    plan = folder / "plan.yaml"
    edit(plan, "roles:\n", "roles:\n  program: {title: Programme lead}\n")
    at = line_of(plan, "program: {title")
    (error,) = [one for one in errors(folder) if "no role of people" in one]
    assert error.startswith(f"plan.yaml:{at}: The role `program` is no role of people. Give the role another name")
