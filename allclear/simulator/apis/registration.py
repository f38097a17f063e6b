"""What a simulated API says of itself, so that the simulation can serve it and faults can be set in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.types import ASGIApp

from allclear.simulator.faults import FaultPoints
from allclear.simulator.scenario import Production
from allclear.simulator.world import World


def _no_secret() -> str:
    return ""


def _no_further_secrets() -> dict[str, str]:
    return {}


def _no_options(_: Production) -> dict[str, str]:
    return {}


@dataclass(frozen=True)
class SimulatedApi:
    """One vendor's API over HTTP. `apis/catalog.py` lists them all."""

    name: str
    """As systems.yaml names the system."""
    app: Callable[[World, str], ASGIApp]
    """Return the application for a world; the second argument is the secret that it accepts."""
    faults: FaultPoints = field(default_factory=FaultPoints)
    """Which of its calls a fault can name."""
    new_secret: Callable[[], str] = _no_secret
    """Return a secret of the vendor's shape; empty if the API takes none."""
    new_further_secrets: Callable[[], dict[str, str]] = _no_further_secrets
    """Return the other secrets of the vendor, by their names in systems.yaml."""
    base_path: str = ""
    """What clients expect at the end of the endpoint, as `/api/`."""
    options: Callable[[Production], dict[str, str]] = _no_options
    """Return what stands beside the endpoint in systems.yaml, as the project."""
    exists: Callable[[Production], bool] = lambda _: True
    """Return whether this production has the system."""
