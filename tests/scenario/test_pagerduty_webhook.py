"""From the button in the simulated PagerDuty to the record: its signed webhook, the responder's route, the inbox."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from allclear.domain.proof import Proof
from allclear.domain.records import Acknowledged
from allclear.domain.runbook import Phase
from allclear.domain.systems import AlertSource
from allclear.responder.app import make_app
from allclear.responder.workers.inbox_worker import InboxWorker
from allclear.simulator.http_server import HttpServer
from allclear.simulator.pagerduty_pages import as_user
from tests.contract.simulator_support import Simulated, control, quick, recorded, specification
from tests.patience import until
from tests.scenario.response_support import ALERT, broken
from tests.scenario.scenes import scene
from tests.scenario.test_pagerduty_heard import ANA, company
from tests.unit.responder.responder_support import TOKEN

SECRET = "the-secret-that-pagerduty-shows-once"


@pytest.mark.parametrize("known", [True, False])
async def test_the_button_in_pagerduty_acknowledges_the_incident(tmp_path: Path, *, known: bool) -> None:
    """With another secret, nothing is taken in."""
    plan = company()
    source = AlertSource.model_validate({"secret": "PD_SECRET"})
    systems = plan.systems.model_copy(update={"alerts": plan.systems.alerts | {"pagerduty": source}})
    environ = {"PD_SECRET": SECRET if known else "another-secret-of-the-same-length-xx"}
    async with scene(tmp_path, replace(plan, systems=systems), broken(), ALERT, environ=environ) as it:
        await it.to(Phase.DETECT)
        server = HttpServer()
        address = server.add(make_app(it.engine, SecretStr(TOKEN)))  # without its workers: the test takes the inbox in
        await server.start()
        try:
            subscription = {"address": f"{address}/alerts/pagerduty", "secret": SECRET}
            await control(it.simulated, "POST", "/webhook", subscription)
            await control(it.simulated, "POST", "/pages", {"does": "acknowledged", "user": ANA[0], "name": ANA[1]})
            sent = await until(lambda: recorded(it.simulated, "webhook"))
        finally:
            await server.stop()
        assert [one.get("status") for one in sent] == [202 if known else 401]
        InboxWorker(it.engine, turn=60).take_in()
        taken = [one for one in it.engine.journal.entries(it.incident_id) if isinstance(one.record, Acknowledged)]
        assert [(one.by.actor, one.by.proof) for one in taken] == ([("Ana Ruiz", Proof.PAGERDUTY)] if known else [])


async def test_the_simulated_event_has_the_fields_of_the_published_example() -> None:
    """Every field that we read is where PagerDuty has it."""
    async with Simulated(quick("healthy")) as sim:
        sent: list[tuple[str, dict[str, Any] | None, dict[str, Any]]] = []
        pager = sim.world.pagerduty

        def keep(event_type: str, resource: str, agent: dict[str, Any] | None, data: dict[str, Any]) -> None:
            assert resource == "incident"
            sent.append((event_type, agent, data))

        pager.webhooks.send = keep
        page = pager.event("trigger", "allclear/VS-1", {"summary": "Payments fail"})
        assert page is not None
        pager.person_does(page, "acknowledged", as_user("PANA123", "Ana"))
        pager.person_does(page, "annotated", as_user("PANA123", "Ana"), text="On it")
    published = specification("pagerduty-webhooks-v3.examples.json")
    (triggered, integration, _), (_, ana, incident), (_, _, note) = sent
    assert (triggered, (integration or {})["type"]) == ("triggered", "service_reference")
    assert set(ana or {}) <= set(published["envelopes"][0]["event"]["agent"])
    assert set(incident) <= set(published["data"]["incident"])
    assert set(note) == set(published["data"]["incident_note"])
