"""How a printed command says who gives it: the command must work as it is printed, once NAME is filled in."""

from __future__ import annotations

from pathlib import Path

import pytest

from allclear.company import load_company
from allclear.domain.plan import Person, Plan
from allclear.domain.text import signature

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def plan() -> Plan:
    """A plan that names no people yet."""
    plan = load_company(ROOT / "runbooks" / "vintstreet").plan
    return plan.model_copy(update={"people": []})


def test_a_plan_that_names_no_one_needs_the_role_in_every_command(plan: Plan) -> None:
    """The first of the roles that are asked, or else on-call."""
    assert signature(plan) == "--as NAME --role on_call"
    assert signature(plan, "communications_lead", "tech_lead") == "--as NAME --role communications_lead"


def test_a_plan_that_names_people_needs_the_name_alone(plan: Plan) -> None:
    """Only for roles of which it names no one the option stays."""
    named = plan.model_copy(update={"people": [Person(name="Ana Ruiz", roles=["on_call"])]})
    assert signature(named) == "--as NAME"
    assert signature(named, "tech_lead", "on_call") == "--as NAME"
    assert signature(named, "tech_lead") == "--as NAME --role tech_lead"


def test_no_command_is_printed_without_what_the_plan_needs_to_know() -> None:
    """No module writes `--as NAME` itself; the hints of actions pass through the executor, which completes them."""
    own = "allclear/domain/text.py"
    files = [path for folder in ("allclear", "flows") for path in (ROOT / folder).rglob("*.py")]
    found = [str(path.relative_to(ROOT)) for path in files if "--as NAME" in path.read_text(encoding="utf-8")]
    assert sorted(set(found) - {own}) == ["allclear/cli/root.py", "allclear/engine/people/identity.py"]
