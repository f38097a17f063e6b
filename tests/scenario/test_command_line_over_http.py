"""The command line as a client of the responder: the same sentences and errors as with the journal at hand."""

from __future__ import annotations

import importlib
import os
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from allclear.bootstrap import Engine
from allclear.cli import _MODULES, app, responder_client
from allclear.cli.responder_client import NoResponder, ResponderClient, find_responder
from allclear.domain.errors import AllclearError, VendorError
from allclear.domain.proof import Proof
from allclear.domain.records import Acknowledged, NoteAdded
from allclear.domain.text import signature
from allclear.engine.people.declare import Declaration
from allclear.settings import Settings
from tests.unit.responder.responder_support import engine_in, make_patient_app, served

KEY = "a-key-of-a-test"


@dataclass
class Desk:
    """A person at a terminal, with or without a responder that answers."""

    engine: Engine
    environment: dict[str, str]
    incident: str

    def types(self, *words: str, mixed: str = "", **more: str) -> tuple[str, str, str]:
        """Run a command and return what it prints, what it warns of, and the error that it ends with.

        With `mixed`, the first of them has both in the order in which a terminal shows them.
        """
        for name in _MODULES:
            importlib.import_module(f"allclear.cli.{name}")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ALLCLEAR_", "PREFECT_"))}
        with mock.patch.dict(os.environ, kept | self.environment | more, clear=True):
            result = CliRunner().invoke(app, list(words))
        error = result.exception
        text = f"{type(error).__name__}: {error}" if isinstance(error, AllclearError) else ""
        assert text or result.exit_code == 0, result.output
        return result.output if mixed else result.stdout, result.stderr, text


@pytest.fixture(params=["responder", "journal"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """Ana's terminal with her token: once a responder answers, once none does."""
    engine = engine_in(tmp_path, link_key=SecretStr(KEY))
    declared = Declaration(title="Errors", severity="P1", service="storefront", runbook="bad-deployment")
    incident = engine.people.declare(declared, engine.people.who("Ana", "on_call", "cli")).incident
    environment = {
        "ALLCLEAR_JOURNAL_URL": engine.settings.journal_url,
        "ALLCLEAR_LINK_KEY": KEY,
        "ALLCLEAR_TOKEN": engine.tokens.for_person("Ana", "on_call"),
        "ALLCLEAR_RESPONDER_URL": "http://127.0.0.1:9",
        "ALLCLEAR_PAGE_URL": engine.settings.public_url,
        "PREFECT_API_URL": "http://127.0.0.1:9/api",
        "COLUMNS": "300",
    }
    if request.param == "journal":
        yield Desk(engine, environment, incident)
    else:
        with served(make_patient_app(engine)) as port:
            # Another journal: a command that does not go through the responder would not find the incident.
            other = {"ALLCLEAR_RESPONDER_URL": f"http://127.0.0.1:{port}", "ALLCLEAR_JOURNAL_URL": "sqlite:////nowhere"}
            yield Desk(engine, environment | other, incident)
    engine.journal.close()


def test_both_ways_say_the_same(desk: Desk) -> None:
    """Sentences, errors and what proves the person are the same; only the direct way says that it is direct."""
    of = desk.incident
    said = [
        desk.types("note", of, "14 tickets"),
        desk.types("decide", of, "we stop", "--reason", "it fails"),
        desk.types("severity", of, "P0", "--reason", "all users"),
        desk.types("severity", of, "P9", "--reason", "x"),
        desk.types("hold", of, "--reason", "we look first"),
        desk.types("hold", of, "--reason", "again")[2].split(", by Ana")[:1],
        desk.types("release", of),
        desk.types("release", of),
        desk.types("undo", of, "contain/nothing", "--yes"),
        desk.types("approve", f"{of}/contain/nothing"),
        desk.types("approve", of),
        desk.types("note", "VS-99", "x"),
        desk.types("note", of, "x", "--as", "Bo"),
        desk.types("follow-up", of, "test it", "--owner", "Ben"),
        desk.types("false-alarm", of, "--reason", "it was well"),
    ]
    release = f"allclear release {of} {signature(desk.engine.company.plan)}"
    held = (
        f"{of} is held: nothing automatic happens in it. What people approve is still done. "
        f"When automatic action may go on: {release}\n"
    )
    other = "NotAllowed: Your token is for Ana, not for Bo. Leave the name out, or use your own token: ALLCLEAR_TOKEN."
    direct = "No responder of vintstreet answers at ALLCLEAR_RESPONDER_URL; the journal is written directly.\n"
    warned = {one[1] for one in said if isinstance(one, tuple)}
    assert warned == ({direct} if desk.environment["ALLCLEAR_RESPONDER_URL"].endswith(":9") else {""})
    assert [one if isinstance(one, list) else (one[0], one[2]) for one in said] == [
        (f"Noted in {of}.\n", ""),
        (f"The decision is recorded in {of}.\n", ""),
        (f"{of} is P0 now (was P1).\n", ""),
        ("", "NotFound: The plan has no severity 'P9'. It has: P0, P1, P2, P3."),
        (held, ""),
        [f"WrongState: {of} is held already"],
        (f"{of} is released: automatic action goes on.\n", ""),
        ("", f"WrongState: {of} is not held. Read it: allclear show {of}."),
        ("", f"NotFound: There is no act contain/nothing in {of}. Still in place: nothing."),
        ("", f"NotFound: {of}/contain/nothing was never asked. Nothing is asked now. Read on: allclear show {of}."),
        ("", f'NotFound: No question in {of} waits for "approve". Read on: allclear show {of}.'),
        ("", "NotFound: There is no incident VS-99 in this journal. `allclear incidents` lists the incidents."),
        ("", other),
        said[-2] if isinstance(said[-2], list) else (said[-2][0], ""),
        (f"{of} ended as a false alarm.\n", ""),
    ]
    (note,) = [one for one in desk.engine.journal.entries(of) if isinstance(one.record, NoteAdded)]
    assert (note.by.actor, note.by.via, note.by.proof) == ("Ana", "cli", Proof.TOKEN)


READING: tuple[tuple[str, ...], ...] = (
    (),
    ("incidents",),
    ("incidents", "--json"),
    ("show", "VS-1"),
    ("show", "VS-1", "--all"),
    ("show", "VS-1", "--why"),
    ("show", "VS-1", "--json"),
    ("show", "VS-1", "--why", "--json"),
    ("show", "VS-99"),
    ("verify", "VS-1"),
    ("in-place",),
    ("in-place", "--json"),
    ("postmortem", "VS-1"),
    ("postmortem", "VS-1", "--html"),
    ("on-call",),
)
"""What people read at the terminal."""


def test_who_has_no_journal_reads_the_same(desk: Desk) -> None:
    """Each reading command prints the same text and the same JSON through the responder as with the journal."""
    assert desk.incident == "VS-1"
    desk.types("note", "VS-1", "14 [red]tickets[/red]")
    direct = {"ALLCLEAR_JOURNAL_URL": desk.engine.settings.journal_url, "ALLCLEAR_TOKEN": ""}
    for words in READING:
        shown, with_journal = (_timeless(desk.types(*words, **more)) for more in ({}, direct))
        assert (shown[0], shown[2]) == (with_journal[0], with_journal[2]), words
        assert with_journal[1] == ""
        assert shown[0] or shown[2] or words == ("on-call",)
        here = "No responder of vintstreet answers at ALLCLEAR_RESPONDER_URL; the journal is read directly.\n"
        assert shown[1] == (here if desk.environment["ALLCLEAR_RESPONDER_URL"].endswith(":9") else "")
    assert "14 [red]tickets[/red]" in desk.types("show", "VS-1")[0]


def _timeless(said: tuple[str, str, str]) -> list[str]:
    """Return what was said without the lengths of time that pass between two commands."""
    return [re.sub(r"([\d.]+ ?(s|m|min|seconds?|minutes?)\b ?)+", "...", part) for part in said]


def test_an_unknown_incident_is_not_found_whichever_way(desk: Desk) -> None:
    """The answer of a route that only reads is understood, too."""
    assert desk.types("approve", "VS-99")[2].startswith("NotFound: There is no incident VS-99")


def test_the_responder_of_another_company_or_production_gets_no_token(tmp_path: Path) -> None:
    """The token is sent only to a responder that has said that it works on ours."""
    engine = engine_in(tmp_path)
    with served(make_patient_app(engine)) as port:
        settings = Settings(responder_url=f"http://127.0.0.1:{port}", token=SecretStr("x"))
        assert isinstance(find_responder(settings, None, None), ResponderClient)
        acme = settings.model_copy(update={"company": "acme"})
        drill = settings.model_copy(update={"simulation": tmp_path / "simulation.json"})
        for wrong, why, mismatch in (
            (acme, "is of vintstreet, not of acme", "Set ALLCLEAR_COMPANY to vintstreet"),
            (drill, "works on the real production, and ALLCLEAR_SIMULATION is set here", "unset ALLCLEAR_SIMULATION"),
        ):
            found = find_responder(wrong, None, None)
            assert isinstance(found, NoResponder)
            assert why in found.why
            assert mismatch in found.mismatch
    engine.journal.close()


def test_a_simulated_responder_is_not_said_to_be_away(tmp_path: Path) -> None:
    """The terminal lacks ALLCLEAR_SIMULATION: the sentence names it, and nothing is written anywhere."""
    simulation = tmp_path / "simulation.json"
    simulation.write_text('{"endpoints": {}, "control": "", "secrets": {}}')
    engine = engine_in(tmp_path, link_key=SecretStr(KEY), simulation=simulation)
    with served(make_patient_app(engine)) as port:
        laptop = Desk(engine, _laptop(tmp_path, port, engine.tokens.for_person("Ana", "on_call")), "VS-1")
        _, warned, error = laptop.types("note", "VS-1", "x")
    assert not warned
    assert "works on a simulated production, and ALLCLEAR_SIMULATION is not set here, and there is no journal" in error
    assert "set ALLCLEAR_SIMULATION as the terminal of `allclear up --simulated` prints it" in error
    assert not (tmp_path / "laptop").exists()
    engine.journal.close()


def _laptop(tmp_path: Path, port: int, token: str) -> dict[str, str]:
    """Return the environment of a laptop with a token alone: it has neither a journal nor the key of links."""
    return {
        "ALLCLEAR_JOURNAL_URL": f"sqlite:///{tmp_path}/laptop/journal.db",
        "ALLCLEAR_TOKEN": token,
        "ALLCLEAR_RESPONDER_URL": f"http://127.0.0.1:{port}",
        "PREFECT_API_URL": "http://127.0.0.1:9/api",
        "COLUMNS": "300",
    }


def test_a_laptop_with_a_token_alone_acts_through_the_responder(tmp_path: Path) -> None:
    """It declares, notes and reads; no journal is made there, and what only the responder's machine can do says so."""
    engine = engine_in(tmp_path, link_key=SecretStr(KEY))
    with served(make_patient_app(engine)) as port:
        laptop = Desk(engine, _laptop(tmp_path, port, engine.tokens.for_person("Ana", "on_call")), "VS-1")
        declared = ("respond", "Errors", "--service", "storefront", "--runbook", "bad-deployment", "--severity", "P1")
        assert laptop.types(*declared)[0].startswith("VS-1 is open. Follow it: ")
        assert laptop.types(*declared)[0].startswith("VS-1 was open already for the same service and runbook, so ")
        assert laptop.types("note", "VS-1", "14 tickets") == ("Noted in VS-1.\n", "", "")
        assert "14 tickets" in laptop.types("show", "VS-1")[0]
        assert "so no link can be signed here. Open the incident's page" in laptop.types("link", "VS-1")[2]
    assert not (tmp_path / "laptop").exists()
    engine.journal.close()


@pytest.mark.parametrize(
    "words",
    [
        ("note", "VS-1", "x"),
        ("respond", "Errors", "--service", "storefront", "--runbook", "bad-deployment"),
        ("approve",),
        ("undo", "VS-1", "contain/x"),
        ("act", "vintstreet", "maintenance.enable", "service=storefront", "--reason", "x"),
        ("take-over", "on_call"),
        ("incidents",),
    ],
)
def test_a_laptop_whose_responder_is_away_is_told_so_and_gets_no_empty_journal(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    """A journal that a command makes there would say "no incident is open" from then on."""
    engine = engine_in(tmp_path, link_key=SecretStr(KEY))
    laptop = Desk(engine, _laptop(tmp_path, 9, engine.tokens.for_person("Ana", "on_call")), "VS-1")
    printed, warned, error = laptop.types(*words)
    assert (printed, warned) == ("", "")
    assert error.startswith("NotFound: No responder of vintstreet answers at ALLCLEAR_RESPONDER_URL, and there is no")
    assert "Check ALLCLEAR_RESPONDER_URL (http://127.0.0.1:9), and whether the responder runs." in error
    assert not (tmp_path / "laptop").exists()
    engine.journal.close()


@pytest.mark.parametrize("words", [("note", "VS-1", "x"), ("in-place",)])
def test_without_a_token_and_without_a_journal_both_are_named(tmp_path: Path, words: tuple[str, ...]) -> None:
    """The next step says what would let the command go through the responder."""
    engine = engine_in(tmp_path)
    laptop = Desk(engine, _laptop(tmp_path, 9, ""), "VS-1")
    assert "Check ALLCLEAR_JOURNAL_URL, or set ALLCLEAR_TOKEN to your personal token" in laptop.types(*words)[2]
    assert not (tmp_path / "laptop").exists()
    engine.journal.close()


def test_an_answer_that_is_lost_is_asked_for_once_more(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The first answer is lost after the command was carried out: it is sent again with its key, and written once."""
    engine = engine_in(tmp_path, link_key=SecretStr(KEY))
    declared = Declaration(title="Errors", severity="P1", service="storefront", runbook="bad-deployment")
    incident = engine.people.declare(declared, engine.people.who("Bo", "on_call", "cli")).incident
    real, lost = responder_client.request, [1]

    def once_lost(*arguments: object) -> tuple[int, bytes]:
        answer = real(*arguments)  # type: ignore[arg-type]
        if lost.pop() if lost else 0:
            raise ConnectionResetError
        return answer

    monkeypatch.setattr(responder_client, "request", once_lost)
    with served(make_patient_app(engine)) as port:
        client = ResponderClient(f"http://127.0.0.1:{port}", engine.tokens.for_person("Ana", "on_call"))
        answer = client.send(f"/incidents/{incident}/acknowledge")
    assert "acknowledged by Ana" in answer["sentence"]
    assert sum(isinstance(one.record, Acknowledged) for one in engine.journal.entries(incident)) == 1
    engine.journal.close()


def test_a_proxy_that_answers_with_a_page_is_named() -> None:
    """HTML is no answer of ours; the next step says how to go on."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\n\r\n<html>")

        thread = threading.Thread(target=answer)
        thread.start()
        client = ResponderClient(f"http://127.0.0.1:{server.getsockname()[1]}", "x")
        with pytest.raises(VendorError, match="not allclear's responder, or a proxy"):
            client.send("/incidents/VS-1/acknowledge")
        thread.join()


@pytest.mark.parametrize(
    ("missing", "warns", "proof"),
    [
        ((), "", Proof.TOKEN),
        (("ALLCLEAR_TOKEN",), "ALLCLEAR_TOKEN is not set, so the journal is written directly", Proof.CLAIMED),
        (("ALLCLEAR_LINK_KEY",), "ALLCLEAR_LINK_KEY is not set here, so", Proof.CLAIMED),
        (("ALLCLEAR_TOKEN", "ALLCLEAR_LINK_KEY"), "ALLCLEAR_TOKEN is not set, so", Proof.CLAIMED),
    ],
)
@pytest.mark.parametrize("desk", ["journal"], indirect=True)
def test_a_name_that_is_only_claimed_is_said_with_the_reason(
    desk: Desk, missing: tuple[str, ...], warns: str, proof: Proof
) -> None:
    """On standard error: a person would believe to be proven, and learn of it at the first approval that needs it."""
    for name in missing:
        del desk.environment[name]
    printed, warned, error = desk.types(
        "note", desk.incident, "Support has 14 tickets", "--as", "Ana", "--role", "on_call"
    )
    assert not error
    assert "only claimed" not in printed
    assert (f"Your name is only claimed: {warns}" in warned) is bool(warns)
    assert ("only claimed" in warned) is bool(warns)
    last = desk.engine.journal.entries(desk.incident)[-1]
    assert last.by.proof is proof


@pytest.mark.parametrize("desk", ["journal"], indirect=True)
def test_that_a_name_is_only_claimed_follows_what_was_done_and_stands_before_no_error(desk: Desk) -> None:
    """A person who reads an error first must not read about the proof of a name."""
    del desk.environment["ALLCLEAR_TOKEN"]
    name = ("--as", "Ana", "--role", "on_call")
    warned = "Your name is only claimed"
    for words in (("note", "VS-99", "x"), ("hold", desk.incident), ("approve", f"{desk.incident}/contain/nothing")):
        _, remark, error = desk.types(*words, *name)
        assert error
        assert warned not in remark
    both = desk.types("hold", desk.incident, "--reason", "x", *name, mixed="yes")[0]
    assert both.index("is held") < both.index(warned)
    assert both.rstrip().endswith("makes one.")
