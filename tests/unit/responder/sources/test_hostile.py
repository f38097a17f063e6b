"""Whatever a stranger writes into an alert: it is refused or read, and stays text wherever it is shown.

The doors never answer 5xx for it, Prefect gets ids and checked words alone, and no message or document holds its
tricks. What one source's reading does with odd values is in test_sources_fuzz.py, what a line of ours is made of in
tests/unit/domain/test_text.py.
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
from pydantic import SecretStr
from rich.console import Console

from allclear.bootstrap import Engine, make_engine
from allclear.company import Company
from allclear.domain.base import utc_now
from allclear.domain.runbook import Runbook
from allclear.postmortem.document import write_post_mortem
from allclear.postmortem.incident_summary import markdown_acts, markdown_timeline, show
from allclear.responder.app import make_app
from allclear.responder.deliveries import body_rejection, stored_parts
from allclear.responder.sources import SOURCES
from allclear.responder.sources.request import RawRequest, stored_request
from allclear.responder.sources.signatures import AuthenticationLevel
from allclear.responder.sources.source import NoAlert
from allclear.settings import Settings
from tests.contract.simulator_support import Simulated
from tests.scenario.response_support import (
    ALERT,
    announced,
    broken,
    engine_on,
    new_journal,
    respond,
    vintstreet,
)
from tests.unit.responder.responder_support import AUTH, PAYMENTS, TOKEN, until
from tests.unit.responder.sources.sources_support import EVERY, credentials_for, places, put, request_of, sample
from tests.unit.responder.sources.test_authentication import CONFIGURED, ENVIRON, company_with, credentials_of

CANARY = "Zitronenfalter"
"""Stands in all that strangers say, and must not stand where only our own words may."""

PREFECT_BLOCK = {
    "__prefect_kind": "jinja",
    "template": "{{ [].__class__.__base__.__subclasses__() }} " + CANARY,
    "value": {"__prefect_kind": "workspace_variable", "variable_name": CANARY},
}
TRICKS = [
    "\x1b[31m",
    "\x1b]0;owned\x07",
    "\u202e",
    "\u2066",
    "\u200b",
    "\ufeff",
    "\r\n",
    "\x00",
    "\ud800",
    "\U000e0041",
    "<!channel>",
    "<!here|x>",
    "<@U1>",
    "<https://evil.example|click>",
    "*bold*",
    "~x~",
    "`code`",
    "&amp;",
    "&lt;b&gt;",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "| a | b |",
    "\n# Heading",
    "{{ flow_run.name }}",
    "{% for i in range(10**9) %}{% endfor %}",
    "{title}",
    "{t_internal_alert}",
    "${jndi:ldap://x}",
    "'; DROP TABLE entries; --",
    "../../etc/passwd",
    "%s%n",
    "[red]",
    CANARY,
]
UNSEEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def unseen(text: str) -> list[str]:
    """Return the characters of a text that nobody sees; its line ends do not count."""
    return [sign for sign in text if sign != "\n" and unicodedata.category(sign) in UNSEEN]


# --- twenty thousand mutations ---------------------------------------------------------------------------


def odd(dice: random.Random) -> object:
    """Return something that may stand where something else was meant."""
    tricks = "".join(dice.sample(TRICKS, dice.randint(1, 4)))
    return dice.choice(
        [
            tricks,
            tricks,
            PREFECT_BLOCK,
            [PREFECT_BLOCK],
            {tricks: tricks},
            {"a": {"b": PREFECT_BLOCK}},
            None,
            True,
            -1,
            10**30,
            1e308,
            [],
            {},
            "",
            "x" * 3000,
            ["firing"],
            {"status": "firing"},
            "0001-01-01",
            "resolved",
        ]
    )


BODIES = {case: json.loads(request_of(*case).body) for case in EVERY if case[0] != "statuscake"}
PLACES = {case: places(body) for case, body in BODIES.items()}


def mutated(case: tuple[str, str], dice: random.Random) -> bytes:
    """Return a sample's body in which something is other than its vendor would ever send it."""
    raw = bytearray(request_of(*case).body)
    if case in BODIES and dice.random() < 0.7:
        body = BODIES[case]
        for _ in range(dice.randint(1, 3)):
            place = dice.choice(PLACES[case])
            try:
                body = put(body, place, odd(dice))
            except (KeyError, IndexError, TypeError, ValueError):  # the place went with an earlier change
                continue
        return json.dumps(body).encode()
    for _ in range(dice.randint(1, 5)):
        at = dice.randrange(len(raw) + 1)
        new = dice.choice(
            [b"", b"\x00", b"\xff", b"{", b'"', b"]", b"\\ud800", dice.choice(TRICKS).encode(errors="replace")]
        )
        raw[at : at + dice.randrange(6)] = new
    return bytes(raw)


def test_twenty_thousand_mutations_are_refused_in_a_sentence_or_read() -> None:
    """Over the samples of all sources: the door and keeping never raise, reading ValueError alone, alerts are text."""
    dice = random.Random(4711)  # noqa: S311 - the same each time
    requests = {case: request_of(*case) for case in EVERY}
    read = refused = 0
    for number in range(20_000):
        case = EVERY[number % len(EVERY)]
        request, source = replace(requests[case], body=mutated(case, dice)), SOURCES[case[0]]
        if source.authenticate(request, credentials_for(case[0]), utc_now()).level is None and case[0] == "statuscake":
            continue  # its proof stands in the body, and is read before anything is kept
        at_the_door = body_rejection(source, request)
        assert at_the_door is None or at_the_door.startswith("The body is refused: ")
        headers, body, known = stored_parts(source, request, AuthenticationLevel.AUTHENTICATED)
        assert known.isascii()
        try:
            found = source.parse(stored_request(headers, body))
        except ValueError as error:
            assert str(error)  # noqa: PT017 - half of them are refused, the others are looked at below
            refused += 1
            continue
        read += 1
        for alert in [] if isinstance(found, NoAlert) else found:
            words = (alert.key, alert.title, *alert.labels, *alert.labels.values())
            assert all(isinstance(word, str) for word in words)
            assert (alert.state in {"firing", "resolved"}, alert.authenticated) == (True, False)
    assert read + refused > 18_000
    assert min(read, refused) > 2000


# --- through the doors, with a Prefect that writes everything down --------------------------------------


class Prefect(BaseHTTPRequestHandler):
    """Prefect's place: takes every call, and keeps it."""

    said: list[tuple[str, str]]

    def do_GET(self) -> None:
        """Knows every deployment."""
        self._answer("")

    def do_POST(self) -> None:
        """Start every run."""
        self._answer(self.rfile.read(int(self.headers["Content-Length"])).decode())

    def _answer(self, body: str) -> None:
        type(self).said.append((self.path, body))
        raw = b'{"id": "0f0e0d0c-0000-4000-8000-000000000000"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Says nothing."""


@contextmanager
def recording_prefect() -> Generator[tuple[list[tuple[str, str]], str]]:
    """Yield what Prefect is told from now on, and its address."""
    mine: Any = type("MyPrefect", (Prefect,), {"said": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), mine)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield mine.said, f"http://127.0.0.1:{server.server_address[1]}/api"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def prefect() -> Iterator[tuple[list[tuple[str, str]], str]]:
    """What Prefect is told, and its address."""
    with recording_prefect() as found:
        yield found


@pytest.fixture
def engine(tmp_path: Path, prefect: tuple[list[tuple[str, str]], str]) -> Iterator[Engine]:
    """An engine whose company has configured most sources, and whose Prefect writes everything down."""
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
"""All that ever is in a call that starts a run."""


def test_prefect_hears_ids_and_checked_words_alone(engine: Engine, prefect: tuple[list[tuple[str, str]], str]) -> None:
    """Blocks that Prefect would hydrate, templates and markup, in every field at any depth, never reach its API."""
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
    said, _ = prefect
    with TestClient(make_app(engine, SecretStr(TOKEN), drives=False)) as client:
        for body in bodies:
            assert client.post("/alerts/json", content=json.dumps(body), headers=AUTH).status_code == 202
        until(lambda: not client.get("/alerts?state=new", headers=AUTH).json(), 20)
        until(lambda: not engine.journal.counts().outbox, 20)
        shown = client.get("/alerts", headers=AUTH).json()
    assert {one["state"] for one in shown} >= {"opened", "quarantined"}
    starts = [json.loads(body) for path, body in said if path.endswith("/create_flow_run")]
    assert starts
    for start in starts:
        assert set(start) == set(RUN)
        for name, shape in RUN.items():
            assert shape.fullmatch(json.dumps(start[name])), (name, start[name])
    assert all(CANARY not in path + body and "__prefect" not in body for path, body in said)
    assert all(not unseen(one["reason"]) and one["reason"].isprintable() for one in shown)


def test_some_hundred_mutations_through_the_doors_meet_no_fault(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """Signed as their vendors would, or with another method, path or header: answered 2xx or 4xx, and settled."""
    dice, now = random.Random(815), utc_now()  # noqa: S311 - the same each time
    cases = [case for case in EVERY if case[0] in CONFIGURED and case[0] != "vercel"]
    with TestClient(make_app(engine, SecretStr(TOKEN), drives=False), raise_server_exceptions=False) as client:
        for number in range(300):
            source, name = cases[number % len(cases)]
            made = sample(source, name, now)
            changed = replace(made, body=mutated((source, name), dice))
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
        until(lambda: not client.get("/alerts?state=new", headers=AUTH).json(), 30)
        shown = client.get("/alerts?limit=1000", headers=AUTH).json()
    assert len(shown) > 100
    assert not [one for one in shown if "An internal error occurred" in one["reason"]]
    assert "Traceback" not in caplog.text
    fields = ("key", "title", "severity", "service", "reason")
    for one in shown:
        words = [one["reason"], *(heard[name] for heard in one["alerts"] for name in fields)]
        assert not [word for word in words if unseen(word) or "\n" in word]


def send(client: TestClient, source: str, request: RawRequest) -> int:
    """Return the status of the answer to a request as it is."""
    address = f"/alerts/{source}" + (f"?{request.query}" if request.query else "")
    return client.post(address, content=request.body, headers=list(request.headers)).status_code


# --- in what people read ---------------------------------------------------------------------------------


def chatty() -> Company:
    """Return VintStreet with the alert's title in the page and in every message of its templates."""
    company = vintstreet()
    inside = {
        name: f"{{title}}\n{text}\n{{updates}}" for name, text in company.templates.items() if "status" not in name
    }
    runbooks = {
        name: Runbook.model_validate_json(
            runbook.model_dump_json(by_alias=True).replace("{company}: {impact}", "{company}: {title}")
        )
        for name, runbook in company.runbooks.items()
    }
    return replace(company, templates=company.templates | inside, runbooks=runbooks)


async def test_a_hostile_alert_stays_text_in_all_that_people_read(tmp_path: Path) -> None:
    """From the page to the post-mortem no mention, link, markup or unseen character of the title comes through."""
    title = f"{CANARY} <!channel> <https://evil.example|x> *b* \u202e\u200b\x1b[31m<script>&{{{{ x }}}}\n# H"
    async with Simulated(broken()) as sim:
        engine = engine_on(new_journal(tmp_path), announced(sim, tmp_path), company=chatty())
        engine.intake.take(replace(ALERT, title=title, key=title), "delivery-1")
        incident = await respond(engine, sim.world)
        state, entries = engine.conductor.incident(incident), engine.journal.entries(incident)
        document = write_post_mortem(
            state,
            entries,
            engine.company.plan,
            service_title="Shop",
            template=engine.company.post_mortem,
            now=utc_now(),
        )
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
        assert not unseen(message)
    assert [CANARY in page for page in pages] == [True]
    assert not [page for page in pages if unseen(page) or "\n" in page or len(page) > 1024]
    assert public
    assert not [line for line in public if CANARY in line], "the public reads the plan's words, not a stranger's"
    for text in markdown:
        assert not unseen(text)
        tokens = MarkdownIt("commonmark").parse(text)
        inside = [child for token in tokens for child in token.children or []]
        assert not [token for token in tokens if token.type == "html_block"]
        assert not [token for token in inside if token.type == "html_inline"]
        assert not [token for token in inside if "evil" in str(token.attrs)]
    assert CANARY in document
    assert CANARY in terminal.getvalue()
    assert not unseen(terminal.getvalue())
