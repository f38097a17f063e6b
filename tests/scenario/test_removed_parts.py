"""An incident is shown although its runbook or a probe is gone since it was opened."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from typing_extensions import override

from allclear.bootstrap import make_engine
from allclear.company import Company
from allclear.domain.action import ActStatus, Outcome
from allclear.domain.records import ActFinished, ActIntended, By, PhaseEntered
from allclear.domain.runbook import Phase, ProbeCall
from allclear.engine.actions.registry import Registry
from allclear.engine.people.declare import Declaration
from allclear.responder.app import make_app
from tasks.http_probes import Health
from tests.scenario.pages.pages_support import ADDRESS, Waiting, asked
from tests.scenario.response_support import MACHINE, installed, vintstreet
from tests.scenario.scenes import Watch
from tests.unit.responder.responder_support import AUTH, TOKEN

SEARCH = Declaration("Search is down", "P0", "storefront", "broken-feature")
ACT = "contain/roll-back"
ANA = By(actor="Ana", role="on_call", via="cli")


class Raising(Health):
    """A probe of another package that cannot say what it checks."""

    @override
    @classmethod
    def subject(cls, params: Any, services: Any) -> str:
        raise KeyError("shop")


def checked_by_health() -> Company:
    """Return VintStreet with the roll back as the only measure, whose proof is the health check."""
    book = vintstreet().runbooks["bad-deployment"]
    proof = ProbeCall.model_validate({"probe": Health.name, "with": {"service": "{service}"}})
    (roll_back,) = [step for step in book.contain if step.id == "roll-back"]
    only = book.model_copy(update={"contain": [roll_back.model_copy(update={"proof": proof})]})
    return replace(vintstreet(), runbooks={**vintstreet().runbooks, book.name: only})


@asynccontextmanager
async def restarted(
    at: Waiting, watch: Watch, company: Company, registry: Registry | None = None
) -> AsyncGenerator[httpx.AsyncClient]:
    """Yield a client of a responder that was started again with another company or other plug-ins."""
    engine = make_engine(at.engine.settings, environ={}, clock=watch, company=company, registry=registry or installed())
    app = make_app(engine, SecretStr(TOKEN))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ADDRESS) as http:
        yield http
    await engine.close()


async def test_an_incident_without_its_runbook_is_shown_and_hides_no_other(tmp_path: Path) -> None:
    """The runbook was removed while the incident is open. The overview lists every incident, and its own pages open."""
    kept = {name: book for name, book in vintstreet().runbooks.items() if name != "bad-deployment"}
    async with asked(tmp_path) as (at, watch):
        other = at.engine.people.declare(SEARCH, ANA).incident
        async with restarted(at, watch, replace(vintstreet(), runbooks=kept)) as http:
            overview = await http.get("/reports/overview", headers=AUTH)
            assert overview.status_code == 200
            assert at.id in overview.text
            assert other in overview.text
            for path in (f"/incidents/{at.id}", f"/reports/show?incident={at.id}"):
                assert (await http.get(path, headers=AUTH)).status_code == 200, path
            why = await http.get(f"/reports/show?incident={at.id}&why=true", headers=AUTH)
            assert "No action is automatic: the runbook bad-deployment no longer exists." in why.text
            opened = await http.get(at.link())
            assert (await http.get(opened.headers["location"])).status_code == 200


@pytest.mark.parametrize("probe", [None, Raising])
async def test_an_incident_is_shown_if_its_check_has_no_words(tmp_path: Path, probe: type[Raising] | None) -> None:
    """The probe's package was removed, or the probe raises an error of its own."""
    probes = {name: kind for name, kind in installed().probes.items() if name != Health.name}
    without = replace(installed(), probes=probes | ({Health.name: probe} if probe else {}))
    turned = Outcome(status=ActStatus.VERIFIED, changed=True, sentence="Turned back.")
    records = [
        PhaseEntered(phase=Phase.CONTAIN.value),
        ActIntended(act=ACT, digest="web-41", change={}, holder="responder-1"),
        ActFinished(act=ACT, outcome=turned),
    ]
    async with asked(tmp_path, company=checked_by_health()) as (at, watch):
        at.engine.journal.append(at.id, records, MACHINE)
        assert "the health check of storefront" in at.engine.conductor.running_check(at.incident)
        async with restarted(at, watch, checked_by_health(), without) as http:
            shown = await http.get(f"/incidents/{at.id}", headers=AUTH)
            assert shown.status_code == 200
            assert shown.json()["checking"] in {"", None}
