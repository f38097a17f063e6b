"""Runs the probes of a response, and journals what they show."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from allclear.domain.action import ActionContext, Finding, Verdict
from allclear.domain.base import Clock
from allclear.domain.errors import ConcurrentWrite
from allclear.domain.incident import Incident
from allclear.domain.placeholders import render, render_all
from allclear.domain.records import By, Contained, Recovered, StepDone
from allclear.domain.runbook import Phase, ProbeCall, Step
from allclear.engine.actions.auto_approval import CHECKS_APART
from allclear.engine.actions.known_good import record_known_good, serving_all, with_check_count, with_serving
from allclear.engine.actions.registry import Registry, read_params
from allclear.engine.concurrency import sleep_without_slot
from allclear.engine.incidents import read_incident
from allclear.engine.response.flow_starts import loss_messages
from allclear.engine.response.moves import RunProbe
from allclear.engine.response.recovery_moves import proven_recovery
from allclear.engine.response.step_context import StepContext
from allclear.engine.response.step_keys import second_check_key
from allclear.journal.ports import Journal

_FIRST_PAUSE, _LONGEST_PAUSE = 0.3, 2.0
"""The pause before a probe with `within` is repeated, in seconds. It grows from the first to the longest."""


class Checks:
    """The probes of a response: once, until the service is healthy, or a second time before automatic approval."""

    def __init__(
        self, journal: Journal, registry: Registry, context: ActionContext, steps: StepContext, clock: Clock
    ) -> None:
        self._journal = journal
        self._plan = steps.plan
        self._registry = registry
        self._context = context
        self._steps = steps
        self._clock = clock

    async def check(self, call: ProbeCall, values: Mapping[str, str]) -> Finding:
        """Run a probe and return its finding; with `within`, repeat it until it succeeds or the time is over.

        `values` are those of the placeholders in the probe's parameters. Raises NotFound for an unknown probe, and
        ConfigError for parameters that do not fit.
        """
        kind = self._registry.probe(call.probe)
        params = read_params(kind, render_all(call.with_, values))
        probe = kind(self._context)
        loop = asyncio.get_running_loop()
        end = loop.time() + (call.within.total_seconds() if call.within else 0.0)
        pause, checks = _FIRST_PAUSE, 0
        while True:
            finding, checks = await probe.check(params), checks + 1
            if finding.verdict is Verdict.SUCCESS or loop.time() + pause > end:
                return with_check_count(finding, checks)
            await sleep_without_slot(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    async def check_health(self, incident: Incident) -> Finding:
        """Run the health check of the incident's runbook and return its finding; nothing is journalled."""
        return await self.check(self._steps.runbook(incident).health, self._steps.values(incident))

    async def run(self, incident: Incident, move: RunProbe, by: By) -> None:
        """Run the probe of `move` and journal its finding, and containment or recovery if it proves them.

        Raises ConcurrentWrite if production was changed, the incident ended or another process made the same check
        meanwhile, or if an entry was written while this one was; JournalError.
        """
        if move.not_before:
            await sleep_without_slot(max(0.0, (move.not_before - self._clock()).total_seconds()))
        chosen_at, begun, values = incident.length, self._journal.head(incident.id)[0], self._steps.values(incident)
        finding = await self.check(move.call, values)
        health_check = move.call.probe == self._steps.runbook(incident).health.probe
        if finding.verdict is Verdict.SUCCESS and health_check:
            finding = with_serving(finding, await serving_all(self._registry, self._context, incident.opened.service))
        done = StepDone(
            phase=move.phase.value,
            step=move.key,
            title=render(move.step.title, values) or move.step.id,
            finding=finding,
            health_check=health_check,
            proves=move.proves,
            after_entry=begun,
        )
        # Read again, because a probe takes time and people write notes meanwhile, which do not affect its finding.
        incident = read_incident(self._journal, incident.id)
        ended = incident.over and move.phase is not Phase.REVIEW  # the review has probes of its own
        if (
            ended
            or (move.proves and incident.service_changed > begun)
            or self._checked_since(incident, done, chosen_at)
        ):
            raise ConcurrentWrite(f"{incident.id} changed during the check.", "Ask for the next move again.")
        records: list[Any] = [done, *self._proven_by(incident, move, finding, values)]
        outbox = loss_messages(incident, done, self._clock())
        self._journal.append(incident.id, records, by, expect=incident.length, outbox=outbox)
        # Not in the same transaction: if a crash loses it, one known-good record is missing, and none is wrong.
        word = records[-1].kind if len(records) > 1 else "checked again" if move.proves == "recovery" else ""
        if word:  # after an undo another revision serves, also if recovery was proven before
            record_known_good(self._journal, finding, self._clock(), f"{incident.id}, {word}")

    def _checked_since(self, incident: Incident, done: StepDone, chosen_at: int) -> bool:
        """Return whether the same check was journalled after entry `chosen_at`, the last one when it was chosen.

        The responder and a flow may choose a check at the same moment. The second finding would ask people again what
        they have answered by the first one.
        """
        later = self._journal.entries(incident.id, after=chosen_at) if incident.length > chosen_at else []
        made = [entry.record for entry in later if isinstance(entry.record, StepDone)]
        return any((one.phase, one.step) == (done.phase, done.step) for one in made)

    def _proven_by(
        self, incident: Incident, move: RunProbe, finding: Finding, values: Mapping[str, str]
    ) -> list[Contained | Recovered]:
        """Return the records of what the finding proves newly: containment, recovery, or neither."""
        plan, proven = self._plan, list[Contained | Recovered]()
        if finding.verdict is not Verdict.SUCCESS:
            return proven
        if move.contained_by and incident.containment.current is None and not plan.people_verify(incident.kind):
            by = render(move.contained_by, values)
            proven.append(Contained(by=by, act=move.contained_act, finding=finding))
        if move.proves == "recovery":
            recovered = proven_recovery(incident, plan, self._steps.runbook(incident), finding, self._clock())
            if recovered and incident.containment.current is None:  # what still waits to contain it is withdrawn
                proven.append(Contained(by="The service has recovered", finding=finding))
            proven += [recovered] if recovered else []
        return proven

    async def check_twice(self, incident: Incident, phase: Phase, step: Step, by: By) -> Incident:
        """Run the health check again, 10 s or more after the first failure, and return the incident with its result.

        Automatic approval needs two failures. Raises ConcurrentWrite if the step was proposed meanwhile.
        """
        failed = [result.at for result in incident.steps.values() if result.finding.verdict is Verdict.FAILURE]
        if failed:
            await sleep_without_slot(max(0.0, (min(failed) + CHECKS_APART - self._clock()).total_seconds()))
        begun = self._journal.head(incident.id)[0]
        finding = await self.check_health(incident)
        second = StepDone(
            phase=phase.value,
            step=second_check_key(step.id),
            title="Checked again",
            finding=finding,
            health_check=True,
            after_entry=begun,
        )
        self._journal.append(incident.id, [second], by)
        now = read_incident(self._journal, incident.id)
        proposed = now.act_of(phase, step.id)
        if proposed is not None and proposed != incident.act_of(phase, step.id):
            raise ConcurrentWrite(f"{step.id} was proposed meanwhile.", "Ask for the next move again.")
        return now
