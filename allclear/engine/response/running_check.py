"""The check of containment or recovery that is running now, as a sentence. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from allclear.company import Company
from allclear.domain.durations import counted, short_duration
from allclear.domain.errors import AllclearError
from allclear.domain.incident import Incident
from allclear.domain.local_times import named_clock
from allclear.domain.placeholders import render_all
from allclear.domain.runbook import Phase, ProbeCall, Runbook
from allclear.domain.text import LONG, plain
from allclear.engine.actions.registry import Registry, read_params
from allclear.engine.response.moves import RunProbe
from allclear.engine.response.next_move import next_move
from allclear.engine.response.recovery_moves import recovery_rule
from allclear.engine.response.step_keys import STILL_CONTAINED


def running_check(incident: Incident, company: Company, registry: Registry, values: Mapping[str, str]) -> str:
    """Return a sentence about the check that is running now; empty if none is.

    `values` are those of the placeholders in the probe's parameters.
    """
    runbook = company.runbook(incident.opened.runbook)
    for phase in Phase:
        if phase is Phase.REVIEW or phase.value not in incident.entered:
            continue
        move = next_move(incident, company.plan, runbook, phase)
        if isinstance(move, RunProbe) and move.proves:
            subject = _subject(move.call, company, registry, values)
            return plain(f"{_words(incident, company, runbook, move)}: {subject}.", LONG)
    return ""


def _words(incident: Incident, company: Company, runbook: Runbook, move: RunProbe) -> str:
    if move.proves == "recovery":
        rule, good = recovery_rule(company.plan, runbook), len(incident.good_checks)
        over = f" over {short_duration(rule.over)}" if rule.over else ""
        needed = f"{counted(rule.checks, 'good check')}{over} needed"
        due = f"at {named_clock(move.not_before, company.plan.zone, '%H:%M:%S')}" if move.not_before else "now"
        return f"Checking whether the service has recovered ({needed}, {good} so far, the next one {due})"
    still = " still" if move.key == STILL_CONTAINED else ""
    within = f", for {short_duration(move.call.within)} at most" if move.call.within else ""
    return f"Checking whether the incident is{still} contained{within}"


def _subject(call: ProbeCall, company: Company, registry: Registry, values: Mapping[str, str]) -> str:
    kind = registry.probe(call.probe)
    try:
        return kind.subject(read_params(kind, render_all(call.with_, values)), company.systems.services)
    except AllclearError:  # the check itself reports what is wrong with its parameters
        return kind.title
