"""A small client of Prefect's API.

It uses HTTP itself: importing Prefect takes seconds, and the processes that must answer at once never import it.
Only ids and checked values are sent, because Prefect evaluates nested parameters: no text of an alert is among them.

*Source:* Prefect's REST API, version 3 (`POST /deployments/{id}/create_flow_run`, `POST /flow_runs/{id}/resume`).
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, cast

import httpx

from allclear.deployment_names import api_path
from allclear.domain.base import JsonDict
from allclear.domain.errors import Unreachable, VendorRefused
from allclear.trusted_certificates import trusted_certificates

_TIMEOUT = 10.0
_RETRIES = 4
"""Prefect on SQLite answers 503 even under light load; writes with an idempotency key are safe to repeat."""

_MOST_RUNS = 200
"""Prefect's own limit for one answer."""


@dataclass(frozen=True)
class FlowRun:
    """One run in Prefect. `state` is the type of its state, as RUNNING, and `since` is when the state began."""

    id: str
    name: str
    state: str
    created: datetime
    since: datetime
    tags: frozenset[str] = frozenset()
    has_form: bool = False
    """Whether it is suspended with a form, so that only the form's content resumes it."""
    orphaned: bool = False
    """Whether its deployment was deleted, so that no runner ever picks it up again."""


class PrefectApi:
    """The part of Prefect's API that allclear uses outside its flows."""

    def __init__(self, api_url: str, company: str) -> None:
        user = os.environ.get("PREFECT_API_AUTH_STRING", "")
        name, _, word = user.partition(":")
        self._company = company
        self._http = httpx.AsyncClient(
            base_url=api_url.rstrip("/") + "/",
            timeout=_TIMEOUT,
            auth=(name, word) if user else None,
            verify=trusted_certificates(),
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

        Raises Unreachable if Prefect does not answer or the flow is not registered, VendorRefused if Prefect refuses.
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
            self._deployments.pop(flow, None)  # Prefect may have another database now
            raise
        return str(answer["id"])

    async def add_failed_run(self, flow: str, key: str, *, name: str, reason: str, tags: list[str]) -> None:
        """Add a run of `flow` that has failed and never ran, once for each key; it shows `reason` to people.

        Raises Unreachable or VendorRefused.
        """
        deployment = await self._find_deployment(flow)
        state = {"type": "FAILED", "name": "Failed", "message": reason}
        body = {"flow_id": deployment["flow_id"], "name": name, "idempotency_key": key, "tags": tags, "state": state}
        await self._call("POST", "flow_runs/", body)

    async def _deployment(self, flow: str) -> str:
        if flow not in self._deployments:
            self._deployments[flow] = str((await self._find_deployment(flow))["id"])
        return self._deployments[flow]

    async def _find_deployment(self, flow: str) -> JsonDict:
        try:
            return await self._call("GET", api_path(flow, self._company))
        except VendorRefused as error:
            raise Unreachable(error.message, error.next_step) from error

    async def run(self, run: str) -> FlowRun | None:
        """Return the run, or None if Prefect has no such run. Raises Unreachable."""
        with suppress(VendorRefused):
            return _flow_run(await self._call("GET", f"flow_runs/{run}"))
        return None

    async def runs(self, *, names: list[str] | None = None, states: list[str] | None = None) -> list[FlowRun]:
        """Return the newest runs with one of these names, as `VS-12 contain`, or in one of these states, oldest first.

        They may belong to another journal; `is_of` checks that.

        Raises Unreachable or VendorRefused.
        """
        wanted: JsonDict = {"name": {"any_": names}} if names else {}
        wanted |= {"state": {"type": {"any_": states}}} if states else {}
        body = {"flow_runs": wanted, "sort": "EXPECTED_START_TIME_DESC", "limit": _MOST_RUNS}
        found: Any = await self._call("POST", "flow_runs/filter", body)
        if not isinstance(found, list):
            raise VendorRefused(f"{self._http.base_url} is not the API of a Prefect.", "Correct PREFECT_API_URL.")
        runs = [_flow_run(one) for one in cast("list[dict[str, Any]]", found) if one.get("state")]
        return sorted(runs, key=lambda one: one.created)

    async def crashed(self, run: str, reason: str) -> None:
        """Set a run whose process is gone to crashed. Raises Unreachable or VendorRefused."""
        state = {"type": "CRASHED", "name": "Crashed", "message": reason}
        await self._call("POST", f"flow_runs/{run}/set_state", {"state": state, "force": True})

    async def completed(self, run: str, why: str) -> None:
        """Set a run that is not needed any more to completed, with the reason. Raises Unreachable or VendorRefused.

        The reason is logged too, because the run's page shows its logs first, and the message of its state only among
        the details. A log that cannot be written changes nothing.
        """
        state = {"type": "COMPLETED", "name": "Completed", "message": why}
        await self._call("POST", f"flow_runs/{run}/set_state", {"state": state, "force": True})
        at = datetime.now(UTC).isoformat()
        line = {"name": "allclear", "level": logging.INFO, "message": why, "timestamp": at, "flow_run_id": run}
        with suppress(Unreachable, VendorRefused):
            await self._call("POST", "logs/", [line])

    async def resume(self, run: str, answer: JsonDict | None = None) -> bool:
        """Resume a suspended run, with the content of its form; return False if it is not suspended, or not yet."""
        result = await self._call("POST", f"flow_runs/{run}/resume", {"run_input": answer})
        return result.get("status") == "ACCEPT"

    async def artifacts(self, tag: str) -> list[JsonDict]:
        """Return all artifacts of the runs with a tag, each version of them. Raises Unreachable or VendorRefused."""
        return await self._all("artifacts/filter", {"flow_runs": {"tags": {"all_": [tag]}}})

    async def runs_of(self, tag: str) -> list[JsonDict]:
        """Return all runs with a tag, as Prefect describes them. Raises Unreachable or VendorRefused."""
        return await self._all("flow_runs/filter", {"flow_runs": {"tags": {"all_": [tag]}}})

    async def task_runs_of(self, tag: str) -> list[JsonDict]:
        """Return all task runs of the runs with a tag. Raises Unreachable or VendorRefused."""
        return await self._all("task_runs/filter", {"flow_runs": {"tags": {"all_": [tag]}}})

    async def change(self, kind: Literal["artifacts", "flow_runs", "task_runs"], number: str, **fields: Any) -> None:  # noqa: ANN401 - JSON
        """Change fields of an artifact, a run or a task run. Raises Unreachable or VendorRefused."""
        await self._call("PATCH", f"{kind}/{number}", fields)

    async def delete(self, run: str) -> None:
        """Delete a run that has ended, with its states and its log. Raises Unreachable."""
        with suppress(VendorRefused):  # it is gone already
            await self._call("DELETE", f"flow_runs/{run}")

    async def inputs(self, run: str) -> list[str]:
        """Return the keys of what the forms of a run have shown and received. Raises Unreachable or VendorRefused."""
        body: JsonDict = {"prefix": "", "limit": _MOST_RUNS, "exclude_keys": []}
        found: Any = await self._call("POST", f"flow_runs/{run}/input/filter", body)
        return [str(one["key"]) for one in cast("list[JsonDict]", found)]

    async def delete_input(self, run: str, key: str) -> None:
        """Delete what a form of a run has shown or received. Raises Unreachable."""
        with suppress(VendorRefused):  # it is gone already
            await self._call("DELETE", f"flow_runs/{run}/input/{key}")

    async def _all(self, path: str, body: JsonDict) -> list[JsonDict]:
        found: list[JsonDict] = []
        while True:
            answer: Any = await self._call("POST", path, body | {"limit": _MOST_RUNS, "offset": len(found)})
            found += cast("list[JsonDict]", answer)
            if len(answer) < _MOST_RUNS:
                return found

    async def _call(self, method: str, path: str, body: JsonDict | list[JsonDict] | None = None) -> JsonDict:
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
                        f"Prefect refused {path} ({last}).",
                        f"Start `allclear up`, or check what runs at {self._http.base_url}.",
                    )
            await asyncio.sleep(pause)
            pause *= 2
        raise Unreachable(f"Prefect does not answer at {self._http.base_url} ({last}).", "Start it: allclear up.")


def _flow_run(answer: Mapping[str, Any]) -> FlowRun:
    """Return Prefect's answer as a run; it must have a state, as every run has that was not created this moment."""
    state: JsonDict = answer.get("state") or {}
    details: JsonDict = state.get("state_details") or {}
    created = datetime.fromisoformat(answer["created"])
    return FlowRun(
        id=str(answer["id"]),
        name=str(answer["name"]),
        state=str(answer.get("state_type") or ""),
        created=created,
        since=datetime.fromisoformat(state["timestamp"]) if state else created,
        tags=frozenset(answer.get("tags") or ()),
        has_form=bool(details.get("run_input_keyset")),
        orphaned=answer.get("deployment_id", "") is None,
    )
