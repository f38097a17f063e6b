"""Acts over HTTP: a program proposes and a person approves; a person acts, sees the undo before it, and undoes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from allclear.bootstrap import Engine, make_engine
from allclear.domain.records import ActIntended, ActProposed
from allclear.domain.timeline import timeline
from allclear.engine.people.declare import Declaration
from allclear.responder.app import make_app
from allclear.settings import Settings
from allclear.simulator.world import World
from tests.contract.simulator_support import BAD, GOOD, Simulated, quick
from tests.scenario.response_support import announced, installed, new_journal, vintstreet
from tests.unit.responder.responder_support import TOKEN

ROLLBACK = {"action": "cloud_run.rollback_traffic", "params": {"service": "storefront", "to": GOOD}}
ACT = "manual/cloud-run-rollback-traffic"


@dataclass
class Office:
    """A responder over a simulated production, and the people and programs that call it."""

    engine: Engine
    world: World
    http: httpx.AsyncClient
    incident: str

    async def sends(self, name: str, path: str, body: object, key: str = "") -> tuple[int, dict[str, Any]]:
        """Post a body in the name of a person, or of the program `night-watch`; return the status and the answer."""
        tokens = self.engine.tokens
        token = tokens.for_program(name) if name == "night-watch" else tokens.for_person(name, "on_call")
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
        answer = await self.http.post(path, json=body, headers=headers)
        return answer.status_code, answer.json()

    def entries(self, kind: type) -> list[Any]:
        """Return the entries with a record of that kind."""
        return [one for one in self.engine.journal.entries(self.incident) if isinstance(one.record, kind)]


@asynccontextmanager
async def office(folder: Path, drill: str = "payment-processing-down") -> AsyncGenerator[Office]:
    """Yield a responder whose workers take in alerts only: what is done is done by the requests."""
    async with Simulated(quick(drill)) as sim:
        settings = Settings(
            company="vintstreet",
            journal_url=new_journal(folder),
            simulation=announced(sim, folder),
            link_key=SecretStr("a-key-of-a-test"),
        )
        engine = make_engine(settings, environ={}, company=vintstreet(), registry=installed())
        app = make_app(engine, SecretStr(TOKEN), drives=False)
        declared = Declaration(title="Errors", severity="P1", service="storefront", runbook="bad-deployment")
        incident = engine.people.declare(declared, engine.people.who("Ana", "on_call", "cli")).incident
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://responder") as http,
        ):
            yield Office(engine, sim.world, http, incident)
        engine.journal.close()


async def test_what_a_program_proposes_is_done_only_after_a_person_approves(tmp_path: Path) -> None:
    """The question names the program, its reason and the change; its own approval is refused; Bo's is carried out."""
    async with office(tmp_path) as it:
        proposal = ROLLBACK | {"reason": "errors since 42 *now*"}
        path = f"/incidents/{it.incident}/proposals"
        status, answer = await it.sends("night-watch", path, proposal, "1")
        assert (status, await it.sends("night-watch", path, proposal, "1")) == (200, (200, answer))
        assert "Nothing is done yet" in answer["sentence"]
        (state,) = it.engine.conductor.incident(it.incident).open_asks
        assert "night-watch, a program, proposes: " in state.ask.title
        assert "**Proposed by night-watch, a program.** Reason: errors since 42 \\*now\\*" in state.ask.text
        assert (it.world.serving(), it.entries(ActIntended)) == ({BAD: 100}, [])
        approval = {"ask": state.ask.id, "word": "approve", "reason": "I approve", "digest": state.ask.digest}
        for command, body in (("answer", approval), ("acknowledge", {}), ("undo", {"act": ACT})):
            status, answer = await it.sends("night-watch", f"/incidents/{it.incident}/{command}", body)
            assert (status, answer["error"]) == (403, "NotAllowed")
            assert "night-watch is a program" in answer["detail"]
        assert state.open
        status, answer = await it.sends("Bo", f"/incidents/{it.incident}/answer", approval | {"digest": "0" * 64})
        assert status == 403
        status, answer = await it.sends("Bo", f"/incidents/{it.incident}/answer", approval, "yes")
        assert status == 200, answer
        assert it.world.serving() == {GOOD: 100}
        assert await it.sends("Bo", f"/incidents/{it.incident}/answer", approval, "yes") == (200, answer)
        assert len(it.entries(ActIntended)) == 1
        lines = timeline(it.engine.journal.entries(it.incident), it.engine.company.plan)
        said = [line.text for line in lines if "night-watch" in line.text]
        assert any("night-watch (program) proposed" in one and "errors since 42" in one for one in said)
        status, answer = await it.sends("Bo", f"/incidents/{it.incident}/preview-undo", {"act": ACT})
        assert (status, "allclear act" in answer["next_step"]) == (409, True)  # undo would go back to the bad revision


async def test_an_undo_is_seen_first_and_done_once_for_its_key(tmp_path: Path) -> None:
    """The undo names the digest of the change that was shown: for another change it is refused."""
    async with office(tmp_path, "broken-feature") as it:
        off = {"action": "feature_flag.disable", "params": {"flag": "live_streams", "service": "storefront"}}
        act = "manual/feature-flag-disable"
        status, answer = await it.sends("Bo", "/act", off | {"reason": "streams fail"})
        assert status == 200, answer
        status, shown = await it.sends("Bo", f"/incidents/{it.incident}/preview-undo", {"act": act})
        assert (status, shown["done"]) == (200, False), shown
        undo = {"act": act, "reason": "it was not that"}
        status, answer = await it.sends("Bo", f"/incidents/{it.incident}/undo", undo | {"digest": "0" * 64})
        assert (status, answer["error"]) == (409, "Refused")
        first = await it.sends("Bo", f"/incidents/{it.incident}/undo", undo | {"digest": shown["digest"]}, "undo")
        assert first[0] == 200, first
        assert it.engine.conductor.incident(it.incident).acts[act].undone_by
        again = await it.sends("Bo", f"/incidents/{it.incident}/undo", undo | {"digest": shown["digest"]}, "undo")
        assert again == first
        assert len(it.entries(ActIntended)) == 2


async def test_a_proposal_that_cannot_be_is_refused_with_a_sentence(tmp_path: Path) -> None:
    """An unknown action, parameters that do not fit, no reason, a refusal: each says why, and nothing is written."""
    async with office(tmp_path) as it:
        length = it.engine.conductor.incident(it.incident).length
        path = f"/incidents/{it.incident}/proposals"
        for body, status in (
            ({"action": "cloud_run.explode", "reason": "x"}, 404),
            (ROLLBACK | {"params": {"service": "storefront", "loudly": True}, "reason": "x"}, 422),
            (ROLLBACK | {"reason": " "}, 403),
            (ROLLBACK | {"params": {"service": "storefront", "to": "nowhere"}, "reason": "x"}, 409),
            (ROLLBACK, 422),
        ):
            found, answer = await it.sends("night-watch", path, body)
            assert (found, bool(answer["detail"]), bool(answer["next_step"])) == (status, True, True), answer
        assert it.engine.conductor.incident(it.incident).length == length
        assert it.entries(ActProposed) == []


async def test_an_act_by_hand_is_done_once_for_its_key(tmp_path: Path) -> None:
    """Its answer was lost: the second request finds the act that the first has proposed, and its outcome."""
    async with office(tmp_path) as it:
        _, shown = await it.sends("Bo", "/preview-act", ROLLBACK)
        body = ROLLBACK | {"reason": "errors since 42", "digest": shown["digest"]}
        first = await it.sends("Bo", "/act", body, "1")
        assert (first[0], it.world.serving()) == (200, {GOOD: 100}), first
        assert await it.sends("Bo", "/act", body, "1") == first
        assert (len(it.entries(ActProposed)), len(it.entries(ActIntended))) == (1, 1)
        supersede = {"act": ACT, "reason": "it stays"}
        status, answer = await it.sends("Bo", f"/incidents/{it.incident}/supersede", supersede)
        assert (status, "Undo it" in answer["next_step"]) == (409, True)


async def test_a_program_has_few_proposals_at_a_time(tmp_path: Path) -> None:
    """The sixth is refused until people have answered one: they must be able to read them."""
    async with office(tmp_path) as it:
        path = f"/incidents/{it.incident}/proposals"
        for number in range(5):
            assert (await it.sends("night-watch", path, ROLLBACK | {"reason": f"reason {number}"}))[0] == 200
        status, answer = await it.sends("night-watch", path, ROLLBACK | {"reason": "reason 6"})
        assert (status, "5 proposals" in answer["detail"]) == (409, True)
