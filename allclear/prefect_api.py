"""The thin client of Prefect's API, and the errands that go there.

It speaks HTTP itself: importing Prefect takes seconds, and the processes that must answer at once never do.
Only ids and checked words cross; Prefect evaluates nested parameters, so no text of an alert may.

*Source:* Prefect's REST API, version 3 (`POST /deployments/{id}/create_flow_run`, `POST /flow_runs/{id}/resume`).
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

import httpx

from allclear.company import Company
from allclear.deployment_names import api_path
from allclear.domain.base import JsonDict
from allclear.domain.errors import AllclearError, Unreachable, Unreadable, VendorRefused
from allclear.domain.incident import Incident
from allclear.engine.incidents import read_incident
from allclear.journal.ports import Journal, OutboxKind, OutboxMessage

log = logging.getLogger("allclear.prefect_api")

_TIMEOUT = 10.0
_RETRIES = 4
"""Prefect on SQLite answers 503 under light load: writes with an idempotency key are safe to repeat."""

_PAUSED = "PAUSED"
_ON_ITS_WAY = {"SCHEDULED", "PENDING", "RUNNING", _PAUSED}
_RESUME_TRIES = 12
"""How often a run that is not suspended yet is tried again: it may be about to be."""

_CHECK_AGAIN = 2.0
"""Seconds between two looks whether Prefect is back."""

_ROUND = 5
"""Errands in one round; the next begins with whatever is gravest by then."""

PACE = 1.0
"""Seconds between two runs that are started in a row: each brings one more, and Prefect carries one or two a second."""

_MOST_OUTBOX = 500

_AFTER_THE_END = {"respond", "review"}
"""What is started of an incident that has ended: so that Prefect has it, and for its review."""

_MOST_RUNS = 200
"""Prefect's own limit for one answer."""


ANSWERED_ELSEWHERE = {"decision": "answered elsewhere", "name": "allclear", "reason": "answered elsewhere"}
"""A form's content for a run that only has to look into the journal."""


@dataclass(frozen=True)
class FlowRun:
    """One run in Prefect. `state` is its state's type, as RUNNING, which it has had `since` then."""

    id: str
    name: str
    state: str
    created: datetime
    since: datetime
    tags: frozenset[str] = frozenset()


class PrefectApi:
    """Prefect, as far as allclear needs it outside its flows."""

    def __init__(self, api_url: str, company: str) -> None:
        user = os.environ.get("PREFECT_API_AUTH_STRING", "")
        name, _, word = user.partition(":")
        self._company = company
        self._http = httpx.AsyncClient(
            base_url=api_url.rstrip("/") + "/", timeout=_TIMEOUT, auth=(name, word) if user else None
        )
        self._deployments: dict[str, str] = {}

    async def close(self) -> None:
        """Release the connections."""
        await self._http.aclose()

    async def ready(self) -> bool:
        """Return whether Prefect answers and knows the company's flows."""
        with suppress(httpx.HTTPError):
            return (await self._http.get(api_path("respond", self._company), timeout=2.0)).is_success
        return False

    async def start(self, flow: str, parameters: JsonDict, key: str, *, name: str, tags: list[str]) -> str:
        """Return the id of the flow run with that idempotency key, which is made unless it is there already.

        Raises Unreachable while Prefect is away or nobody has registered the flow, VendorRefused where it says no.
        """
        deployment = await self._deployment(flow)
        try:
            answer = await self._call(
                "POST",
                f"deployments/{deployment}/create_flow_run",
                {
                    "parameters": parameters,
                    "idempotency_key": key,
                    "name": name,
                    "tags": tags,
                    "state": {"type": "SCHEDULED"},
                },
            )
        except VendorRefused:
            self._deployments.pop(flow, None)  # its database may be another one by now
            raise
        return str(answer["id"])

    async def _deployment(self, flow: str) -> str:
        if flow not in self._deployments:
            try:
                answer = await self._call("GET", api_path(flow, self._company))
            except VendorRefused as error:
                raise Unreachable(error.message, error.next_step) from error
            self._deployments[flow] = str(answer["id"])
        return self._deployments[flow]

    async def run_state(self, run: str) -> str:
        """Return the type of the run's state, as RUNNING; nothing for a run that Prefect does not have."""
        with suppress(VendorRefused):
            answer = await self._call("GET", f"flow_runs/{run}")
            return str(answer.get("state_type") or "")
        return ""

    async def runs(self, *, names: list[str] | None = None, states: list[str] | None = None) -> list[FlowRun]:
        """Return the newest runs with one of these names, as `VS-12 contain`, or in one of these states, oldest first.

        They may be another journal's; `is_of` tells.

        Raises Unreachable or VendorRefused.
        """
        wanted: JsonDict = {"name": {"any_": names}} if names else {}
        wanted |= {"state": {"type": {"any_": states}}} if states else {}
        body = {"flow_runs": wanted, "sort": "EXPECTED_START_TIME_DESC", "limit": _MOST_RUNS}
        found: Any = await self._call("POST", "flow_runs/filter", body)
        if not isinstance(found, list):
            raise VendorRefused(f"What answers at {self._http.base_url} is no Prefect.", "Correct PREFECT_API_URL.")
        runs = [
            FlowRun(
                str(one["id"]),
                str(one["name"]),
                str(one["state_type"] or ""),
                datetime.fromisoformat(one["created"]),
                datetime.fromisoformat(one["state"]["timestamp"]),
                frozenset(one.get("tags") or ()),
            )
            for one in cast("list[dict[str, Any]]", found)
            if one.get("state")
        ]
        return sorted(runs, key=lambda one: one.created)

    async def crashed(self, run: str, reason: str) -> None:
        """Has Prefect call a run crashed whose process is gone. Raises Unreachable or VendorRefused."""
        state = {"type": "CRASHED", "name": "Crashed", "message": reason}
        await self._call("POST", f"flow_runs/{run}/set_state", {"state": state, "force": True})

    async def resume(self, run: str, answer: JsonDict) -> bool:
        """Wake a suspended run; False where it is not suspended, or not quite yet."""
        said = await self._call("POST", f"flow_runs/{run}/resume", {"run_input": answer})
        return said.get("status") == "ACCEPT"

    async def _call(self, method: str, path: str, body: JsonDict | None = None) -> JsonDict:
        pause, last = 0.1, "no answer"
        for _ in range(_RETRIES):
            try:
                response = await self._http.request(method, path, json=body)
            except httpx.HTTPError as error:
                last = type(error).__name__
            else:
                if response.is_success:
                    return cast("JsonDict", response.json()) if response.content else {}
                last = f"status {response.status_code}"
                if response.is_client_error:
                    raise VendorRefused(
                        f"Prefect said no to {path} ({last}).",
                        f"Is everything registered? Start `allclear up`, or look at {self._http.base_url}.",
                    )
            await asyncio.sleep(pause)
            pause *= 2
        raise Unreachable(f"Prefect does not answer at {self._http.base_url} ({last}).", "Start it: allclear up.")


class OutboxDelivery:
    """Carries what is in a company's outbox to Prefect; each errand is kept until it is done."""

    def __init__(self, journal: Journal, orchestrator: PrefectApi, company: Company) -> None:
        self._journal = journal
        self._prefect = orchestrator
        self._company = company
        self._away = False
        self._not_before = 0.0

    async def deliver(self, incident: str | None = None, each: Callable[[], None] = lambda: None) -> int:
        """Do what is due, of one incident or of all, in rounds, and returns how many errands were done.

        Answers go first, for a person waits; then runs are started at Prefect's own pace, the gravest incident's and
        the oldest first. While Prefect is away all errands stay due, and one look each two seconds, for all of them,
        finds out when it is back. What fails by itself is put off. `each` is called before each errand: a Prefect that
        does not answer makes one last most of a minute.
        """
        if time.monotonic() < self._not_before:
            return 0
        due = await asyncio.to_thread(self._due, incident)
        if not due or (self._away and not await self._back()):
            return 0
        done, pause = 0, 0.0
        for message in due[:_ROUND]:
            await asyncio.sleep(pause)
            each()
            try:
                finished = await self._do(message)
            except Unreachable as error:
                if not await self._back():
                    log.warning("%d errands wait: %s", len(due) - done, error.message)
                    break
                self._journal.message_failed(message.key, error.message, _later(message.attempts))
            except AllclearError as error:
                self._journal.message_failed(message.key, error.message, _later(message.attempts))
            except Exception as error:  # one errand never holds up the others
                log.exception("The errand %s met a fault; it is tried again.", message.key)
                self._journal.message_failed(message.key, type(error).__name__, _later(message.attempts))
            else:
                if finished:
                    self._journal.message_done(message.key)
                    done += 1
                else:
                    self._journal.message_failed(message.key, "not suspended yet", timedelta(milliseconds=500))
            pause = PACE if message.kind is OutboxKind.START else 0.0
        return done

    def _due(self, incident: str | None) -> list[OutboxMessage]:
        """Return the errands that are due, in the order in which they are to be done."""
        due = self._journal.outbox(limit=_MOST_OUTBOX, incident=incident)
        rank = {one: self._rank(one) for one in {message.incident for message in due}}

        def weight(message: OutboxMessage) -> tuple[bool, int]:
            return message.kind is OutboxKind.START, rank[message.incident]

        return sorted(due, key=weight)

    def _rank(self, incident_id: str) -> int:
        """Return the rank of its severity, 0 for the worst, and for a record that cannot be read."""
        try:
            incident = read_incident(self._journal, incident_id)
        except Unreadable:
            return 0
        return self._company.plan.rank(incident.severity)

    async def _back(self) -> bool:
        """Look whether Prefect is there; if not, the next look is due in two seconds."""
        ready = await self._prefect.ready()
        if self._away and ready:
            log.warning("Prefect is back.")
        self._away, self._not_before = not ready, 0.0 if ready else time.monotonic() + _CHECK_AGAIN
        return ready

    async def _do(self, message: OutboxMessage) -> bool:
        if message.kind is not OutboxKind.START:
            return await self._wake(message)
        incident, flow = read_incident(self._journal, message.incident), str(message.detail["flow"])
        if not incident.over or flow in _AFTER_THE_END:
            await start_run(self._prefect, incident, flow, message.key)
        return True

    async def _wake(self, message: OutboxMessage) -> bool:
        """Resume the runs that wait for an answered ask. True when there is nothing left to wake."""
        ask_id = str(message.detail["ask"])
        incident = read_incident(self._journal, message.incident)
        if ask_id not in incident.asks or (incident.asks[ask_id].open and not incident.over):
            return True
        waiting = self._journal.waiting_runs(ask_id)
        states = {run: await self._prefect.run_state(run) for run in waiting}
        for run in waiting:
            if states[run] == _PAUSED and await self._prefect.resume(run, ANSWERED_ELSEWHERE):
                return True
        # A run that is about to suspend itself for this very answer is tried again; any other finds it by itself.
        return not _ON_ITS_WAY & set(states.values()) or message.attempts > _RESUME_TRIES


async def start_run(prefect: PrefectApi, incident: Incident, flow: str, key: str) -> None:
    """Start the run of `flow` for an incident: one for each key. Raises Unreachable or VendorRefused.

    Prefect never forgets a key, and another journal on the same server has a VS-12 as well: so the moment of opening
    goes with it.
    """
    await prefect.start(
        flow,
        {"incident": incident.id},
        f"{key} {_opened(incident)}",
        name=f"{incident.id} {flow}",
        tags=tags_of(incident),
    )


def tags_of(incident: Incident) -> list[str]:
    """Return the tags by which Prefect finds all runs of an incident, and we know those of ours."""
    return [incident.id, incident.severity, "SIMULATED" if incident.opened.simulated else "real", _opened(incident)]


def is_of(run: FlowRun, incident: Incident) -> bool:
    """Return whether a run belongs to this incident, and not to one of the same name in another journal."""
    return _opened(incident) in run.tags or run.id in incident.run_holders


def _opened(incident: Incident) -> str:
    return f"opened {incident.opened_at:%Y-%m-%dT%H:%M:%S.%fZ}"


def _later(attempts: int) -> timedelta:
    return timedelta(seconds=min(0.5 * 2 ** min(attempts, 6), 30))
