"""Replaces what Prefect shows of an incident that has become private: artifacts, names of runs, parameters.

What is made while an incident is private has nothing of it from the start (`flow_runs.py`, and `flows/` for logs,
states and artifacts). Lines of logs and messages of states from before cannot be changed in Prefect.
"""

from __future__ import annotations

import re
from typing import Any, cast

from allclear.domain.base import JsonDict
from allclear.domain.incident import Incident
from allclear.domain.plan import Plan
from allclear.domain.privacy import where_to_read
from allclear.engine.flow_runs import QUESTION, ask_named, numbered, opened_tag, run_name
from allclear.prefect_api import PrefectApi

_ENDED = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})
_SAYS_NOTHING = re.compile(r"[a-z_]+|NO WAY IS LEFT TO TELL PEOPLE")
"""What may follow the incident's id in the name of a run: the name of its flow, or of the alarm."""
A_STEP = "A step"
"""The name of a task run of a private incident."""
_TASK = re.compile(r"A step|[A-Z][a-z]+([A-Z][a-z]+)*")
"""The names that task runs of a private incident have: the kind of a move, as `CarryOut`."""


async def hide_in_prefect(prefect: PrefectApi, plan: Plan, incident: Incident, page: str) -> None:
    """Replace everything that Prefect has of a private incident and that can be changed.

    `page` is the address of its page. What is hidden already is not written again. Raises Unreachable or VendorRefused.
    """
    tag, text = opened_tag(incident), where_to_read(incident.id, page)
    for artifact in await prefect.artifacts(tag):
        if artifact.get("data") != text:
            description = f"{incident.id} is private: where to read it"
            await prefect.change("artifacts", str(artifact["id"]), data=text, description=description)
    for run in await prefect.runs_of(tag):
        if changed := _changed(plan, incident, run):
            await prefect.change("flow_runs", str(run["id"]), **changed)
    for task in await prefect.task_runs_of(tag):
        if not _TASK.fullmatch(str(task.get("name"))):
            await prefect.change("task_runs", str(task["id"]), name=A_STEP)


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
