"""`allclear init` at a terminal, in a process of its own."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from allclear.company import load_company

pytestmark = pytest.mark.slow


def test_a_question_is_repeated_until_the_answer_fits(tmp_path: Path) -> None:
    """At a terminal each question is asked; an answer that does not fit does not lose the other answers."""
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
        result, _ = asking.communicate(timeout=600)
    os.close(ours)
    os.close(theirs)
    assert asking.returncode == 0, result
    assert "'nova.shop' does not fit. Write it like https://acme.com." in result
    company = load_company(tmp_path / "runbooks" / "nova")
    assert company.service("shop").url == "https://nova.shop"
    assert company.systems.systems["cloud_run"].options["project"] == "nova-prod"
    assert [person.name for person in company.plan.people] == ["Mia Berg", "[Name]"]
