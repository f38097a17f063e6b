"""A private incident over HTTP: outsiders and the shared token read nothing of what it is about."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from allclear.bootstrap import Engine
from allclear.engine.people.declare import Declaration
from tests.scenario.private_support import private
from tests.unit.responder.responder_support import AUTH, engine_in, running_responder

CANARY = "canary-4711"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine that can sign, whose incidents only the CTO may read."""
    engine = engine_in(tmp_path, company=private(), link_key=SecretStr("a-key-of-a-test"))
    yield engine
    engine.journal.close()


@pytest.fixture
def client(engine: Engine) -> Iterator[TestClient]:
    """A client of the responder."""
    with running_responder(engine) as client:
        yield client


def test_outsiders_read_nothing_over_http(client: TestClient, engine: Engine) -> None:
    """The shared token reads the id alone; a signed-in outsider is turned away and finds it in no list."""
    ana = engine.people.who("Ana", "on_call", "cli")
    declared = Declaration(f"Keys on {CANARY}", "P0", "storefront", "bad-deployment")
    incident = engine.people.declare(declared, ana).incident
    shown = [client.get("/incidents", headers=AUTH), client.get(f"/incidents/{incident}", headers=AUTH)]
    reports = ("overview", "incidents", "in-place", f"show?incident={incident}", f"post-mortem?incident={incident}")
    shown += [client.get(f"/reports/{report}", headers=AUTH) for report in reports]
    assert [one.status_code for one in shown[2:]] == [200, 200, 200, 403, 403]
    assert all(incident in one.text for one in (shown[2], shown[3]))
    for person, role in (("Cleo", "scribe"), ("Ana", "on_call")):
        signed_in = {"Authorization": f"Bearer {engine.tokens.for_person(person, role)}"}
        page, listed = client.get(f"/i/{incident}", headers=signed_in), client.get("/i", headers=signed_in)
        read = [client.get(f"/reports/{report}", headers=signed_in) for report in reports]
        if person == "Cleo":
            shown += [page, listed, *read]
            assert "is private, and not for Cleo" in read[3].text
            assert page.status_code == 403
            assert "is private, and not for Cleo" in page.text
            forms = [
                client.get(f"/i/{incident}/{command}", headers=signed_in) for command in ("resolve", "act", "note")
            ]
            assert {form.status_code for form in forms} == {403}
            shown += forms
            note = client.post(f"/incidents/{incident}/note", json={"text": "x"}, headers=signed_in)
            assert (note.status_code, "is private" in note.text) == (403, True)
        else:
            assert CANARY in page.text
            assert CANARY in listed.text
            assert all(CANARY in one.text for one in (*read[:2], *read[3:]))
    for response in shown:
        assert CANARY not in response.text
    assert incident in shown[0].text
