"""Approvals in a company's folder: a plan asks for no less than the default, and a step for no less than the plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from allclear.company import check_company
from allclear.domain.approval import ONE_PERSON_WITH_REASON
from allclear.engine.actions.registry import Registry
from tests.unit.company.company_support import KINDS, Whatever, action, company_folder

STRICT = Registry.of(
    [
        *(kind for name, kind in KINDS.actions.items() if name != "traffic.move"),
        *KINDS.probes.values(),
        action("traffic.move", Whatever, approval=ONE_PERSON_WITH_REASON),
    ]
)
REASON = "{roles: [on_call], reason_needed: true}"
LAX = "{roles: [on_call]}"


@pytest.mark.parametrize(
    ("kinds", "plan", "step", "said"),
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
def test_an_approval_is_only_ever_tightened(
    tmp_path: Path, kinds: Registry, plan: str, step: str | None, said: str
) -> None:
    """From the default to the plan, and from the plan to the step; each slip is told once."""
    edits = [("plan.yaml", LAX, plan)]
    if step:
        edits.append(("runbooks/outage.yaml", "    measure: true\n", f"    measure: true\n    approval: {step}\n"))
    told = [str(one) for one in check_company(company_folder(tmp_path, *edits), kinds) if one.level == "error"]
    assert [line.partition("`traffic.move` ")[2] for line in told] == ([said] if said else [])
