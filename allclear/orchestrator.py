"""The thin client of Prefect's API, and the errands that go there.

It speaks HTTP itself: importing Prefect takes seconds, and the processes that must answer at once never do.
Only ids and checked words cross; Prefect evaluates nested parameters, so no text of an alert may.

*Source:* Prefect's REST API, version 3 (`POST /deployments/{id}/create_flow_run`, `POST /flow_runs/{id}/resume`).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import cast

import httpx

from allclear.domain.base import JsonDict
from allclear.domain.errors import AllclearError, Unreachable, VendorRefused
from allclear.domain.incident import Incident, replay
from allclear.journal.port import Errand, ErrandKind, Journal

_TIMEOUT = 10.0
_RETRIES = 4
"""Prefect on SQLite answers 503 under light load: writes with an idempotency key are safe to repeat."""

_PAUSED = {"PAUSED"}
_ENDED = {"COMPLETED", "FAILED", "CANCELLED", "CRASHED", "CANCELLING"}
_RESUME_TRIES = 12
"""How often a run that is not suspended yet is tried again: it may be about to be."""


ANSWERED_ELSEWHERE = {"decision": "answered elsewhere", "name": "allclear", "reason": "answered elsewhere"}
"""A form's content for a run that only has to look into the journal."""


class Orchestrator:
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
        """Lets go of the connections."""
        await self._http.aclose()

    async def ready(self) -> bool:
        """Says whether Prefect answers."""
        with suppress(httpx.HTTPError):
            return (await self._http.get("health", timeout=2.0)).is_success
        return False

    async def start(self, flow: str, parameters: JsonDict, key: str, *, name: str, tags: list[str]) -> str:
        """Returns the id of the flow run with that idempotency key, which is made unless it is there already.

        Raises Unreachable while Prefect is away, VendorRefused where it has no such deployment.
        """
        deployment = await self._deployment(flow)
        answer = await self._call(
            "POST", f"deployments/{deployment}/create_flow_run",
            {"parameters": parameters, "idempotency_key": key, "name": name, "tags": tags,
             "state": {"type": "SCHEDULED"}},
        )  # fmt: skip
        return str(answer["id"])

    async def _deployment(self, flow: str) -> str:
        if flow not in self._deployments:
            answer = await self._call("GET", f"deployments/name/{flow}/{self._company}")
            self._deployments[flow] = str(answer["id"])
        return self._deployments[flow]

    async def run_state(self, run: str) -> str:
        """Returns the type of the run's state, as RUNNING."""
        answer = await self._call("GET", f"flow_runs/{run}")
        return str(answer.get("state_type") or "")

    async def resume(self, run: str, answer: JsonDict) -> bool:
        """Wakes a suspended run; False where it is not suspended, or not quite yet."""
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


class Errands:
    """Carries what is in the outbox to Prefect; each is kept until it is done."""

    def __init__(self, journal: Journal, orchestrator: Orchestrator) -> None:
        self._journal = journal
        self._prefect = orchestrator

    async def deliver(self, each: Callable[[], None] = lambda: None) -> int:
        """Does every errand that is due and returns how many were done; what fails is tried again later.

        `each` is called before each of them: a Prefect that does not answer makes one last most of a minute.
        """
        done = 0
        for errand in self._journal.errands():
            each()
            try:
                finished = await self._do(errand)
            except AllclearError as error:
                self._journal.errand_failed(errand.key, error.message, _later(errand.attempts))
                continue
            if finished:
                self._journal.errand_done(errand.key)
                done += 1
            else:
                self._journal.errand_failed(errand.key, "not suspended yet", timedelta(milliseconds=500))
        return done

    async def _do(self, errand: Errand) -> bool:
        if errand.kind is ErrandKind.START:
            incident = replay(self._journal.entries(errand.incident))
            if incident is not None:
                await self._start(incident, str(errand.detail["flow"]), errand.key)
            return True
        return await self._wake(errand)

    async def _wake(self, errand: Errand) -> bool:
        """Resumes the runs that wait for an answered ask. True when there is nothing left to wake."""
        ask_id = str(errand.detail["ask"])
        incident = replay(self._journal.entries(errand.incident))
        if incident is None or (incident.asks[ask_id].open and not incident.over):
            return True
        ask = incident.asks[ask_id].ask
        waiting = self._journal.waits(ask_id)
        for run in waiting:
            if await self._prefect.run_state(run) in _PAUSED and await self._prefect.resume(run, ANSWERED_ELSEWHERE):
                return True
        own = incident.runs.get(ask.phase)
        runs = {*waiting, *filter(None, [own])}
        ended = [await self._prefect.run_state(run) in _ENDED for run in runs]
        if runs and all(ended) and ask.phase not in incident.left:
            await self._start(incident, ask.phase, f"{ask_id}/again")
            return True
        # A run that is about to suspend itself for this very answer is tried again; any other finds it by itself.
        return not waiting or all(ended) or errand.attempts > _RESUME_TRIES

    async def _start(self, incident: Incident, flow: str, key: str) -> None:
        simulated = "SIMULATED" if incident.opened.simulated else "real"
        await self._prefect.start(
            flow, {"incident": incident.id}, key, name=f"{incident.id} {flow}",
            tags=[incident.id, incident.severity, simulated],
        )  # fmt: skip


def _later(attempts: int) -> timedelta:
    return timedelta(seconds=min(0.5 * 2 ** min(attempts, 6), 30))
