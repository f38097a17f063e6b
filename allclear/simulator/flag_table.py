"""The production's database, as far as incident response touches it: the feature flags."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from allclear.simulator.event_log import Clock, EventLog, iso
from allclear.simulator.scenario_schema import FlagSpec, Trouble

Row = dict[str, Any]


@dataclass(frozen=True)
class Flag:
    """One row of `feature_flags`, and what it does to the storefront while it is enabled."""

    name: str
    enabled: bool
    description: str
    version: int
    updated_at: datetime
    maintenance: bool
    faults: tuple[Trouble, ...]

    def as_row(self) -> Row:
        """Return the columns that the database shows."""
        return {
            "name": self.name,
            "enabled": self.enabled,
            "description": self.description,
            "version": self.version,
            "updated_at": iso(self.updated_at),
        }


class FlagTable:
    """The table `feature_flags`: a trigger counts `version` up and dates every change."""

    name = "feature_flags"
    columns: Mapping[str, type] = {
        "name": str,
        "enabled": bool,
        "description": str,
        "version": int,
        "updated_at": datetime,
    }

    def __init__(self, specs: list[FlagSpec], clock: Clock, event_log: EventLog) -> None:
        self._clock, self._truth = clock, event_log
        self._flags = {
            spec.name: Flag(
                name=spec.name,
                enabled=spec.enabled,
                description=spec.description,
                version=1,
                updated_at=clock(),
                maintenance=spec.maintenance,
                faults=tuple(spec.faults),
            )
            for spec in specs
        }

    def enabled(self) -> list[Flag]:
        """Return the flags that are on now."""
        return [flag for flag in self._flags.values() if flag.enabled]

    def rows(self, match: Callable[[Row], bool] = lambda _: True) -> list[Row]:
        """Return the rows that match, in the order of the scenario."""
        return [row for row in (flag.as_row() for flag in self._flags.values()) if match(row)]

    def update(self, names: list[str], change: Mapping[str, Any], by: str) -> list[Row]:
        """Write `enabled` or `description` into the named rows; the rows as they are then.

        `version` and `updated_at` belong to the trigger: what a client sends for them is
        overwritten, as a trigger would.
        """
        changed: list[Row] = []
        for flag in [self._flags[name] for name in names]:
            after = replace(
                flag,
                enabled=bool(change.get("enabled", flag.enabled)),
                description=str(change.get("description", flag.description)),
                version=flag.version + 1,
                updated_at=self._clock(),
            )
            self._flags[flag.name] = after
            changed.append(after.as_row())
            if after.enabled != flag.enabled:
                self._truth.record(
                    "flag_changed",
                    flag=flag.name,
                    enabled=after.enabled,
                    version=after.version,
                    by=by,
                )
        return changed

    def touch(self) -> None:
        """Write every row first, as another writer would: new versions and dates, the same values."""
        self.update(list(self._flags), {}, by="somebody else")
