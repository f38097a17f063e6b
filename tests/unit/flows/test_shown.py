"""What flow runs show in Prefect: only one module writes their logs and states, and it hides private incidents."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import flows
from allclear.engine.prefect_privacy import hidden_name

FLOWS = sorted(Path(flows.__file__).parent.glob("*.py"))
WRITES = {"get_run_logger", "Completed", "Failed", "print"}
MAY_WRITE = {"shown.py": "hides private incidents", "run_context.py": "`not_done`", "drill.py": "a simulated incident"}


@pytest.mark.parametrize("path", FLOWS, ids=lambda path: path.name)
def test_no_flow_writes_a_log_line_or_a_state_of_its_own(path: Path) -> None:
    """A new flow does its work in `carried_out`, so that nothing of a private incident reaches Prefect."""
    used = {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}
    assert not used & WRITES or path.name in MAY_WRITE


@pytest.mark.parametrize("path", FLOWS, ids=lambda path: path.name)
def test_each_flow_ends_by_what_carried_out_returns(path: Path) -> None:
    """Every function that is a flow calls `carried_out`, `give` or `run_phase`; the drill has a stack of its own."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.AsyncFunctionDef) and any("flow" in ast.unparse(one) for one in node.decorator_list):
            called = {
                one.func.id for one in ast.walk(node) if isinstance(one, ast.Call) and isinstance(one.func, ast.Name)
            }
            assert called & {"carried_out", "give", "run_phase"} or path.name == "drill.py", node.name


@pytest.mark.parametrize("what", ["contain", "write_post_mortem", "NO WAY IS LEFT TO TELL PEOPLE"])
def test_a_name_that_says_nothing_stays(what: str) -> None:
    """The names of phases and commands are the same in every incident."""
    assert hidden_name("VS-1", what) == f"VS-1 {what}"


@pytest.mark.parametrize("what", ["Roll back traffic", "asks contain/rotate-keys", "canary-4711", "A"])
def test_a_name_that_says_something_is_replaced(what: str) -> None:
    """A run by hand is named after its action."""
    assert hidden_name("VS-1", what) == "VS-1 action"
