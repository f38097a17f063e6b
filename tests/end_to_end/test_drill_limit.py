"""A drill that would not end by itself is stopped at its own limit, and says how far it came."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.end_to_end.stack_support import ROOT, allclear

DENIED = "- ask: contain/roll-back\n    yes: false"
AGAIN = """\
answers:
  - {ask: contain/maintenance, yes: false, reason: No.}
  - {ask: contain/contained-manually, after: 0.1s, reason: Once more.}
"""


@pytest.mark.slow
def test_a_drill_whose_people_always_say_again_ends_at_its_own_limit(tmp_path: Path) -> None:
    """It fails, is ended long before the people would stop, and says how far it came."""
    companies = tmp_path / "runbooks"
    shutil.copytree(ROOT / "runbooks" / "vintstreet", companies / "vintstreet")
    script = companies / "vintstreet" / "drills" / "payment-processing-down.yaml"
    text = script.read_text(encoding="utf-8")
    text = text.replace("answers:\n", AGAIN, 1).replace("- ask: contain/roll-back\n", f"{DENIED}\n", 1)
    script.write_text(text.replace("within: 3m", "within: 1m"), encoding="utf-8")
    home = tmp_path / "home"
    done = allclear("drill", "--json", "--home", str(home), ALLCLEAR_RUNBOOKS=str(companies))
    assert done.returncode == 1, done.stderr
    played = json.loads(done.stdout)
    [stopped] = [miss for miss in played["misses"] if miss.startswith("It was stopped at its limit of 1m")]
    assert "VS-1 is not contained, in the phase contain" in stopped
    assert "Waiting for people: " in stopped
    opened = [entry["record"]["ask"]["step"] for entry in played["entries"] if entry["record"]["kind"] == "ask.opened"]
    assert opened.count("contained-manually") > 1
    assert played["post_mortem"].startswith("# ")
    assert not [entry for entry in played["entries"] if entry["record"]["kind"] == "incident.ended"]


def test_a_limit_that_is_no_duration_is_refused() -> None:
    """The error says how to write it, before anything is started."""
    done = allclear("drill", "--within", "soon")
    assert done.returncode == 3
    assert "--within: 'soon' is not a duration" in done.stderr
