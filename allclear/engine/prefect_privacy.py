"""Replaces what Prefect shows of an incident that has become private: artifacts, runs, forms, states and logs.

What is made while an incident is private has nothing of it from the start (`flow_runs.py`, and `flows/` for logs,
states and artifacts). States and lines of logs cannot be changed in Prefect, so a run from before is deleted once it
has ended and nothing waits for it. The journal has all that it said.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, cast

from allclear.domain.base import JsonDict
from allclear.domain.incident import Incident
from allclear.domain.plan import Plan
from allclear.domain.privacy import where_to_read
from allclear.domain.runbook import Phase
from allclear.engine.flow_runs import QUESTION, ask_named, is_asked, numbered, opened_tag, run_name
from allclear.engine.outbox import ANSWERED_ELSEWHERE
from allclear.prefect_api import PrefectApi

_ENDED = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})
_SAYS_NOTHING = re.compile(r"[a-z_]+|NO WAY IS LEFT TO TELL PEOPLE")
"""What may follow the incident's id in the name of a run: the name of its flow, or of the alarm."""
A_STEP = "A step"
"""The name of a task run of a private incident."""
_TASK = re.compile(r"A step|[A-Z][a-z]+([A-Z][a-z]+)*")
"""The names that task runs of a private incident have: the kind of a move, as `CarryOut`."""


async def hide_in_prefect(
    prefect: PrefectApi, plan: Plan, incident: Incident, page: str, since: datetime | None = None
) -> bool:
    """Replace everything that Prefect has of a private incident, and return whether nothing of it is left there.

    `page` is the address of its page, and `since` when it became private, None if it was from the start. What is hidden
    already is not written again. Of a run from before that has not ended, states and log are left until it ends. Raises
    Unreachable or VendorRefused.
    """
    tag, text = opened_tag(incident), where_to_read(incident.id, page)
    for artifact in await prefect.artifacts(tag):
        if artifact.get("data") != text:
            description = f"{incident.id} is private: where to read it"
            await prefect.change("artifacts", str(artifact["id"]), data=text, description=description)
    for task in await prefect.task_runs_of(tag):
        if not _TASK.fullmatch(str(task.get("name"))):
            await prefect.change("task_runs", str(task["id"]), name=A_STEP)
    left = False
    for run in await prefect.runs_of(tag):
        is_older = since is not None and datetime.fromisoformat(str(run["created"])) < since
        if is_older and run.get("state_type") in _ENDED and not _is_needed(incident, run):
            await prefect.delete(str(run["id"]))
            continue
        left = left or is_older
        if changed := _changed(plan, incident, run):
            await prefect.change("flow_runs", str(run["id"]), **changed)
        if is_older:
            await _hide_forms(prefect, incident, run)
    return not left


async def _hide_forms(prefect: PrefectApi, incident: Incident, run: JsonDict) -> None:
    """Delete the forms of a run from before; one that is suspended with such a form begins anew, and asks with another.

    What resumes it is an input of the old form, too, so the inputs are read again before they are deleted.
    """
    number = str(run["id"])
    is_suspended = run.get("state_type") == "PAUSED"
    if is_suspended and any(key.endswith("-schema") for key in await _old_inputs(prefect, incident, number)):
        await prefect.resume(number, {**ANSWERED_ELSEWHERE})
    for key in await _old_inputs(prefect, incident, number):
        await prefect.delete_input(number, key)


async def _old_inputs(prefect: PrefectApi, incident: Incident, run: str) -> list[str]:
    """Return the keys of a run's forms that name a question by its step, as those from before do."""
    hidden = f"{incident.id.lower()}-question-"
    return [key for key in await prefect.inputs(run) if hidden not in key]


def _is_needed(incident: Incident, run: JsonDict) -> bool:
    """Return whether something waits for the run, so that another one would be started in its place."""
    if QUESTION in cast("list[str]", run.get("tags") or []):
        given = cast("JsonDict", run.get("parameters") or {})
        return is_asked(incident, ask_named(incident, str(given.get("ask"))))
    name = str(run.get("name")).removeprefix(f"{incident.id} ")
    return name in set(Phase) and name not in incident.left and not incident.over


def hidden_name(incident: str, what: str) -> str:
    """Return the name of a run of a private incident that would be called `what`: `VS-12 action` for an action."""
    return f"{incident} {what if _SAYS_NOTHING.fullmatch(what) else 'action'}"


def _changed(plan: Plan, incident: Incident, run: JsonDict) -> JsonDict:
    """Return the fields of a run that must be other ones.

    A run that may start again keeps the parameters that it needs: the question, by its number, or those of an action by
    hand that still waits for an approval.
    """
    given, changed = cast("JsonDict", run.get("parameters") or {}), dict[str, Any]()
    wanted, name = given, str(run.get("name"))
    if QUESTION in cast("list[str]", run.get("tags") or []):
        ask = ask_named(incident, str(given.get("ask")))
        name = run_name(plan, incident, QUESTION, ask)
        wanted = {"incident": incident.id, "ask": numbered(incident, ask)}
    else:
        name = hidden_name(incident.id, name.removeprefix(f"{incident.id} "))
        wanted = {"incident": incident.id} if run.get("state_type") in _ENDED else given
    if name != run.get("name"):
        changed["name"] = name
    if wanted != given:
        changed["parameters"] = wanted
    return changed
