"""The registry of actions, probes and alert sources, which are found through entry points.

Our own actions in `tasks/` are found in the same way as a third party's, so nothing under `allclear/` imports `tasks/`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from pydantic import ValidationError

from allclear.company.capabilities import AlertSourceType
from allclear.domain.action import Action, Params
from allclear.domain.errors import ConfigError, NotFound
from allclear.domain.notify.channel import Channel
from allclear.domain.probe import Probe
from allclear.extensions import ACTIONS, ALERT_SOURCES, CHANNELS, PROBES, Extensions, installed, load

ActionType = type[Action[Any, Any]]
ProbeType = type[Probe[Any]]

_SOURCES: Extensions[AlertSourceType] = Extensions(ALERT_SOURCES, lambda _name, kind: cast("AlertSourceType", kind))
_CHANNELS: Extensions[Channel] = Extensions(CHANNELS, lambda _name, kind: cast("type[Channel]", kind)())


@dataclass(frozen=True)
class Registry:
    """The actions and probes, by name."""

    actions: Mapping[str, ActionType] = field(default_factory=dict[str, ActionType])
    probes: Mapping[str, ProbeType] = field(default_factory=dict[str, ProbeType])

    @staticmethod
    def of(kinds: Iterable[type[Any]]) -> Registry:
        """Return the registry of these classes. Raises ConfigError if two have the same name."""
        actions: dict[str, ActionType] = {}
        probes: dict[str, ProbeType] = {}
        for kind in kinds:
            if issubclass(kind, Action):
                _add(actions, cast("ActionType", kind), "action")
            elif issubclass(kind, Probe):
                _add(probes, cast("ProbeType", kind), "probe")
            else:
                raise ConfigError(f"{kind!r} is neither an action nor a probe.", "Derive it from Action or Probe.")
        return Registry(actions, probes)

    @staticmethod
    def installed() -> Registry:
        """Return everything that is installed, third parties' included. Raises ConfigError if one cannot be loaded."""
        points = [*installed(ACTIONS), *installed(PROBES)]
        if not points:
            raise ConfigError("No action is installed.", "Install allclear again: pip install -e . (or `make setup`).")
        return Registry.of(load(point) for point in points)

    @property
    def sources(self) -> Mapping[str, AlertSourceType]:
        """Return the installed alert sources; each is imported when it is first used, because few commands need one."""
        return _SOURCES

    @property
    def channels(self) -> Mapping[str, Channel]:
        """Return the installed channels; each is imported when it is first used."""
        return _CHANNELS

    def action(self, name: str) -> ActionType:
        """Return the action called `name`. Raises NotFound, which suggests the nearest name."""
        if name not in self.actions:
            raise _unknown("action", name, self.actions)
        return self.actions[name]

    def probe(self, name: str) -> ProbeType:
        """Return the probe called `name`. Raises NotFound, which suggests the nearest name."""
        if name not in self.probes:
            raise _unknown("probe", name, self.probes)
        return self.probes[name]


def read_params(kind: type[Action[Any, Any] | Probe[Any]], raw: Mapping[str, Any]) -> Params:
    """Return `raw` as the typed parameters of `kind`. Raises ConfigError for the first one that does not fit."""
    try:
        return kind.params.model_validate(dict(raw))
    except ValidationError as error:
        first = error.errors()[0]
        location = ".".join(str(part) for part in first["loc"]) or "its parameters"
        names = ", ".join(kind.params.model_fields) or "none"
        raise ConfigError(
            f"{kind.name}: {location}: {first['msg'].lower()}.", f"Its parameters are: {names}."
        ) from error


def _add(known: dict[str, Any], kind: type[Any], word: str) -> None:
    if kind.name in known:
        other = known[kind.name]
        raise ConfigError(
            f"Two packages define the {word} {kind.name}: {other.__module__} and {kind.__module__}.",
            "Uninstall one of them.",
        )
    known[kind.name] = kind


def _unknown(word: str, name: str, known: Mapping[str, Any]) -> NotFound:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(sorted(known))}."
    return NotFound(f"There is no {word} called {name}.", hint)
