"""A hostile alert is refused or parsed, and stays plain text wherever it is shown.

The endpoints never answer 5xx for it, Prefect receives only ids and checked values, and no message or document contains
its markup. How each source parses odd values is in tests/property/test_alert_fuzz.py and test_alert_mutations.py, which
characters a line may contain in tests/unit/domain/test_text.py.
"""

from __future__ import annotations

import io
import json
import random
import re
import threading
import unicodedata
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from markdown_it import MarkdownIt
from rich.console import Console

from allclear.bootstrap import Engine, make_engine
from allclear.company import Company
from allclear.domain.base import utc_now
from allclear.domain.runbook import Runbook
from allclear.postmortem.acts_table import markdown_acts
from allclear.postmortem.document import PostMortem, write_post_mortem
from allclear.postmortem.timeline_list import markdown_timeline
from allclear.reports.incident_summary import show
from allclear.responder.sources import SOURCES
from allclear.responder.sources.request import RawRequest
from allclear.settings import Settings
from tests.contract.simulator_support import Simulated
from tests.patience import wait_until
from tests.scenario.response_support import (
    ALERT,
    announced,
    broken,
    engine_on,
    new_journal,
    respond,
    vintstreet,
)
from tests.scenario.test_source_authentication import CONFIGURED, ENVIRON, company_with, credentials_of
from tests.unit.responder.responder_support import AUTH, PAYMENTS, make_patient_app, running_responder
from tests.unit.responder.sources.mutations import CANARY, PREFECT_BLOCK, TRICKS, mutated
from tests.unit.responder.sources.sources_support import EVERY, sample

INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def invisible(text: str) -> list[str]:
    """Return the invisible characters of a text, apart from line ends."""
    return [character for character in text if character != "\n" and unicodedata.category(character) in INVISIBLE]


# --- through the endpoints, with a Prefect that records every call -----------------------------------------


class Prefect(BaseHTTPRequestHandler):
    """In place of Prefect: accepts every call, and records it."""

    calls: list[tuple[str, str]]

    def do_GET(self) -> None:
        """Answer as if every deployment existed."""
        self._answer("")

    def do_POST(self) -> None:
        """Start every run."""
        self._answer(self.rfile.read(int(self.headers["Content-Length"])).decode())

    def _answer(self, body: str) -> None:
        type(self).calls.append((self.path, body))
        raw = b'{"id": "0f0e0d0c-0000-4000-8000-000000000000"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Print nothing."""


@contextmanager
def recording_prefect() -> Generator[tuple[list[tuple[str, str]], str]]:
    """Yield the list of calls to a Prefect that accepts all, and its address."""
    handler: Any = type("MyPrefect", (Prefect,), {"calls": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield handler.calls, f"http://127.0.0.1:{server.server_address[1]}/api"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def prefect() -> Iterator[tuple[list[tuple[str, str]], str]]:
    """The list of calls to Prefect, and its address."""
    with recording_prefect() as prefect:
        yield prefect


@pytest.fixture
def engine(tmp_path: Path, prefect: tuple[list[tuple[str, str]], str]) -> Iterator[Engine]:
    """An engine whose company has configured most sources, and whose Prefect records every call."""
    settings = Settings(
        journal_url=new_journal(tmp_path),
        PREFECT_API_URL=prefect[1],  # pyright: ignore[reportCallIssue] - its alias
    )
    engine = make_engine(settings, environ=ENVIRON, company=company_with(CONFIGURED))
    yield engine
    engine.journal.close()


RUN = {
    "parameters": re.compile(r'\{"incident": "VS-\d+"\}'),
    "idempotency_key": re.compile(r'"VS-\d+/respond opened [-:.\dT]+Z"'),
    "name": re.compile(r'"VS-\d+ respond"'),
    "tags": re.compile(r'\["VS-\d+", "P[0-3]", "real", "opened [-:.\dT]+Z"\]'),
    "state": re.compile(r'\{"type": "SCHEDULED"\}'),
}
"""All fields of a call that starts a run, and the form of each."""


def test_prefect_receives_only_ids_and_checked_values(
    engine: Engine, prefect: tuple[list[tuple[str, str]], str]
) -> None:
    """Templates, markup and blocks that Prefect would evaluate never reach its API, whatever field they are in."""
    labels = {"alertname": "PaymentProcessingFailures", "x": "{{ 1 }}", CANARY: json.dumps(PREFECT_BLOCK)}
    deep: Any = PREFECT_BLOCK
    for _ in range(20):
        deep = {"__prefect_kind": "json", "value": deep}
    bodies: list[dict[str, Any]] = [
        {"key": "".join(TRICKS), "title": "".join(TRICKS), "labels": labels},
        {"key": "a", "title": json.dumps(PREFECT_BLOCK), "labels": labels, "parameters": deep, **PREFECT_BLOCK},
        {"key": "b", "title": "{{ " * 400 + CANARY, "labels": labels | {"deep": deep}},
        {"key": PREFECT_BLOCK, "title": PREFECT_BLOCK, "labels": PREFECT_BLOCK},
        deep,
    ]
    calls, _ = prefect
    with running_responder(engine) as client:
        for body in bodies:
            assert client.post("/alerts/json", content=json.dumps(body), headers=AUTH).status_code == 202
        wait_until(lambda: not client.get("/alerts?state=new", headers=AUTH).json())
        wait_until(lambda: not engine.journal.counts().outbox)
        shown = client.get("/alerts", headers=AUTH).json()
    assert {delivery["state"] for delivery in shown} >= {"opened", "quarantined"}
    starts = [json.loads(body) for path, body in calls if path.endswith("/create_flow_run")]
    assert starts
    for start in starts:
        assert set(start) == set(RUN)
        for name, form in RUN.items():
            assert form.fullmatch(json.dumps(start[name])), (name, start[name])
    assert all(CANARY not in path + body and "__prefect" not in body for path, body in calls)
    assert all(not invisible(delivery["reason"]) and delivery["reason"].isprintable() for delivery in shown)


def test_three_hundred_mutated_requests_are_answered_without_a_server_error(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """Signed bodies, and odd paths and headers, are answered 2xx or 4xx, and each stored delivery is handled."""
    dice, now = random.Random(815), utc_now()  # noqa: S311 - the same each time
    cases = [case for case in EVERY if case[0] in CONFIGURED and case[0] != "vercel"]
    with TestClient(make_patient_app(engine), raise_server_exceptions=False) as client:
        for number in range(300):
            source, name = cases[number % len(cases)]
            changed = replace(sample(source, name, now), body=mutated((source, name), dice))
            request = SOURCES[source].sign(changed, credentials_of(source), now)
            assert send(client, source, request) in {202, 401}, (source, name, request.body)
        for odd_path in ("%00", "..%2f..%2fetc", "json%0d%0aX: y", "{{x}}", "%ff%fe", "json?" + "a=1&" * 500):
            answer = client.post(f"/alerts/{odd_path}", content=b"{}", headers=AUTH)
            assert answer.status_code in {202, 307, 404}, odd_path
            assert client.get(f"/alerts/{odd_path}", headers=AUTH).status_code in {200, 404}
            assert client.get(f"/incidents/{odd_path}", headers=AUTH).status_code in {200, 404}
        for header in (b"\xff\xfe", b"Bearer " + b"\xe9" * 4000, b"Basic !!", b"Bearer"):
            for source in SOURCES:
                headers = {"Authorization": header}
                assert client.post(f"/alerts/{source}", json=PAYMENTS, headers=headers).status_code in {401, 403}
        wait_until(lambda: not client.get("/alerts?state=new", headers=AUTH).json())
        shown = client.get("/alerts?limit=1000", headers=AUTH).json()
    assert len(shown) > 100
    assert not [delivery for delivery in shown if "An internal error occurred" in delivery["reason"]]
    assert "Traceback" not in caplog.text
    fields = ("key", "title", "severity", "service", "reason")
    for delivery in shown:
        texts = [delivery["reason"], *(alert[name] for alert in delivery["alerts"] for name in fields)]
        assert not [text for text in texts if invisible(text) or "\n" in text]


def send(client: TestClient, source: str, request: RawRequest) -> int:
    """Send a request unchanged, and return the status of the answer."""
    address = f"/alerts/{source}" + (f"?{request.query}" if request.query else "")
    return client.post(address, content=request.body, headers=list(request.headers)).status_code


# --- in texts for people ---------------------------------------------------------------------------------


def chatty() -> Company:
    """Return VintStreet with the alert's title in the page and in every internal template."""
    company = vintstreet()
    inside = {
        name: f"{{title}}\n{text}\n{{updates}}" for name, text in company.templates.items() if "status" not in name
    }
    runbooks = {
        name: Runbook.model_validate_json(
            runbook.model_dump_json(by_alias=True).replace("{company}: {problem}", "{company}: {title}")
        )
        for name, runbook in company.runbooks.items()
    }
    return replace(company, templates=company.templates | inside, runbooks=runbooks)


async def test_a_hostile_alert_stays_plain_text_in_every_text_for_people(tmp_path: Path) -> None:
    """No mention, link, markup or invisible character of its title is in a page, a message or the post-mortem."""
    title = f"{CANARY} <!channel> <https://evil.example|x> *b* \u202e\u200b\x1b[31m<script>&{{{{ x }}}}\n# H"
    async with Simulated(broken()) as sim:
        engine = engine_on(new_journal(tmp_path), announced(sim, tmp_path), company=chatty())
        engine.intake.take(replace(ALERT, title=title, key=title), "delivery-1")
        incident = await respond(engine, sim.world)
        state, entries = engine.conductor.incident(incident), engine.journal.entries(incident)
        source = PostMortem(state, entries, engine.company.plan, "Shop", engine.company.post_mortem, utc_now())
        document = write_post_mortem(source)
        markdown = [
            document,
            markdown_timeline(state, entries, engine.company.plan),
            markdown_acts(state, engine.company.plan),
        ]
        terminal = io.StringIO()
        Console(file=terminal, width=400, color_system=None).print(
            show(state, entries, engine.company.plan, utc_now(), routine=True)
        )
        await engine.close()
    event_log = sim.world.event_log.entries()
    messages = [entry["text"] for entry in event_log if entry["kind"] == "message"]
    pages = [entry["summary"] for entry in event_log if entry["kind"] == "page" and entry["action"] == "trigger"]
    public = [json.dumps(entry, default=str, ensure_ascii=False) for entry in event_log if "status" in entry["kind"]]
    assert any(CANARY in message for message in messages)
    for message in messages:
        assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", message), message
        assert not invisible(message)
    assert [CANARY in page for page in pages] == [True]
    assert not [page for page in pages if invisible(page) or "\n" in page or len(page) > 1024]
    assert public
    assert not [line for line in public if CANARY in line], "public texts come from the plan, not from an alert"
    for text in markdown:
        assert not invisible(text)
        tokens = MarkdownIt("commonmark").parse(text)
        inside = [child for token in tokens for child in token.children or []]
        assert not [token for token in tokens if token.type == "html_block"]
        assert not [token for token in inside if token.type == "html_inline"]
        assert not [token for token in inside if "evil" in str(token.attrs)]
    assert CANARY in document
    assert CANARY in terminal.getvalue()
    assert not invisible(terminal.getvalue())
