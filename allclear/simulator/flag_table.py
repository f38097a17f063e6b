"""The production's database, as far as incident response touches it: the feature flags."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    environment: str
    enabled: bool | str | None
    description: str
    version: int
    updated_at: datetime
    maintenance: bool
    faults: tuple[Trouble, ...]

    @property
    def on(self) -> bool:
        """Return whether the application takes it for on."""
        return self.enabled is True or self.enabled == "true"

    def as_row(self) -> Row:
        """Return all columns."""
        return {
            "name": self.name,
            "environment": self.environment,
            "enabled": self.enabled,
            "description": self.description,
            "version": self.version,
            "updated_at": iso(self.updated_at),
        }


class FlagTable:
    """The table `feature_flags`: a trigger counts `version` up and dates every change."""

    name = "feature_flags"

    def __init__(self, specs: list[FlagSpec], clock: Clock, event_log: EventLog) -> None:
        self._clock, self._truth = clock, event_log
        kinds: dict[str, type] = {
            "name": str,
            "environment": str,
            "enabled": str if any(isinstance(spec.enabled, str) for spec in specs) else bool,
            "description": str,
            "version": int,
            "updated_at": datetime,
        }
        if not any(spec.environment for spec in specs):
            del kinds["environment"]
        self.columns: Mapping[str, type] = kinds
        """Column -> its type. There is an environment only if the scenario has several."""
        self._flags = {
            (spec.name, spec.environment): Flag(
                name=spec.name,
                environment=spec.environment,
                enabled=spec.enabled,
                description=spec.description,
                version=1,
                updated_at=clock(),
                maintenance=spec.maintenance,
                faults=tuple(spec.faults),
            )
            for spec in specs
        }

        self._past = [(clock(), dict(self._flags))]
        """When the rows were changed, and all rows as they were from then on."""

    def enabled(self) -> list[Flag]:
        """Return the flags that are on now."""
        return [flag for flag in self._flags.values() if flag.on]

    def rows(self, match: Callable[[Row], bool] = lambda _: True) -> list[Row]:
        """Return the rows that match, in the order of the scenario."""
        return [row for row in map(self._row, self._flags.values()) if match(row)]

    def _row(self, flag: Flag) -> Row:
        return {name: value for name, value in flag.as_row().items() if name in self.columns}

    def _typed(self, enabled: object) -> bool | str | None:
        """Return what the column holds after `enabled` was written into it."""
        if self.columns["enabled"] is str:
            return "true" if enabled is True or enabled == "true" else "false"
        return None if enabled is None else bool(enabled)

    def update(
        self,
        names: Sequence[str],
        change: Mapping[str, Any],
        by: str,
        match: Callable[[Row], bool] = lambda _: True,
    ) -> list[Row]:
        """Write `enabled` or `description` into the named rows that match; the rows as they are then.

        `version` and `updated_at` belong to the trigger: what a client sends for them is
        overwritten, as a trigger would.
        """
        changed: list[Row] = []
        for key, flag in [
            (key, flag) for key, flag in self._flags.items() if flag.name in names and match(self._row(flag))
        ]:
            after = replace(
                flag,
                enabled=self._typed(change["enabled"]) if "enabled" in change else flag.enabled,
                description=str(change.get("description", flag.description)),
                version=flag.version + 1,
                updated_at=self._clock(),
            )
            self._flags[key] = after
            changed.append(self._row(after))
            if after.enabled != flag.enabled:
                self._truth.record(
                    "flag_changed",
                    flag=flag.name,
                    enabled=after.enabled,
                    version=after.version,
                    by=by,
                )
        self._past.append((self._clock(), dict(self._flags)))
        return changed

    def go_back(self, to: datetime) -> None:
        """Set every row to what it was at that time, as a restore of the database does."""
        earlier = [rows for at, rows in self._past if at <= to] or [self._past[0][1]]
        self._flags = dict(earlier[-1])
        self._past.append((self._clock(), dict(self._flags)))

    def touch(self) -> None:
        """Write every row first, as another writer would: new versions and dates, the same values."""
        self.update([name for name, _ in self._flags], {}, by="somebody else")
