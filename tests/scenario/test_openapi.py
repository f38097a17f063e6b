"""/openapi.json as other programs read it: it is valid, and commands and their answers are as it describes them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from jsonschema import Draft202012Validator
from pydantic import SecretStr

from allclear.bootstrap import Engine
from allclear.commands.catalog import COMMANDS
from allclear.engine.people.declare import Declaration
from tests.scenario.test_commands import BODIES
from tests.unit.responder.responder_support import AUTH, engine_in, running_responder

Operations = list[tuple[str, str, dict[str, Any]]]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine that can sign, for all tests of this file."""
    engine = engine_in(tmp_path_factory.mktemp("openapi"), link_key=SecretStr("a-key-of-a-test"))
    yield engine
    engine.journal.close()


@pytest.fixture(scope="module")
def client(engine: Engine) -> Iterator[TestClient]:
    """A client of the responder, for all tests of this file."""
    with running_responder(engine) as client:
        yield client


@pytest.fixture(scope="module")
def description(client: TestClient) -> dict[str, Any]:
    """The document, as the responder answers with it."""
    return client.get("/openapi.json").json()


def operations(description: dict[str, Any]) -> Operations:
    """Return every operation: its method, its path and its description."""
    return [(method, path, one) for path, found in description["paths"].items() for method, one in found.items()]


def parts(value: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - any JSON
    """Yield every object in a JSON value."""
    if isinstance(value, dict):
        yield value
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from parts(one)


def resolved(description: dict[str, Any], reference: str) -> Any:  # noqa: ANN401 - any JSON
    """Return what a reference within the document refers to. Raises KeyError if it is nothing."""
    assert reference.startswith("#/"), reference
    found: Any = description
    for step in reference.removeprefix("#/").split("/"):
        found = found[step.replace("~1", "/").replace("~0", "~")]
    return found


def test_the_document_is_valid(description: dict[str, Any]) -> None:
    """Its version, references, schemas, ids, parameters and the schemes of its security.

    *Source:* spec.openapis.org, OpenAPI 3.1.0, "Operation Object", "Parameter Object" and "Schema Object", which is
    JSON Schema 2020-12.
    """
    assert description["openapi"].startswith("3.1.")
    assert {"title", "version"} <= set(description["info"])
    for part in parts(description):
        if isinstance(part.get("$ref"), str):
            resolved(description, part["$ref"])
        if isinstance(part.get("schema"), dict):
            Draft202012Validator.check_schema(part["schema"])
    for schema in description["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    ids = [one["operationId"] for _, _, one in operations(description)]
    assert len(set(ids)) == len(ids)
    schemes = set(description["components"]["securitySchemes"])
    for method, path, one in operations(description):
        where = [(option["name"], option["in"]) for option in one.get("parameters", [])]
        assert len(set(where)) == len(where), (method, path)
        assert {name for name, place in where if place == "path"} == set(re.findall(r"{(\w+)}", path)), (method, path)
        assert all(option["required"] for option in one.get("parameters", []) if option["in"] == "path")
        assert one["responses"], (method, path)
        assert {name for needed in one.get("security", []) for name in needed} <= schemes


@pytest.mark.parametrize("name", sorted(BODIES))
def test_the_body_of_each_command_fits_its_description(description: dict[str, Any], name: str) -> None:
    """What the tests of commands send is what the document describes; a field that is unknown is not."""
    of_incident = name in {command.name for command in COMMANDS}
    path = f"/incidents/{{incident_id}}/{name}" if of_incident else f"/{name}"
    body = description["paths"][path]["post"]["requestBody"]
    schema = body["content"]["application/json"]["schema"] | {"components": description["components"]}
    assert body["required"]
    Draft202012Validator(schema).validate(BODIES[name])
    assert not Draft202012Validator(schema).is_valid(BODIES[name] | {"surprise": 1})


def test_the_answers_of_commands_and_reports_fit_their_description(
    client: TestClient, engine: Engine, description: dict[str, Any]
) -> None:
    """Done, not identified, not allowed, unknown, refused, and a body that does not fit."""
    declared = Declaration(title="Errors", severity="P1", service="storefront", runbook="bad-deployment")
    incident = engine.people.declare(declared, engine.people.who("Ana", "on_call", "cli")).incident
    ana = {"Authorization": f"Bearer {engine.tokens.for_person('Ana', 'on_call')}", "Idempotency-Key": "1"}
    note, say = "/incidents/{incident_id}/note", {"text": "14 tickets"}
    declare = {"title": "More", "service": "storefront", "runbook": "bad-deployment", "severity": "P1"}
    calls: list[tuple[str, str, str, dict[str, Any], int]] = [
        ("post", note, f"/incidents/{incident}/note", {"json": say, "headers": ana}, 200),
        ("post", note, f"/incidents/{incident}/note", {"json": {"text": "another"}, "headers": ana}, 409),
        ("post", note, f"/incidents/{incident}/note", {"json": say}, 401),
        ("post", note, f"/incidents/{incident}/note", {"json": say, "headers": AUTH}, 403),
        ("post", note, "/incidents/VS-99/note", {"json": say, "headers": ana | {"Idempotency-Key": "3"}}, 404),
        ("post", note, f"/incidents/{incident}/note", {"json": {"words": 1}, "headers": ana}, 422),
        ("post", note, f"/incidents/{incident}/note", {"content": b"{", "headers": ana}, 422),
        ("post", note, f"/incidents/{incident}/note", {"content": b"x" * 2_000_000, "headers": ana}, 413),
        ("post", "/incidents", "/incidents", {"json": declare, "headers": ana}, 409),
        ("post", "/incidents", "/incidents", {"json": declare, "headers": ana | {"Idempotency-Key": "2"}}, 200),
        ("get", "/reports/show", f"/reports/show?incident={incident}", {"headers": ana}, 200),
        ("get", "/reports/show", "/reports/show?incident=VS-99", {"headers": AUTH}, 404),
        ("get", "/reports/show", "/reports/show?width=3", {"headers": AUTH}, 422),
        ("get", "/reports/show", f"/reports/show?incident={incident}", {}, 401),
    ]
    for method, route, path, sent, status in calls:
        response = client.request(method, path, **sent)
        assert response.status_code == status, (path, response.text)
        described = description["paths"][route][method]["responses"][str(status)]
        schema = described["content"]["application/json"]["schema"] | {"components": description["components"]}
        Draft202012Validator(schema).validate(response.json())
