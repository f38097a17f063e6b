"""The page on plans shows a plan that loads, and names every part of a plan."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ruamel.yaml import YAML

from allclear.domain.plan import Plan
from tests.contract.simulator_support import REPOSITORY

PAGE = (REPOSITORY / "docs" / "reference" / "plan.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.fixture(scope="module")
def shown() -> dict[str, Any]:
    """Return all blocks of the page as one file."""
    yaml: Any = YAML(typ="safe", pure=True)
    parts = [yaml.load(block) for block in BLOCKS]
    return {key: value for part in parts for key, value in part.items()}


def test_the_plan_that_the_page_shows_loads(shown: dict[str, Any]) -> None:
    """The blocks of the page together are a valid plan."""
    plan = Plan.model_validate(shown)
    assert [severity.name for severity in plan.severities] == ["S1", "S2", "S3"]
    assert plan.duties[0].source == "Art. 33 GDPR"


def test_the_page_names_every_part_of_a_plan(shown: dict[str, Any]) -> None:
    """A new field of plans must be added to the page; a field that only lists things needs no example."""
    lists = {"source", "assumed", "status_page_url", "resources", "support", "channels", "drills"}
    assert set(Plan.model_fields) - lists == set(shown)
