"""The check that finds fields of a plan that no code reads."""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[3] / "scripts" / "unread_fields.py"
MODEL = '''"""A model."""

from __future__ import annotations

class Duty(Model):
    """A duty."""

    name: str = Field(
        description="A name.",
    )
    """About it."""
    within: list[int] = []

    @model_validator(mode="after")
    def _check(self):
        return self.within

    def late(self):
        return self.within
'''


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """Return the script as a module."""
    spec = importlib.util.spec_from_file_location("unread_fields", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["unread_fields"] = module
    spec.loader.exec_module(module)
    return module


def test_each_field_becomes_a_deprecated_property_of_its_type(script: ModuleType) -> None:
    """The type checker then reports each use; other lines of the class stay."""
    source = script.with_properties(MODEL, {"Duty": {"name", "within"}})
    duty = next(node for node in ast.parse(source).body if isinstance(node, ast.ClassDef))
    functions = {node.name: node for node in duty.body if isinstance(node, ast.FunctionDef)}
    assert list(functions) == ["name", "within", "_check", "late"]
    assert ast.unparse(functions["within"].returns or ast.Constant(None)) == "list[int]"
    assert [ast.unparse(one) for one in functions["within"].decorator_list] == [
        "property",
        "deprecated('field:Duty.within')",
    ]


def test_a_validator_is_no_reader(script: ModuleType) -> None:
    """A validator reads a field only to refuse it."""
    reads = [number for number, line in enumerate(MODEL.splitlines(), 1) if "self.within" in line]
    assert [script.in_validator(MODEL, line) for line in reads] == [True, False]


def test_all_fields_of_the_three_files_are_found(script: ModuleType) -> None:
    """Nested models and base classes count, each field where it is defined."""
    kinds = {kind for root in (script.Plan, script.Runbook, script.Systems) for kind in script.models(root)}
    names = {
        f"{kind}.{field}"
        for classes in script.own_fields(kinds).values()
        for kind, fields in classes.items()
        for field in fields
    }
    assert {"Plan.support", "Support.contact", "Applies.when", "Notification.from_", "Step.within"} <= names
    assert {"Smoke.p95", "ApprovalPolicy.people"} <= names


READER = """from __future__ import annotations

from allclear.model import Duty

def remind(duty: Duty) -> str:
    return duty.name
"""
CHECK = """from __future__ import annotations

from allclear.model import Duty

def check(duty: Duty) -> list[int]:
    return duty.within
"""


@pytest.mark.slow
def test_a_field_that_only_a_check_or_its_own_validator_reads_has_no_reader(script: ModuleType, tmp_path: Path) -> None:
    """`name` is acted on. Of `within`, the plan promises something, and nothing does it."""
    model = "from pydantic import BaseModel as Model, Field, model_validator\n"
    unread = MODEL.replace("    def late(self):\n        return self.within\n", "")
    files = {
        "__init__.py": "",
        "engine/__init__.py": "",
        "company/__init__.py": "",
        "company/checks/__init__.py": "",
        "model.py": unread.replace("class Duty", f"{model}\nclass Duty"),
        "engine/reminders.py": READER,
        "company/checks/duties.py": CHECK,
    }
    for name, text in files.items():
        path = tmp_path / "allclear" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    readers = script.read_fields({Path("allclear/model.py"): {"Duty": {"name", "within"}}}, tmp_path)
    assert readers == {"Duty.name": ["allclear/engine/reminders.py:6"]}
