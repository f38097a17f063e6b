"""A Prefect for tests on 127.0.0.1, which answers, answers in part or does not answer, as a test asks."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class FakePrefect:
    """The runs by idempotency key, the requests that came, and the faults to come."""

    def __init__(self) -> None:
        self.runs: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.resumed: list[str] = []
        self.logs: list[tuple[str, str]] = []
        """The run and the message of each line that was logged through the API."""
        self.artifacts: list[dict[str, Any]] = []
        self.task_runs: list[dict[str, Any]] = []
        self.inputs: dict[str, dict[str, Any]] = {}
        """By run, what its forms have shown and received."""
        self.away = False
        self.registered = True
        self.lost_answers = 0
        """How many runs are created without an answer to the request."""
        self.busy = 0
        """How often a new run is answered 503 although it was created."""
        self.at_once = 0
        """The largest number of calls that were under way at the same time."""
        self._lock = threading.Lock()
        self._under_way = 0
        self._made = 0

    @property
    def started(self) -> list[str]:
        """Return the names of the runs in the order in which they were created."""
        return [run["name"] for run in self.runs.values()]

    @property
    def keys(self) -> list[str]:
        """Return the idempotency keys in that order, without the moment at which their incidents were opened."""
        return [key.partition(" ")[0] for key in self.runs]

    def add(
        self, name: str, state: str, *, since: datetime | None = None, tags: Sequence[str] = (), form: bool = False
    ) -> str:
        """Add a run, and return its id; with `form`, it is suspended with one."""
        run = self.make(f"manual-{len(self.runs)}", name, tags)
        run["state_type"] = state
        details = {"run_input_keyset": {"schema": "schema"} if form else None}
        run["state"] = {"timestamp": (since or datetime.now(UTC)).isoformat(), "state_details": details}
        return run["id"]

    def set(self, run: str, state: str, *, since: datetime | None = None) -> None:
        """Set the state of a run, as a person does in Prefect's UI."""
        found = next(one for one in self.runs.values() if one["id"] == run)
        found["state_type"] = state
        found["state"] = {"timestamp": (since or datetime.now(UTC)).isoformat()}

    def delete(self, run: str) -> None:
        """Delete a run, as a person does in Prefect's UI."""
        self.runs = {key: one for key, one in self.runs.items() if one["id"] != run}

    def make(self, key: str, name: str, tags: Sequence[str]) -> dict[str, Any]:
        """Return the run with that key; create it if there is none."""
        with self._lock:
            now = datetime.now(UTC).isoformat()
            self._made += 1
            fresh = {
                "id": f"run-{self._made}",
                "name": name,
                "state_type": "SCHEDULED",
                "created": now,
                "state": {"timestamp": now},
                "tags": list(tags),
            }
            return self.runs.setdefault(key, fresh)

    def state(self, run: str) -> str:
        """Return a run's state."""
        return next(one["state_type"] for one in self.runs.values() if one["id"] == run)

    def change(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Change or delete what is at a path, and return status and body."""
        match path.removeprefix("/api/").split("/"):
            case ["flow_runs", run, "input", key]:
                return (200, None) if self.inputs.get(run, {}).pop(key, None) is not None else (404, {})
            case ["flow_runs", run] if body:
                next(one for one in self.runs.values() if one["id"] == run).update(body)
            case ["flow_runs", run]:
                self.delete(run)
                self.logs = [line for line in self.logs if line[0] != run]
                self.task_runs = [one for one in self.task_runs if one["flow_run_id"] != run]
                self.inputs.pop(run, None)
            case [kind, number]:
                next(one for one in getattr(self, kind) if one["id"] == number).update(body)
            case _:
                return 404, {}
        return 200, None

    def answer(self, path: str, body: dict[str, Any]) -> tuple[int, Any] | None:
        """Return status and body, or None to cut the connection."""
        with self._lock:
            self._under_way += 1
            self.at_once = max(self.at_once, self._under_way)
        try:
            self.asked.append(path)
            time.sleep(0.01)  # so that calls that are sent together overlap
            return (503, {}) if self.away else self._answer(path.removeprefix("/api/"), body)
        finally:
            with self._lock:
                self._under_way -= 1

    def _answer(self, path: str, body: dict[str, Any]) -> tuple[int, Any] | None:
        match path.split("/"):
            case ["deployments", "name", flow, _]:
                return (200, {"id": flow}) if self.registered else (404, {})
            case ["deployments", _, "create_flow_run"]:
                return self._create(body)
            case [kind, "filter"]:
                return 200, self._of_kind(kind, self._filter(body["flow_runs"]))
            case ["logs", ""]:
                lines: Any = body  # a list
                self.logs += [(line["flow_run_id"], line["message"]) for line in lines]
                return 201, None
            case ["flow_runs", run, *word]:
                return self._of_run([one for one in self.runs.values() if one["id"] == run], word, body)
            case _:
                return 404, {}

    def _of_kind(self, kind: str, runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the runs, or their artifacts or task runs."""
        ours = {run["id"] for run in runs}
        objects = {"flow_runs": runs, "artifacts": self.artifacts, "task_runs": self.task_runs}[kind]
        return [one for one in objects if kind == "flow_runs" or one["flow_run_id"] in ours]

    def _of_run(self, found: list[dict[str, Any]], word: list[str], body: dict[str, Any]) -> tuple[int, Any]:
        if not found:
            return 404, {}
        run = found[0]
        if word[:1] == ["input"]:
            kept = self.inputs.setdefault(run["id"], {})
            return 200, [{"key": key, "value": value} for key, value in kept.items()]
        if word == ["set_state"]:
            run["state_type"], run["state"] = body["state"]["type"], {"timestamp": datetime.now(UTC).isoformat()}
            run["message"] = body["state"].get("message", "")
        elif word == ["resume"]:
            if bool((run["state"].get("state_details") or {}).get("run_input_keyset")) != bool(body["run_input"]):
                return 200, {"status": "REJECT"}
            self.resumed.append(run["id"])
            old = next((key for key in self.inputs.get(run["id"], {}) if key.endswith("-schema")), None)
            if old:  # Prefect keeps what resumed a run among the inputs of its form
                self.inputs[run["id"]][f"{old.removesuffix('-schema')}-response"] = body["run_input"]
        return (201, {"status": "ACCEPT"}) if word else (200, run)

    def _create(self, body: dict[str, Any]) -> tuple[int, Any] | None:
        run = self.make(body["idempotency_key"], body["name"], body["tags"])
        with self._lock:
            if self.lost_answers:
                self.lost_answers -= 1
                return None
            if self.busy:
                self.busy -= 1
                return 503, {}
        return 201, run

    def _filter(self, wanted: dict[str, Any]) -> list[dict[str, Any]]:
        tags = set(wanted.get("tags", {}).get("all_", []))
        names, types = wanted.get("name", {}).get("any_"), wanted.get("state", {}).get("type", {}).get("any_")
        return [
            run
            for run in self.runs.values()
            if tags <= set(run["tags"])
            and (names is None or run["name"] in names)
            and (types is None or run["state_type"] in types)
        ]


@contextmanager
def prefect_at() -> Generator[tuple[FakePrefect, str]]:
    """Yield such a Prefect, and the address of its API."""
    fake = FakePrefect()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._say({})

        def do_POST(self) -> None:
            self._say(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def do_PATCH(self) -> None:
            self._say(json.loads(self.rfile.read(int(self.headers["Content-Length"]))), changes=True)

        def do_DELETE(self) -> None:
            self._say({}, changes=True)

        def _say(self, body: dict[str, Any], *, changes: bool = False) -> None:
            answer = (fake.change if changes else fake.answer)(self.path, body)
            if answer is None:
                self.close_connection = True
                return
            content = json.dumps(answer[1]).encode()
            self.send_response(answer[0])
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its own name for it
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield fake, f"http://127.0.0.1:{server.server_port}/api"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
