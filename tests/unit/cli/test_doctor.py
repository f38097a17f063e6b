"""`allclear doctor` changes nothing: it reports a journal that does not exist, and does not create it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from allclear.cli import doctor, overview  # each adds its commands
from allclear.cli.root import app
from allclear.engine.doctor import WAY, Problem, SystemReport, with_blank

COMMANDS = (doctor, overview)


def journal_line(monkeypatch: pytest.MonkeyPatch, url: str) -> dict[str, Any]:
    """Run the doctor, and return what it says about the journal at `url`."""
    for name in [name for name in os.environ if name.startswith(("ALLCLEAR_", "PREFECT_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ALLCLEAR_JOURNAL_URL", url)
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    printed = CliRunner().invoke(app, ["doctor", "--json"]).output
    [line] = [one for one in json.loads(printed) if one["system"] == "journal"]
    return line


def test_a_journal_that_does_not_exist_is_reported_and_not_created(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither is its folder."""
    line = journal_line(monkeypatch, f"sqlite:///{tmp_path}/new/journal.db")
    assert (line["result"], line["sentence"]) == ("unproven", "It does not exist yet.")
    assert "allclear up" in line["next_step"]
    assert list(tmp_path.iterdir()) == []


def test_a_journal_that_cannot_be_created_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is named."""
    folder = tmp_path / "a-file"
    folder.touch()
    line = journal_line(monkeypatch, f"sqlite:///{folder}/journal.db")
    assert (line["result"], line["sentence"]) == (
        "failed",
        f"It does not exist, and this user may not create it in {folder}.",
    )


@pytest.mark.parametrize(
    ("target", "step", "blank"),
    [
        ("your-service in your-region1", "Run as a service account.", "your-service"),
        ("web", "Check https://YOUR-SERVICE.example, and `url` in systems.yaml.", "https://YOUR-SERVICE.example"),
        ("storefront in europe-west3", "Check your network.", ""),
    ],
)
def test_a_blank_that_init_left_is_named_in_place_of_what_it_makes_fail(target: str, step: str, blank: str) -> None:
    """No connection and no credentials say nothing as long as the address is none."""
    failed = SystemReport("web", target, "No connection.", Problem.UNREACHABLE, step)
    shown = with_blank(failed, Path("runbooks/acme"))
    assert shown.sentence == (f"{blank} is still a blank." if blank else "No connection.")
    assert shown.next_step == ("Fill it in: runbooks/acme/systems.yaml." if blank else step)
    well = SystemReport("web", target, "It answers.")
    assert with_blank(well, Path("runbooks/acme")) is well


def test_each_way_is_named_also_if_its_sentence_has_the_same_word(capsys: pytest.CaptureFixture[str]) -> None:
    """A way is often called as the kind of contact that it needs. A target that a sentence names is not repeated."""
    agreed = "It is configured. No one with a contact `phone` has agreed to a test."
    doctor.print_reports(
        [SystemReport(WAY, "phone", agreed), SystemReport("slack", "#incidents", "#incidents is there.")]
    )
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert printed[0][:4] == ["ok", "way", "phone:", "It"]
    assert printed[1][:4] == ["ok", "slack", "#incidents", "is"]
