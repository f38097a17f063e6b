"""The routes through which people act: who may, what a repetition does, and how an error looks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from allclear.bootstrap import Engine
from allclear.domain.proof import Proof
from allclear.domain.records import NoteAdded
from allclear.engine.people.declare import Declaration
from tests.unit.responder.responder_support import AUTH, engine_in, running_responder


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine that can sign."""
    engine = engine_in(tmp_path, link_key=SecretStr("a-key-of-a-test"))
    yield engine
    engine.journal.close()


@pytest.fixture
def client(engine: Engine) -> Iterator[TestClient]:
    """A client of the responder."""
    with running_responder(engine) as client:
        yield client


@pytest.fixture
def incident(engine: Engine) -> str:
    """An incident that Ana declared."""
    declared = Declaration(title="Errors", severity="P1", service="storefront", runbook="bad-deployment")
    return engine.people.declare(declared, engine.people.who("Ana", "on_call", "cli")).incident


def of(engine: Engine, name: str, role: str = "on_call") -> dict[str, str]:
    """Return the header with a person's token."""
    return {"Authorization": f"Bearer {engine.tokens.for_person(name, role)}"}


def test_a_note_is_written_once_in_the_name_of_the_token(client: TestClient, engine: Engine, incident: str) -> None:
    """The answer to the first request is lost, so it is sent again with its key: one entry, the same sentence."""
    headers = of(engine, "Ana") | {"Idempotency-Key": "1"}
    answers = [
        client.post(f"/incidents/{incident}/note", json={"text": "Support has 14 tickets"}, headers=headers)
        for _ in range(3)
    ]
    assert [(one.status_code, one.json()) for one in answers] == [(200, {"sentence": f"Noted in {incident}."})] * 3
    (entry,) = [one for one in engine.journal.entries(incident) if isinstance(one.record, NoteAdded)]
    assert (entry.by.actor, entry.by.role, entry.by.via, entry.by.proof) == ("Ana", "on_call", "api", Proof.TOKEN)


def test_two_peoples_keys_never_meet_and_a_key_is_for_one_request(
    client: TestClient, engine: Engine, incident: str
) -> None:
    """Ben's key "1" is not Ana's; Ana's key for another text is refused, because her second text would be lost."""
    path = f"/incidents/{incident}/note"
    for name in ("Ana", "Ben"):
        headers = of(engine, name) | {"Idempotency-Key": "1"}
        assert client.post(path, json={"text": "one"}, headers=headers).status_code == 200
    again = client.post(path, json={"text": "two"}, headers=of(engine, "Ana") | {"Idempotency-Key": "1"})
    assert (again.status_code, again.json()["error"]) == (409, "Refused")
    texts = [one.record.text for one in engine.journal.entries(incident) if isinstance(one.record, NoteAdded)]
    assert texts == ["one", "one"]


def test_the_token_of_alerts_may_read_and_may_not_act(client: TestClient, incident: str) -> None:
    """It does not say who sends it."""
    assert client.get(f"/incidents/{incident}", headers=AUTH).status_code == 200
    refused = client.post(f"/incidents/{incident}/note", json={"text": "x"}, headers=AUTH)
    assert refused.status_code == 403
    assert "allclear token" in refused.json()["next_step"]


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer forged", "Basic YTpi"])
def test_without_a_valid_token_nothing_is_done(client: TestClient, engine: Engine, incident: str, header: str) -> None:
    """A missing, empty or forged token is refused, for reading and for acting."""
    before, headers = engine.conductor.incident(incident).length, {"Authorization": header} if header else {}
    refused = client.post(f"/incidents/{incident}/note", json={"text": "x"}, headers=headers)
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert client.get(f"/incidents/{incident}", headers=headers).status_code == 401
    assert engine.conductor.incident(incident).length == before


def test_every_answer_that_is_no_success_has_one_body(client: TestClient, engine: Engine, incident: str) -> None:
    """The command line and other programs read one shape: what is wrong, what to do next, and which error it is."""
    ana, no_one, large = of(engine, "Ana"), dict[str, str](), "x" * 1_100_000
    for method, path, headers, body, status, error in (
        ("GET", "/incidents/VS-99", AUTH, "", 404, "NotFound"),
        ("GET", f"/incidents/{incident}", of(engine, "Ana") | {"Allclear-Role": "cto"}, "", 403, "NotAllowed"),
        ("GET", "/incidents?limit=many", AUTH, "", 422, "ConfigError"),
        ("GET", "/incidents", no_one, "", 401, "NotAllowed"),
        ("GET", "/alerts", no_one, "", 401, "NotAllowed"),
        ("GET", "/alerts/nothing", AUTH, "", 404, "NotFound"),
        ("POST", "/alerts/nothing", AUTH, "{}", 404, "NotFound"),
        ("POST", "/alerts/json", no_one, "{}", 401, "NotAllowed"),
        ("POST", "/alerts/json", AUTH, '{"a": NaN}', 400, "ConfigError"),
        ("POST", "/alerts/json", AUTH, large, 413, "Refused"),
        ("POST", f"/incidents/{incident}/note", ana, large, 413, "Refused"),
        ("POST", f"/incidents/{incident}/note", ana, "{", 422, "ConfigError"),
        ("POST", f"/incidents/{incident}/release", ana, "", 409, "WrongState"),
        ("GET", "/reports/show?incident=VS-99", ana, "", 404, "NotFound"),
        ("GET", "/nowhere", no_one, "", 404, "NotFound"),
        ("DELETE", "/incidents", ana, "", 405, "Refused"),
    ):
        answer = client.request(method, path, headers=headers, content=body)
        said = answer.json()
        assert (answer.status_code, said["error"]) == (status, error), (method, path, said)
        assert said.keys() == {"detail", "next_step", "error", "candidates"}
        assert said["detail"], path
        assert said["next_step"].endswith(".") or said["next_step"].startswith("Send"), (path, said)


def test_one_guard_admits_everyone_with_a_token(client: TestClient, engine: Engine) -> None:
    """Alerts, incidents and reports are read with the token of alerts, a person's or a program's."""
    program = {"Authorization": f"Bearer {engine.tokens.for_program('night-watch')}"}
    for headers in (AUTH, of(engine, "Ana"), program):
        for path in ("/alerts", "/incidents", "/reports/incidents", "/metrics"):
            assert client.get(path, headers=headers).status_code == 200, path
    client.post("/alerts/json", headers=AUTH, json={"key": "x", "title": "x"})
    refused = client.post("/alerts/1/retry", headers=program)
    assert (refused.status_code, "only reads and proposes" in refused.json()["detail"]) == (403, True)
