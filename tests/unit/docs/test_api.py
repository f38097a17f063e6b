"""docs/reference/api.md: its routes exist, and its bodies fit."""

from __future__ import annotations

import json
import re
from pathlib import Path

from allclear.commands.catalog import BY_NAME

ROOT = Path(__file__).parents[3]
PAGES = (ROOT / "docs/reference/api.md", ROOT / "docs/how-to/propose-actions-from-a-program.md")


def test_each_request_of_the_pages_is_one_that_the_api_accepts() -> None:
    """Each curl names a command of an incident, and its body fits that command."""
    found = 0
    for page in PAGES:
        for command, body in re.findall(r"/incidents/VS-3/([a-z-]+).*?-d '(.*?)'", page.read_text(), re.DOTALL):
            assert BY_NAME[command].model_validate(json.loads(body))
            found += 1
    assert found == len(PAGES)


def test_the_reference_names_every_error() -> None:
    """The table of statuses has each kind of error that a program may have to tell apart."""
    text = PAGES[0].read_text()
    for kind in ("NotAllowed", "NotFound", "Refused", "ConfigError", "VendorError", "JournalError"):
        assert f"| {kind} |" in text
