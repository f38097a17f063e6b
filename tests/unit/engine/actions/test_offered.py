"""An action is offered only for the services for which systems.yaml names what the action needs."""

from __future__ import annotations

from typing import Any

import pytest

from allclear.engine.actions.registry import Registry
from tests.unit.fakes_context import a_service

VERCEL = {"vercel": {"project": "shop", "domain": "shop.test"}}
CONFIG = {"id": "ecfg_shop1"}
CONVEX = {"deployment": "happy-animal-123"}
GITHUB = {"repository": "acme/shop"}
SWITCH = {
    "title": "Payouts",
    "risk": "No seller is paid.",
    "positions": {"paused": True, "running": False},
    "normal": "running",
    "look": {"path": "/v1/payouts", "at": "/paused"},
    "set": {"method": "PUT", "path": "/v1/payouts", "json": {"paused": "{value}"}},
}


@pytest.mark.parametrize(
    ("action", "without", "with_it"),
    [
        ("vercel.disable_item", {"vercel_config": CONFIG}, {"vercel_config": CONFIG | {"features": {"ai": "AI"}}}),
        ("vercel.enable_item", {"vercel_config": CONFIG}, {"vercel_config": CONFIG | {"features": {"ai": "AI"}}}),
        ("vercel.enable_maintenance", {"vercel_config": CONFIG}, {"vercel_config": CONFIG | {"maintenance": "closed"}}),
        ("vercel.disable_flag", VERCEL | {"vercel_flags": {}}, VERCEL | {"vercel_flags": {"ai": "AI"}}),
        ("convex.set_environment", {"convex": CONVEX}, {"convex": CONVEX | {"switches": {"AI": "AI"}}}),
        ("github.run_workflow", {"github": GITHUB}, {"github": GITHUB | {"workflows": {"go": {"file": "go.yml"}}}}),
        ("feature_flag.disable", {"flags": []}, {"flags": ["new_checkout"]}),
        (
            "maintenance.enable",
            {"maintenance": {"revision_tag": "m"}, "cloud_run": None},
            {"maintenance": {"flag": "m"}},
        ),
        ("http.request", {"switches": {}}, {"switches": {"payouts": SWITCH}}),
    ],
)
def test_an_action_is_offered_for_a_service_that_names_what_it_switches(
    action: str, without: dict[str, Any], with_it: dict[str, Any]
) -> None:
    """A service with the handle, but with nothing under it to choose, would only be refused after the form was sent."""
    services = {"bare": a_service(**without), "shop": a_service(**with_it)}
    assert Registry.installed().action(action).offers("service", services) == ["shop"]
