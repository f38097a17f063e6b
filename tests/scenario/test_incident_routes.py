"""The routes of incidents, and the description of all routes in /openapi.json."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import jsonschema
from fastapi.testclient import TestClient
from pydantic import SecretStr

from allclear.bootstrap import Engine
from allclear.commands.catalog import BY_NAME, COMMANDS, COMPANY_COMMANDS
from allclear.domain.runbook import Phase
from allclear.engine.response.moves import Wait
from allclear.reports.catalog import REPORTS
from allclear.responder.app import make_app
from tests.contract.simulator_support import Simulated
from tests.scenario.response_support import (
    ALERT,
    MACHINE,
    announced,
    broken,
    engine_on,
    new_journal,
    respond,
    run_phase,
)
from tests.unit.responder.responder_support import (
    AUTH,
    PAYMENTS,
    TOKEN,
    open_incidents_of_other_scopes,
    running_responder,
    send,
)


@asynccontextmanager
async def client_without_workers(engine: Engine) -> AsyncGenerator[httpx.AsyncClient]:
    """Yield a client of the routes. The background workers do not run: the test makes the moves itself."""
    app = make_app(engine, SecretStr(TOKEN))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://responder", headers=AUTH
    ) as client:
        yield client


async def test_the_current_state_of_an_incident_is_shown(tmp_path: Path) -> None:
    """GET /incidents/ID has the open questions, the changes in place, the deadlines and the lead, until the end."""
    async with Simulated(broken()) as sim:
        engine = engine_on(new_journal(tmp_path), announced(sim, tmp_path))
        async with client_without_workers(engine) as http:
            incident = engine.intake.take(ALERT, "delivery-1").incident
            assert incident is not None
            page = (await http.get(f"/incidents/{incident}")).json()
            assert (page["lead"], page["phase"], page["open_asks"]) == (None, None, [])
            (due,) = [one for one in page["next_deadlines"] if one["what"] == "target"]
            assert (due["title"], due["missed"]) == ("respond", False)
            (line,) = (await http.get("/incidents")).json()
            assert line["next_deadline"] == page["next_deadlines"][0]
            await run_phase(engine, sim.world, incident, Phase.DETECT)
            engine.people.take_role(incident, "incident_commander", engine.people.who("Ana", "on_call", "cli"))
            assert isinstance(await engine.conductor.run(incident, Phase.CONTAIN, MACHINE), Wait)
            page = (await http.get(f"/incidents/{incident}")).json()
            assert (page["phase"], page["severity"], page["service"]) == ("contain", "P0", "storefront")
            assert (page["lead"], page["simulated"], page["contained_at"]) == ("Ana", True, None)
            asks = {one["id"]: one for one in page["open_asks"] if one["kind"] == "approval"}
            assert set(asks) == {f"{incident}/contain/roll-back", f"{incident}/contain/status-page"}
            ask = asks[f"{incident}/contain/roll-back"]
            assert (bool(ask["title"]), "On-Call" in ask["asked"]) == (True, True)
            assert [left["what"] for left in page["in_place"]] == ["page open"]
            (line,) = (await http.get("/incidents?open=true")).json()
            assert (line["id"], line["open_asks"], line["lead"]) == (incident, len(page["open_asks"]), "Ana")
            await run_phase(engine, sim.world, incident, Phase.CONTAIN)
            page = (await http.get(f"/incidents/{incident}")).json()
            (left,) = [one for one in page["in_place"] if one["act"] == "contain/roll-back"]
            assert (left["act"], left["status"], page["status"]) == ("contain/roll-back", "verified", "CONTAINED")
            await respond(engine, sim.world)
            page = (await http.get(f"/incidents/{incident}")).json()
            assert (page["status"], page["open_asks"], page["in_place"]) == ("RESOLVED", [], [])
            assert page["opened_at"] < page["contained_at"] < page["recovered_at"] <= page["ended_at"]
            assert (await http.get("/incidents?open=true")).json() == []
        await engine.close()


def test_an_incident_of_another_scope_is_not_shown(client: TestClient, engine: Engine) -> None:
    """If two companies and a drill share a journal, each shows its own incidents; without the token none is shown."""
    theirs, drill = open_incidents_of_other_scopes(engine)
    ours = send(client, PAYMENTS)["incident"]
    assert [one["id"] for one in client.get("/incidents", headers=AUTH).json()] == [ours]
    for other in (theirs, drill):
        assert client.get(f"/incidents/{other}", headers=AUTH).status_code == 404
    assert client.get("/incidents").status_code == 401
    assert client.get(f"/incidents/{ours}").status_code == 401
    assert client.get("/incidents?limit=0", headers=AUTH).status_code == 422


def test_the_gauge_of_open_incidents_counts_its_own_scope(engine: Engine) -> None:
    """The open incidents of another company and of a drill are in neither the gauge nor its open questions."""
    open_incidents_of_other_scopes(engine)
    with running_responder(engine) as client:
        assert 'allclear_open_incidents{severity="P0"} 0.0' in client.get("/metrics", headers=AUTH).text
        send(client, PAYMENTS)
        assert 'allclear_open_incidents{severity="P0"} 1.0' in client.get("/metrics", headers=AUTH).text


COMMAND_STATUSES = {"200", "401", "403", "404", "409", "413", "422", "502", "503"}
ROUTES = {
    ("post", "/alerts/{source}"): {"202", "400", "401", "403", "404", "413", "503"},
    ("options", "/alerts/{source}"): {"200", "404", "405"},
    ("get", "/alerts"): {"200", "401", "422", "503"},
    ("get", "/alerts/{delivery}"): {"200", "401", "404", "503"},
    ("post", "/alerts/{delivery}/retry"): {"202", "401", "403", "404", "409", "503"},
    ("get", "/incidents"): {"200", "401", "422", "503"},
    ("get", "/incidents/{incident_id}"): {"200", "401", "404", "503"},
    ("get", "/healthz"): {"200"},
    ("get", "/readyz"): {"200", "503"},
    ("get", "/metrics"): {"200", "401"},
    ("post", "/twilio/keys"): {"200", "401", "403", "503"},
    ("post", "/slack/commands"): {"200", "400", "401", "403", "503"},
    ("post", "/slack/interactions"): {"200", "400", "401", "403", "503"},
} | {
    ("post", path): COMMAND_STATUSES
    for path in (
        *(f"/incidents/{{incident_id}}/{command.name}" for command in COMMANDS),
        *(f"/{command.name}" for command in COMPANY_COMMANDS),
        "/incidents/{incident_id}/preview-undo",
        "/preview-act",
    )
}
ROUTES |= {("get", f"/reports/{report.name}"): {"200", "401", "403", "404", "422", "503"} for report in REPORTS}


TITLES = {command.title for command in BY_NAME.values()}


def test_the_description_has_every_route_and_its_responses(client: TestClient) -> None:
    """/openapi.json describes each route, its parameters and all its responses, and marks routes that need a token."""
    description = client.get("/openapi.json").json()
    found = {
        (method, path): set(operation["responses"])
        for path, operations in description["paths"].items()
        for method, operation in operations.items()
    }
    assert found == ROUTES
    guarded = set[str]()
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            # FastAPI's default is the function's name.
            assert len(operation["summary"].split()) > 2 or operation["summary"] in TITLES, (method, path)
            assert operation["description"].endswith("."), (method, path)
            texts = {response["description"] for response in operation["responses"].values()}
            assert not {"Successful Response", "Validation Error"} & texts, (method, path)
            assert all(option.get("description") for option in operation.get("parameters", [])), (method, path)
            guarded |= {path} if operation.get("security") else set()
    signed = {path for _, path in ROUTES if path.startswith(("/slack/", "/twilio/"))}
    assert guarded == {path for _, path in ROUTES} - signed - {
        "/alerts/cloudevents",
        "/alerts/{source}",
        "/healthz",
        "/readyz",
    }


def test_the_responses_fit_their_description(client: TestClient) -> None:
    """Each response fits the schema that /openapi.json has for its route and status."""
    description = client.get("/openapi.json").json()
    sent = send(client, PAYMENTS)
    client.post("/alerts/json", content=b"{", headers=AUTH)
    incident = sent["incident"]
    calls: list[tuple[str, str, str, dict[str, Any]]] = [
        ("post", "/alerts/{source}", "/alerts/json", {"json": PAYMENTS, "headers": AUTH}),
        ("post", "/alerts/{source}", "/alerts/json", {"json": PAYMENTS}),
        ("post", "/alerts/{source}", "/alerts/grafana", {"json": PAYMENTS}),
        ("post", "/alerts/{source}", "/alerts/pigeon", {"json": PAYMENTS}),
        ("post", "/alerts/{source}", "/alerts/json", {"content": b"x" * (1024 * 1024 + 1), "headers": AUTH}),
        ("get", "/alerts", "/alerts", {"headers": AUTH}),
        ("get", "/alerts", "/alerts?state=x", {"headers": AUTH}),
        ("get", "/alerts/{delivery}", f"/alerts/{sent['id']}", {"headers": AUTH}),
        ("get", "/alerts/{delivery}", "/alerts/x", {"headers": AUTH}),
        ("post", "/alerts/{delivery}/retry", f"/alerts/{sent['id']}/retry", {"headers": AUTH}),
        ("get", "/incidents", "/incidents", {"headers": AUTH}),
        ("get", "/incidents/{incident_id}", f"/incidents/{incident}", {"headers": AUTH}),
        ("get", "/incidents/{incident_id}", "/incidents/x", {"headers": AUTH}),
        ("get", "/healthz", "/healthz", {}),
        ("get", "/readyz", "/readyz", {}),
    ]
    statuses: list[int] = []
    for method, route, path, arguments in calls:
        response = client.request(method, path, **arguments)
        statuses.append(response.status_code)
        described = description["paths"][route][method]["responses"][str(response.status_code)]
        schema = described["content"]["application/json"]["schema"] | {"components": description["components"]}
        jsonschema.validate(response.json(), schema)
    assert statuses == [202, 401, 403, 404, 413, 200, 422, 200, 404, 409, 200, 200, 404, 200, 200]


def test_fastapis_own_pages_are_not_served(client: TestClient) -> None:
    """FastAPI's pages load scripts from another site, so they are off."""
    assert {client.get(path).status_code for path in ("/docs", "/redoc")} == {404}


def test_the_scheme_of_the_token_counts_in_any_case(client: TestClient) -> None:
    """Some proxies and clients write it in lower case; a scheme of other letters is refused and breaks nothing."""
    token = AUTH["Authorization"].removeprefix("Bearer ")
    answers = {"bearer " + token: 200, "BEARER " + token: 200, "bearer " + token.upper(): 401, "\xff x": 401}
    for header, status in answers.items():
        request = client.build_request("GET", "/incidents", headers=[(b"authorization", header.encode("latin-1"))])
        assert client.send(request).status_code == status
