"""`allclear approve` prints what became of the change that was approved."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from allclear.bootstrap import Engine
from allclear.cli import answers  # adds its commands
from allclear.cli.root import app
from allclear.domain.action import ActStatus, Finding, Outcome, Verdict
from allclear.domain.approval import ONE_PERSON, Ask, AskKind
from allclear.domain.errors import Refused
from allclear.domain.records import ActFinished, ActProposed, AskOpened, Contained, Record, StepDone
from allclear.journal.sql_journal import SqlJournal
from tests.scenario.response_support import MACHINE, OPENED, engine_on, new_journal
from tests.scopes import REAL

COMMANDS = answers
ACT = "contain/roll-back"
ME = ("--as", "Ana", "--role", "on_call")
GOOD = Finding(verdict=Verdict.SUCCESS, sentence="20 requests: 0 failed.")
BAD = Finding(verdict=Verdict.FAILURE, sentence="20 requests: 20 failed.")


class Responder(BaseHTTPRequestHandler):
    """Answers /healthz, and carries out what is approved as soon as it is asked."""

    url = ""
    records: tuple[Record, ...] = ()

    def do_GET(self) -> None:
        """Answer, after the outcome is written."""
        with_journal(self.url, self.records)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"status": "ok"}')

    def log_message(self, *_: object) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Print nothing."""


def with_journal(url: str, records: tuple[Record, ...]) -> None:
    """Append the records to VS-1, as another process does."""
    journal = SqlJournal(url, REAL)
    journal.append("VS-1", list(records), MACHINE)
    journal.close()


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An engine on the command line's journal, with an incident that waits for an approval, and no responder."""
    for name in [name for name in os.environ if name.startswith(("ALLCLEAR_", "PREFECT_"))]:
        monkeypatch.delenv(name)
    url = new_journal(tmp_path)
    monkeypatch.setenv("ALLCLEAR_JOURNAL_URL", url)
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    monkeypatch.setenv("ALLCLEAR_RESPONDER_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("COLUMNS", "200")
    engine = engine_on(url, None)
    incident, _ = engine.journal.open_incident("VS", OPENED, MACHINE)
    proposed = ActProposed(
        act=ACT,
        phase="contain",
        step="roll-back",
        action="cloud_run.rollback_traffic",
        title="Roll back",
        params={},
        change=None,
        digest="1" * 64,
        changes_service=True,
    )
    ask = Ask(
        id=f"{incident}/{ACT}",
        kind=AskKind.APPROVAL,
        phase="contain",
        step="roll-back",
        title="Roll back",
        text="From 42 to 41.",
        yes="It is done at once, and verified.",
        no="It is not done.",
        policy=ONE_PERSON,
        act=ACT,
        digest="1" * 64,
    )
    engine.journal.append(incident, [proposed, AskOpened(ask=ask)], MACHINE)
    yield engine
    asyncio.run(engine.close())


@pytest.fixture
def responder(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Responder]]:
    """A responder on another thread; a test sets what it writes."""
    Responder.url = engine.settings.journal_url
    server = ThreadingHTTPServer(("127.0.0.1", 0), Responder)
    monkeypatch.setenv("ALLCLEAR_RESPONDER_URL", f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield Responder
    server.shutdown()
    server.server_close()


def finished(status: ActStatus, sentence: str) -> ActFinished:
    """Return the outcome of the act."""
    return ActFinished(act=ACT, outcome=Outcome(status=status, changed=status is ActStatus.VERIFIED, sentence=sentence))


def approve(*words: str) -> Result:
    """Approve the change."""
    return CliRunner().invoke(app, ["approve", f"VS-1/{ACT}", *ME, *words])


def test_the_outcome_and_the_containment_are_printed(responder: type[Responder]) -> None:
    """It waits for both, and says that it waits."""
    responder.records = (
        finished(ActStatus.VERIFIED, "Traffic is served by 100 % 41."),
        Contained(by="Roll back", finding=GOOD),
    )
    done = approve()
    assert done.exit_code == 0, (done.output, done.exception)
    lines = done.stdout.splitlines()
    assert lines[-4].startswith("Waiting for its outcome, 2 minutes at most")
    assert lines[-3] == "Done and verified: Roll back. Traffic is served by 100 % 41."
    assert lines[-2] == "Contained (Roll back): 20 requests: 0 failed."
    assert lines[-1] == "VS-1 is contained."


def test_a_check_that_fails_after_the_change_is_printed(responder: type[Responder]) -> None:
    """The change was made, and the incident is not contained."""
    proof = StepDone(phase="contain", step="proof", title="Roll back", finding=BAD, proves="containment")
    responder.records = (finished(ActStatus.VERIFIED, "Traffic is served by 100 % 41."), proof)
    done = approve()
    assert done.exit_code == 0
    assert BAD.sentence in done.output
    assert done.stdout.splitlines()[-1] == "VS-1 is not contained."


def test_a_change_that_was_not_done_ends_with_its_exit_code(responder: type[Responder]) -> None:
    """The error has the outcome's sentence."""
    responder.records = (finished(ActStatus.FAILED, "Cloud Run refused it."),)
    done = approve()
    assert isinstance(done.exception, Refused)
    assert "Cloud Run refused it." in done.exception.message


def test_after_an_act_that_is_no_measure_no_old_containment_is_told(engine: Engine, responder: type[Responder]) -> None:
    """An update of the status page is published; that the incident was contained before is not its result."""
    act = "resolve/status-resolved"
    proposed = ActProposed(
        act=act,
        phase="resolve",
        step="status-resolved",
        action="status_page.resolve",
        title="Publish it",
        params={},
        change=None,
        digest="2" * 64,
    )
    asked = engine.conductor.incident("VS-1").asks[f"VS-1/{ACT}"].ask
    update = {"id": f"VS-1/{act}", "phase": "resolve", "step": "status-resolved", "act": act, "digest": "2" * 64}
    contained = Contained(by="Roll back", finding=GOOD)
    engine.journal.append("VS-1", [contained, proposed, AskOpened(ask=asked.model_copy(update=update))], MACHINE)
    outcome = Outcome(status=ActStatus.VERIFIED, changed=True, sentence="The status page says resolved.")
    again = StepDone(phase="contain", step="proof", title="Checked again", finding=GOOD, proves="containment")
    responder.records = (ActFinished(act=act, outcome=outcome), again)
    lines = CliRunner().invoke(app, ["approve", f"VS-1/{act}", *ME]).stdout.splitlines()
    assert lines[-3:] == [
        "Done and verified: Publish it. The status page says resolved.",
        "Asked now:",
        f"    allclear approve VS-1/{ACT} --as NAME --role on_call",
    ]


def test_scripts_get_the_outcome_as_json(responder: type[Responder]) -> None:
    """One document, and nothing beside it."""
    responder.records = (finished(ActStatus.VERIFIED, "Served by 41."), Contained(by="Roll back", finding=GOOD))
    printed = json.loads(approve("--json").stdout)
    assert (printed["act"], printed["outcome"]["status"], printed["contained"]) == (ACT, "verified", True)


def test_without_a_responder_nothing_is_waited_for(engine: Engine) -> None:
    """It says that nothing carries the change out, and how to start what does."""
    done = approve()
    assert done.exit_code == 0
    assert "Start it: allclear up" in done.output
    assert "It has no outcome yet. Follow it: allclear show VS-1" in done.output
    assert engine.conductor.incident("VS-1").asks[f"VS-1/{ACT}"].granted
