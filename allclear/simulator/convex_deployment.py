"""The production's backend as a deployment on Convex: whether it is paused, its environment variables, its audit log.

What it keeps to:

- A paused deployment serves no function. Pausing twice is allowed; unpausing what is not paused is refused with 400.
  *Source:* Convex's published description of its deployment API and get-convex/convex-backend, 2026-08.
- A variable that switches a flag of the scenario reads `true` or `false`. (Our choice, so that a switch has an effect.)
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from allclear.simulator.event_log import Clock, EventLog
from allclear.simulator.flag_table import FlagTable
from allclear.simulator.scenario_schema import ConvexSpec, Trouble

State = Literal["running", "paused", "disabled", "suspended"]


class ConvexError(Exception):
    """A refusal of Convex: a status, a code and a sentence."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(status, code, message)
        self.status, self.code, self.message = status, code, message


class ConvexDeployment:
    """One deployment."""

    def __init__(self, spec: ConvexSpec, flags: FlagTable, clock: Clock, event_log: EventLog) -> None:
        self.spec, self._flags, self._clock, self._truth = spec, flags, clock, event_log
        self.state: State = "running"
        self.tells_state = True
        """Whether the dashboard's own query, which is not documented, still exists."""
        self.events: list[tuple[str, datetime]] = []
        """What the audit log holds: the action, and when."""
        self._variables = dict(spec.environment)

    def faults(self, path: str) -> list[tuple[str, Trouble]]:
        """Return what the deployment makes fail on a page."""
        return [] if self.state == "running" else [("the backend", Trouble(path=path, error_rate=1.0))]

    def pause(self) -> None:
        """Pause it.

        Raises ConvexError: 400 if Convex itself has disabled it.
        """
        if self.state not in ("running", "paused"):
            raise ConvexError(400, "PauseDeploymentFailed", "Deployment could not be paused.")
        self._change("paused", "pause_deployment")

    def unpause(self) -> None:
        """Let it run again.

        Raises ConvexError: 400 if it is not paused.
        """
        if self.state != "paused":
            raise ConvexError(400, "UnpauseDeploymentFailed", "Deployment is not paused.")
        self._change("running", "unpause_deployment")

    def variables(self) -> dict[str, str]:
        """Return every environment variable with its value."""
        on = {row["name"] for row in self._flags.rows() if row["enabled"] is True}
        switches = {name: "true" if flag in on else "false" for name, flag in self.spec.switches.items()}
        return {**self._variables, **switches}

    def update(self, changes: dict[str, str | None], by: str = "allclear") -> None:
        """Set variables, or remove those with None; all at once."""
        for name, value in changes.items():
            if name in self.spec.switches:
                self._flags.update([self.spec.switches[name]], {"enabled": value == "true"}, by=by)
            elif value is None:
                self._variables.pop(name, None)
            else:
                self._variables[name] = value
            self.events.append(("update_environment_variable", self._clock()))

    def _change(self, state: State, action: str) -> None:
        self.state = state
        self.events.append((action, self._clock()))
        self._truth.record("backend_changed", state=state)
