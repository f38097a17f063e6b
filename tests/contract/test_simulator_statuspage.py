"""The simulated Statuspage, checked against the published description."""

# ruff: noqa: ANN401 - the vendors' answers can be anything

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import jsonschema
import pytest

from tests.contract.simulator_support import Simulated, fault, quick, recorded, specification

_INCIDENT = {
    "name": "Payment Processing Issues",
    "status": "investigating",
    "body": "We are looking into it.",
    "metadata": {"allclear": {"intent": "in-1"}},
}


@asynccontextmanager
async def _page(simulation: Simulated, page: str = "vintstreet") -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        base_url=f"{simulation.endpoints['statuspage']}/v1/pages/{page}",
        headers={"authorization": f"OAuth {simulation.secrets['statuspage']}"},
    ) as client:
        yield client


def _conforms(answer: Any, name: str) -> None:
    schemas = specification("statuspage.openapi.json")["components"]["schemas"]
    # The mirror writes one type with a capital letter and knows no null, which the API answers with.
    answer = {k: v for k, v in answer.items() if v is not None}
    schemas["Incident"]["properties"]["metadata"]["type"] = "object"
    schemas["Component"]["properties"]["group_id"]["type"] = ["string", "null"]
    root = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}
    jsonschema.validate(answer, root)


async def test_incident_is_opened_updated_and_resolved() -> None:
    """Customers see each update, newest first, and the component recover."""
    async with Simulated(quick("healthy")) as sim, _page(sim) as page:
        components = (await page.get("/components")).json()
        payments = next(c["id"] for c in components if c["name"] == "Payments")
        down = _INCIDENT | {"components": {payments: "major_outage"}}
        opened = await page.post("/incidents", json={"incident": down})
        assert opened.status_code == 201
        incident = opened.json()
        assert (incident["impact"], incident["metadata"]) == ("critical", _INCIDENT["metadata"])
        unresolved = (await page.get("/incidents/unresolved")).json()
        assert [i["id"] for i in unresolved] == [incident["id"]]
        over = {"status": "resolved", "body": "Over.", "components": {payments: "operational"}}
        url = f"/incidents/{incident['id']}"
        assert (await page.patch(url, json={"incident": over})).status_code == 200
        shown = (await page.get(url)).json()
        assert [u["body"] for u in shown["incident_updates"]] == ["Over.", _INCIDENT["body"]]
        assert shown["resolved_at"]
        assert (await page.get("/incidents/unresolved")).json() == []
        assert {c["status"] for c in (await page.get("/components")).json()} == {"operational"}
        assert len((await page.get("/incidents")).json()) == 1
        assert len(recorded(sim, "status_post")) == 2


async def test_answers_fit_the_published_description() -> None:
    """An incident, its update and a component fit their schemas."""
    async with Simulated(quick("healthy")) as sim, _page(sim) as page:
        incident = (await page.post("/incidents", json={"incident": _INCIDENT})).json()
        component = (await page.get("/components")).json()[0]
        count = (await page.get("/subscribers/count")).json()
        path, draft = f"/incidents/{incident['id']}/postmortem", {"postmortem": {"body_draft": "Why."}}
        assert (await page.put(path, json=draft)).status_code == 400  # it is not resolved
        assert (await page.get(path)).status_code == 404
        await page.patch(f"/incidents/{incident['id']}", json={"incident": {"status": "resolved"}})
        assert (await page.get(path)).status_code == 404
        drafted = (await page.put(path, json=draft)).json()
        published = (await page.put(f"{path}/publish", json={"postmortem": {"notify_subscribers": True}})).json()
        assert (drafted["body"], published["body"], published["notify_subscribers"]) == (None, "Why.", True)
        reverted = await page.put(f"{path}/revert")
        assert (reverted.status_code, reverted.json()["published_at"]) == (200, None)
    for post_mortem in (drafted, published, reverted.json()):
        _conforms(post_mortem, "Postmortem")
    _conforms(count, "SubscriberCountByType")
    _conforms(incident, "Incident")
    _conforms(incident["incident_updates"][0], "IncidentUpdate")
    _conforms(component, "Component")


@pytest.mark.parametrize(
    ("incident", "status"),
    [
        ({"status": "investigating"}, 422),
        ({"name": " "}, 422),
        ({"name": "x" * 256}, 422),
        ({"name": "x", "status": "panicking"}, 422),
        ({"name": "x", "components": {"nothing": "operational"}}, 422),
        ({"name": "x", "metadata": {"intent": "not an object"}}, 422),
        ({"name": "x", "body": "x" * 25_001}, 422),
        (None, 400),
    ],
)
async def test_wrong_incident_is_refused(incident: Any, status: int) -> None:
    """An incident that Statuspage would refuse is refused with a message, and is not shown."""
    async with Simulated(quick("healthy")) as sim, _page(sim) as page:
        answer = await page.post("/incidents", json={"incident": incident})
        assert answer.status_code == status
        assert answer.json()["message"]
        assert not sim.world.status_board.incidents


async def test_an_unknown_key_page_or_incident_is_refused() -> None:
    """A wrong key is 401; an unknown page or incident is 404."""
    async with Simulated(quick("healthy")) as sim:
        async with _page(sim) as page:
            wrong = await page.get("/incidents", headers={"authorization": "OAuth wrong"})
            assert (wrong.status_code, wrong.json()["message"]) == (401, "Could not authenticate")
            assert (await page.get("/incidents/nothing")).status_code == 404
        async with _page(sim, "elsewhere") as page:
            assert (await page.get("/components")).status_code == 404


async def test_an_update_whose_answer_is_lost_is_published() -> None:
    """The connection breaks, and the list of unresolved incidents has the new one."""
    async with Simulated(quick("healthy")) as sim, _page(sim) as page:
        await fault(sim, "statuspage", "create_incident", "answer_lost")
        with pytest.raises(httpx.RemoteProtocolError):
            await page.post("/incidents", json={"incident": _INCIDENT})
        found = (await page.get("/incidents/unresolved")).json()
        assert [i["metadata"] for i in found] == [_INCIDENT["metadata"]]
