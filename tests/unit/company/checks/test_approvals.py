"""Approvals in a company's folder: a plan may not ask for less than the default, nor a step for less than the plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from allclear.company.check import check_company
from allclear.domain.approval import ONE_PERSON_WITH_REASON
from allclear.engine.actions.registry import Registry
from tests.unit.company.company_support import KINDS, ActionParams, action, company_folder

STRICT = Registry.of(
    [
        *(kind for name, kind in KINDS.actions.items() if name != "traffic.move"),
        *KINDS.probes.values(),
        action("traffic.move", ActionParams, approval=ONE_PERSON_WITH_REASON),
    ]
)
REASON = "{roles: [on_call], reason_needed: true}"
LAX = "{roles: [on_call]}"


@pytest.mark.parametrize(
    ("kinds", "plan", "step", "expected"),
    [
        (KINDS, LAX, None, ""),
        (KINDS, REASON, None, ""),
        (KINDS, REASON, REASON, ""),
        (KINDS, LAX, REASON, ""),
        (STRICT, REASON, REASON, ""),
        (KINDS, REASON, LAX, "asks for no reason, which is less than the plan's own."),
        (STRICT, LAX, None, "asks for no reason, which is less than its default."),
        (STRICT, REASON, LAX, "asks for no reason, which is less than its default."),
    ],
)
def test_an_approval_can_only_be_tightened(
    tmp_path: Path, kinds: Registry, plan: str, step: str | None, expected: str
) -> None:
    """A looser approval in the plan or in a step is reported once."""
    edits = [("plan.yaml", LAX, plan)]
    if step:
        edits.append(("runbooks/outage.yaml", "    measure: true\n", f"    measure: true\n    approval: {step}\n"))
    errors = [str(one) for one in check_company(company_folder(tmp_path, *edits), kinds) if one.level == "error"]
    assert [line.partition("`traffic.move` ")[2] for line in errors] == ([expected] if expected else [])
