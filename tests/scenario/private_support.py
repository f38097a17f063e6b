"""A company whose incidents are private: Ben, the CTO, may read them; Ana is on call, and Cleo takes notes."""

from __future__ import annotations

from functools import cache

from allclear.company import Company
from allclear.domain.proof import Proof
from allclear.domain.records import PROGRAM, By
from tests.scenario.slack_support import with_plan, with_slack

READER = By(actor="Ben", role="cto", via="api", proof=Proof.TOKEN)
"""Who may read it, and is proven."""
ON_CALL = By(actor="Ana", role="on_call", via="api", proof=Proof.TOKEN)
"""Who is paged, and may not read it."""
OUTSIDERS: dict[str, By] = {
    "a claimed outsider": By(actor="Mallory", role="scribe", via="prefect"),
    "a claimed reader": By(actor="Ben", role="cto", via="prefect"),
    "a claimed reader on the command line": By(actor="Ben", role="cto", via="cli"),
    "the on-call": ON_CALL,
    "a person of another role": By(actor="Cleo", role="scribe", via="slack", proof=Proof.SLACK),
    "a person whom the plan does not name": By(actor="Zed", role="", via="pagerduty", proof=Proof.PAGERDUTY),
    "a program": By(actor="night-watch", role=PROGRAM, via="api", proof=Proof.TOKEN),
}
"""Who may do nothing in a private incident but say that they know of it."""


@cache
def private(*roles: str) -> Company:
    """Return VintStreet as a company whose incidents only these roles may read; by default the CTO."""
    kinds = with_slack().plan.kinds
    marked = {name: kind.model_copy(update={"private_for": list(roles) or ["cto"]}) for name, kind in kinds.items()}
    return with_plan(kinds=marked)


@cache
def private_if_security() -> Company:
    """Return the same company, in which only a security incident is private."""
    kinds = with_slack().plan.kinds
    return with_plan(kinds=kinds | {"security": kinds["security"].model_copy(update={"private_for": ["cto"]})})
