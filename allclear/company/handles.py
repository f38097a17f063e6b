"""The handles that services in systems.yaml may carry: those that installed actions and probes declare."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from allclear.company.capabilities import ActionType, Capabilities, ProbeType
from allclear.domain.errors import ConfigError
from allclear.domain.systems import Handle, Systems, systems_model


@cache
def installed_systems_model() -> type[Systems]:
    """Return the model of a systems.yaml, with the handles of everything installed. Raises ConfigError."""
    points = [*entry_points(group="allclear.actions"), *entry_points(group="allclear.probes")]
    return systems_model(_handles(_load(point) for point in points))


def systems_model_of(capabilities: Capabilities) -> type[Systems]:
    """Return the model of a systems.yaml, with the handles of these actions and probes. Raises ConfigError."""
    return systems_model(_handles([*capabilities.actions.values(), *capabilities.probes.values()]))


def _handles(kinds: Iterable[ActionType | ProbeType]) -> list[type[Handle]]:
    return list(dict.fromkeys(handle for kind in kinds for handle in kind.handles))


def _load(point: EntryPoint) -> ActionType | ProbeType:
    try:
        return cast("ActionType | ProbeType", point.load())
    except Exception as error:
        raise ConfigError(
            f"{point.name} ({point.value}) cannot be loaded: {error}.", "Repair or uninstall its package."
        ) from error
