"""A program that tries to decide, by every way in; and its proposal, which a person approves at a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from allclear.commands.answers import Answer
from allclear.commands.base import read_fields
from allclear.commands.catalog import COMMANDS
from allclear.domain.approval import ONE_PERSON
from allclear.domain.errors import NotAllowed
from allclear.domain.proof import Proof
from allclear.domain.records import PROGRAM, ActIntended, ActProposed, AskAnswered, By
from flows.run_context import author
from tests.contract.simulator_support import BAD, GOOD
from tests.scenario.pages.pages_support import OURS, ask_for
from tests.scenario.test_commands import BODIES
from tests.scenario.ways_support import House, house

ROBOT = "night-watch"
ROLLBACK = {"action": "cloud_run.rollback_traffic", "params": {"service": "storefront", "to": GOOD}}


async def post(at: House, token: str, path: str, body: object, key: str = "", **headers: str) -> tuple[int, Any]:
    """Post a body with a token; return the status and the answer."""
    more = {"Authorization": f"Bearer {token}"} | ({"Idempotency-Key": key} if key else {})
    answer = await at.http.post(path, json=body, headers=more | headers)
    return answer.status_code, answer.json()


async def test_a_proposal_is_approved_at_a_terminal_done_proven_and_undone(tmp_path: Path) -> None:
    """The terminal has a token and no journal: it shows the program, the reason and the change, and then does it."""
    async with house(tmp_path) as at:
        robot = at.engine.tokens.for_program(ROBOT)
        path, reason = f"/incidents/{at.id}/proposals", {"reason": "errors since 42"}
        status, said = await post(at, robot, path, ROLLBACK | reason, "1")
        assert (status, "Nothing is done yet" in said["sentence"]) == (200, True), said
        (state,) = at.incident.open_asks
        shown = await at.types("show", at.id)
        assert f"{ROBOT}, a program, proposes" in shown
        # The same key for something else is refused, and nothing is added.
        status, said = await post(at, robot, path, ROLLBACK | {"reason": "another"}, "1")
        assert (status, said["error"]) == (409, "Refused")
        refused = await at.types("approve", state.ask.id, "--reason", "I approve", token=robot, code=5)
        assert f"{ROBOT} is a program" in refused
        assert (at.sim.world.serving(), at.entries(ActIntended)) == ({BAD: 100}, [])
        done = await at.types("approve", state.ask.id, "--reason", "I see it, too")
        assert f"Proposed by {ROBOT}, a program." in done
        assert "Approved: " in done
        assert at.sim.world.serving() == {GOOD: 100}
        shown = await at.types("show", at.id, "--all")
        assert f"{ROBOT} (program) proposed" in shown
        assert "Identified by a personal token, from the command line." in shown
        assert "Done and verified" in shown
        assert "manual/cloud-run-rollback-traffic" in await at.types("in-place")
        assert "unchanged" in await at.types("verify", at.id)


async def test_an_act_by_hand_at_a_terminal_is_the_one_that_was_shown(tmp_path: Path) -> None:
    """Dry run, a choice that is missing, and the act: all through the responder, because there is no journal."""
    async with house(tmp_path) as at:
        act = ("act", "vintstreet", "cloud_run.rollback_traffic", "service=storefront", f"to={GOOD}")
        shown = await at.types(*act, "--dry-run")
        assert "Dry run: nothing was changed. Approval: " in shown
        assert at.sim.world.serving() == {BAD: 100}
        assert "Nothing was changed." in await at.types(*act, "--reason", "x", answers="n\n")
        assert at.entries(ActIntended) == []
        done = await at.types(*act, "--reason", "errors since 42", "--yes")
        assert f"{at.id}: verified." in done
        (proposed,) = at.entries(ActProposed)
        assert (proposed.by.via, proposed.by.proof) == ("cli", Proof.TOKEN)
        assert at.sim.world.serving() == {GOOD: 100}
        wrong = await at.types(*act[:3], "service=nowhere", "--reason", "x", "--yes", code=4)
        assert "nowhere" in wrong


async def test_a_program_decides_by_no_way_in(tmp_path: Path) -> None:
    """Every command, the page, links, Slack, the command line, a borrowed name or role, and a name in Prefect."""
    async with house(tmp_path) as at:
        robot = at.engine.tokens.for_program(ROBOT)
        by = at.engine.tokens.author(at.engine.tokens.read(robot), "api")
        assert (by.role, by.person) == (PROGRAM, False)
        await post(at, robot, f"/incidents/{at.id}/proposals", ROLLBACK | {"reason": "errors since 42"})
        (state,) = at.incident.open_asks
        length, approve = at.incident.length, {"ask": state.ask.id, "word": "approve", "reason": "so"}
        of_incident = {command.name for command in COMMANDS}
        for name, body in BODIES.items():
            path = f"/incidents/{at.id}/{name}" if name in of_incident else f"/{name}"
            status, said = await post(at, robot, path, approve if name == "answer" else body)
            assert (status, f"{ROBOT} is a program" in said["detail"]) == (403, True), (name, said)
        for headers in ({"Allclear-As": "Ana"}, {"Allclear-Role": "on_call"}, {"User-Agent": "allclear-cli"}):
            status, _ = await post(at, robot, f"/incidents/{at.id}/answer", approve, **headers)
            assert status == 403, headers
        bearer = {"Authorization": f"Bearer {robot}"}
        assert (await at.http.get(f"/i/{at.id}", headers=bearer)).status_code in {401, 403}
        sent = await at.http.post(f"/i/{at.id}/answer", data={"word": "approve"}, headers=bearer | OURS)
        assert sent.status_code in {401, 403}
        assert (await at.http.get(f"/l/{robot}", headers=bearer)).status_code in {401, 403, 404, 410}
        form = urlencode({"command": "/incident", "text": f"ack {at.id}"}).encode()
        kind = {"content-type": "application/x-www-form-urlencoded"}
        assert (await at.http.post("/slack/commands", content=form, headers=bearer | kind)).status_code == 401
        for words in (("approve", state.ask.id), ("ack", at.id), ("hold", at.id, "--reason", "x")):
            assert "is a program" in await at.types(*words, token=robot, code=5)
            assert "Your token is for night-watch" in await at.types(*words, "--as", "Ana", token=robot, code=5)
        claimed = author(at.engine, ROBOT.title(), "tech_lead")  # in a form of Prefect, any name can be typed
        with pytest.raises(NotAllowed, match="is the program that proposed this"):
            await read_fields(Answer, approve).carry_out(at.engine, at.id, claimed)
        assert at.incident.length == length
        assert at.entries(AskAnswered) == []


async def test_a_program_carries_nothing_on_by_looking(tmp_path: Path) -> None:
    """To show the undo of an act that was interrupted would first finish it: that is for people."""
    async with house(tmp_path) as at:
        ask_for(at.engine, at.id, ONE_PERSON)
        act = at.incident.acts["contain/roll-back"]
        digest, change = act.proposed.digest or "", act.proposed.change or {}
        ana = By(actor="Ana", role="on_call", via="cli")
        intent = ActIntended(act=act.id, digest=digest, change=change, holder="a process that died")
        at.engine.journal.append(at.id, [AskAnswered(ask=at.ask, yes=True, reason="so"), intent], ana)
        robot, length = at.engine.tokens.for_program(ROBOT), at.incident.length
        status, said = await post(at, robot, f"/incidents/{at.id}/preview-undo", {"act": act.id})
        assert (status, f"{ROBOT} is a program" in said["detail"]) == (403, True), said
        assert at.incident.length == length


async def test_another_change_than_the_one_that_was_seen_is_refused(tmp_path: Path) -> None:
    """For an answer and for an act; and a key that was used for something else, wherever it comes in."""
    async with house(tmp_path) as at:
        robot, ana = at.engine.tokens.for_program(ROBOT), at.environment["ALLCLEAR_TOKEN"]
        await post(at, robot, f"/incidents/{at.id}/proposals", ROLLBACK | {"reason": "errors since 42"})
        (state,) = at.incident.open_asks
        other, length = "0" * 64, at.incident.length
        answer = {"ask": state.ask.id, "word": "approve", "reason": "so", "digest": other}
        assert (await post(at, ana, f"/incidents/{at.id}/answer", answer))[0] == 403
        act = ROLLBACK | {"reason": "so", "digest": other, "incident": at.id}
        status, said = await post(at, ana, "/act", act)
        assert (status, said["error"]) == (409, "Refused")
        assert at.entries(ActIntended) == []
        assert at.sim.world.serving() == {BAD: 100}
        note = f"/incidents/{at.id}/note"
        assert (await post(at, ana, note, {"text": "one"}, "7"))[0] == 200
        declare = {"title": "Errors", "service": "storefront", "runbook": "bad-deployment", "severity": "P1"}
        for path, body in ((note, {"text": "two"}), ("/act", ROLLBACK | {"reason": "so"}), ("/incidents", declare)):
            status, said = await post(at, ana, path, body, "7")
            assert (status, "used before" in said["detail"]) == (409, True), (path, said)
        assert at.incident.length >= length + 1
        assert len(at.engine.journal.incidents()) == 1
