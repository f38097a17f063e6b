"""The flows of commands: every command of the catalog is given in Prefect, or there is a reason why not."""

from __future__ import annotations

import pytest

from allclear.commands.catalog import BY_NAME
from allclear.company import find_company
from allclear.engine.actions.registry import Registry
from deployments.catalog import deployments_of
from flows.commands import NOT_OFFERED, OFFERED


def test_each_command_is_offered_in_prefect_or_has_a_reason_why_not() -> None:
    """A new command is missing here until its author has decided."""
    assert {*OFFERED, *NOT_OFFERED} == set(BY_NAME.values())
    assert not set(OFFERED) & set(NOT_OFFERED)
    assert all(reason.endswith(".") for reason in NOT_OFFERED.values())


@pytest.mark.parametrize("company", ["vintstreet", "retailgen"])
def test_each_flow_that_sends_a_command_has_a_deployment(company: str) -> None:
    """People find it in Prefect's list."""
    deployed = {spec.flow.fn for spec in deployments_of(find_company(company), Registry.installed())}
    assert {flow.fn for flow in OFFERED.values()} <= deployed
