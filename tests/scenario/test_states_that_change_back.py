"""Contained and recovered on the real engine: undone, lost, told, and proven anew, against a simulated production."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from allclear.company import Company
from allclear.domain.alert import Alert
from allclear.domain.plan import Kind, Person
from allclear.domain.pseudo_phases import RECOVERY
from allclear.domain.records import By
from allclear.domain.recovery import RecoveryRule
from allclear.domain.runbook import Phase
from allclear.domain.template_values import status
from allclear.domain.timeline import timeline
from allclear.engine.actions.manual import ManualRequest
from allclear.engine.alerts.recovery import CLOSE
from allclear.engine.people.declare import Declaration
from allclear.engine.response.moves import Over, Wait
from allclear.journal.rows import OutboxKind
from allclear.postmortem.key_events import key_event_lines
from allclear.simulator.scenario_schema import Trouble
from tests.contract.simulator_support import quick
from tests.scenario.response_support import ALERT, BAD, broken
from tests.scenario.response_support import notifying_no_one as vintstreet
from tests.scenario.scenes import Scene, scene
from tests.scenario.test_live_messages import later, team_reads
from tests.scenario.test_reminders import pages, round_of

MINUTE = timedelta(minutes=1)
ANA, BEN = By(actor="Ana", role="on_call", via="cli"), By(actor="Ben", role="tech_lead", via="cli")
OTHER = replace(ALERT, key="other", title="Checkout is slow", labels={"alertname": "ErrorRateHigh"})

ALERT_NEWS = {
    "resolved": "Alert from alertmanager resolved: Payment processing fails.",
    "firing again": "Alert from alertmanager is firing again: Payment processing fails.",
}
"""What the team reads about the incident's alert."""


def alert(state: str, of: Alert = ALERT) -> Alert:
    """Return an alert whose source sends no times, so that the order of arrival counts."""
    return replace(of, state=state, at=None)  # pyright: ignore[reportArgumentType]


def updates(text: str) -> list[str]:
    """Return what happened, in order, as a team's message tells it, without the times."""
    return [line.partition(" - ")[2] for line in text.partition("Updates:\n")[2].partition("\n\n")[0].splitlines()]


async def contained_by(it: Scene, measure: str) -> None:
    """Carry the incident on until Ben's approved measure has contained it, and containment is left."""
    wait = await it.past_detection()
    if measure == "maintenance":
        it.engine.people.answer(wait.asks[0], BEN, yes=False, reason="Revision 42 has the tax change.")
        wait = await it.to(Phase.CONTAIN)
        assert isinstance(wait, Wait)
    it.engine.people.answer(wait.asks[0], BEN, yes=True, reason="It began with 42.")
    move = await it.to(Phase.CONTAIN)
    while isinstance(move, Wait):
        for ask in move.asks:
            it.engine.people.answer(ask, By(actor="Chi", role="incident_commander", via="cli"), yes=True, reason="So.")
        move = await it.to(Phase.CONTAIN)
    assert status(it.incident) == "CONTAINED"


async def test_a_measure_that_is_undone_by_hand_ends_containment_when_the_service_fails(tmp_path: Path) -> None:
    """B1: maintenance ends while the bad revision has the traffic, and two alerts fire. Everything follows at once."""
    async with scene(tmp_path, vintstreet(), broken(), alert("firing")) as it:
        await contained_by(it, "maintenance")
        assert await round_of(it) == []
        it.watch.now += MINUTE
        await it.engine.manual.undo(it.incident_id, "contain/maintenance", "It should be over.", ANA)
        new = [alert("firing", replace(OTHER, key=key)) for key in ("errors", "slow")]
        taken = [it.engine.intake.take(one, f"new {one.key}").incident for one in new]
        assert taken == [it.incident_id] * 2
        assert status(it.incident) == "INVESTIGATING"
        move = await it.to(Phase.CONTAIN)
        incident = it.incident
        assert isinstance(move, Wait)
        assert incident.asks[move.asks[0]].ask.step == "roll-back"
        assert (incident.contained, incident.acknowledged) == (None, None)
        lines = [line.text for line in timeline(it.engine.journal.entries(it.incident_id), it.engine.company.plan)]
        assert any(line.startswith("Not contained any more: ") and "/api/checkout failed" in line for line in lines)
        messages = [one for one in it.engine.journal.outbox() if one.kind is OutboxKind.START]
        assert [one.detail["flow"] for one in messages].count("contain") == 2
        (told,) = [sentence for sentence in await round_of(it) if "any more" in sentence]
        assert told.startswith(f"{it.incident_id} is not contained any more: ")
        assert [state for _, state in pages(it)].count("triggered") == 1
        it.engine.people.answer(move.asks[0], BEN, yes=True, reason="Then without the tax change.")
        await it.to(Phase.CONTAIN)
        assert status(it.incident) == "CONTAINED"
        assert len(it.incident.containment.periods) == 2
        await round_of(it)
        assert "triggered" not in [state for _, state in pages(it)]


async def test_a_recovered_service_is_not_rolled_back(tmp_path: Path) -> None:
    """Containment is lost and the next measure is asked for; the resolution proves recovery, so it is withdrawn."""
    async with scene(tmp_path, vintstreet(), broken(), alert("firing")) as it:
        await contained_by(it, "maintenance")
        await it.engine.manual.undo(it.incident_id, "contain/maintenance", "It should be over.", ANA)
        move = await it.to(Phase.CONTAIN)
        assert isinstance(move, Wait)
        (ask,) = [one for one in it.incident.open_asks if one.ask.step == "roll-back"]
        for revision in it.simulated.world.service.revisions.values():
            revision.faults.clear()
        for phase in (Phase.INVESTIGATE, Phase.RESOLVE):
            while isinstance(wait := await it.to(phase), Wait) and it.incident.recovered is None:
                steps = [one for one in it.incident.open_asks if one.ask.id in wait.asks]
                for one in steps:
                    by = By(actor="Ben", role=one.ask.policy.roles[0], via="cli")
                    it.engine.people.answer(one.ask.id, by, yes=True, reason="So.")
        assert it.incident.recovered is not None
        assert it.incident.contained is not None
        closed = it.incident.asks[ask.ask.id]
        assert (closed.open, closed.withdrawn) == (False, "the incident is contained now")


async def test_maintenance_by_hand_is_proven_as_the_runbook_proves_it(tmp_path: Path) -> None:
    """The smoke test would meet the maintenance page and could not tell, which would count as a loss."""
    async with scene(tmp_path, vintstreet(), broken(), alert("firing")) as it:
        await contained_by(it, "roll-back")
        request = ManualRequest("maintenance.enable", {"service": "storefront"}, "to be safe", incident=it.incident_id)
        result = await it.engine.manual.do(request, By(actor="Chi", role="incident_commander", via="cli"))
        assert result.outcome is not None
        assert result.outcome.good
        assert it.incident.recheck is not None
        await it.to(Phase.CONTAIN)
        assert (it.incident.recheck, it.incident.loss) == (None, None)
        assert status(it.incident) == "CONTAINED"


async def test_the_channel_and_the_post_mortem_say_that_an_alert_came_back_although_the_check_stays_good(
    tmp_path: Path,
) -> None:
    """B2: fire, contain, resolve, fire again. Neither text ends with the alert that was resolved."""
    async with scene(tmp_path, vintstreet(), broken(), alert("firing")) as it:
        await contained_by(it, "roll-back")
        it.watch.now += MINUTE
        it.engine.intake.take(alert("resolved"), "d2")
        await later(it)
        assert ALERT_NEWS["resolved"] in updates(team_reads(it))
        it.watch.now += MINUTE
        it.engine.intake.take(alert("firing"), "d3")
        await later(it)
        resolved, again = (updates(team_reads(it)).index(ALERT_NEWS[state]) for state in ("resolved", "firing again"))
        assert again > resolved
        assert isinstance(await it.to(Phase.CONTAIN), Over)
        await later(it)
        told = updates(team_reads(it))
        (still,) = [place for place, line in enumerate(told) if line.startswith("Still contained: ")]
        assert still > told.index(ALERT_NEWS["firing again"])
        assert "Status: CONTAINED" in team_reads(it)
        events = key_event_lines(it.incident, it.engine.journal.entries(it.incident_id), it.engine.company.plan)
        fired, held = events.splitlines()[-2:]
        assert fired.endswith(" - Fires again after containment: Payment processing fails (alertmanager).")
        assert " - Still contained: " in held


async def test_an_alert_on_a_contained_incident_is_checked_and_told(tmp_path: Path) -> None:
    """A late alert changes nothing while the service is healthy. When the service fails, the incident fails again."""
    async with scene(tmp_path, vintstreet(), broken(), alert("firing")) as it:
        await contained_by(it, "roll-back")
        it.watch.now += 17 * MINUTE
        taken = it.engine.intake.take(alert("firing", OTHER), "d2")
        assert taken.incident == it.incident_id
        assert isinstance(await it.to(Phase.CONTAIN), Over)
        assert status(it.incident) == "CONTAINED"
        it.engine.intake.take(alert("resolved"), "d3")
        before = it.incident.last_change
        for revision in it.simulated.world.service.revisions.values():
            revision.faults["/api/checkout"] = Trouble(path="/api/checkout", error_rate=1.0)
        it.watch.now += MINUTE
        it.engine.intake.take(alert("firing"), "d4")
        assert it.incident.last_change != before
        await it.to(Phase.CONTAIN)
        assert status(it.incident) == "INVESTIGATING"
        plan, entries = it.engine.company.plan, it.engine.journal.entries(it.incident_id)
        told = [line.text for line in timeline(entries, plan)]
        assert told.index("Alert from alertmanager is firing again: Payment processing fails.") > 0
        assert any("is not contained any more" in sentence for sentence in await round_of(it))


def observed() -> Company:
    """Return VintStreet as its plan is: three good checks over two minutes prove recovery."""
    company = vintstreet()
    plan = company.plan.model_copy(update={"recovery": RecoveryRule()})
    return replace(company, plan=plan)


async def test_recovery_is_three_good_checks_over_two_minutes(tmp_path: Path) -> None:
    """A service that fails between two good checks has not recovered, and the row begins anew."""
    async with scene(tmp_path, observed(), quick("healthy"), alert("firing")) as it:
        it.engine.intake.take(alert("resolved"), "d2")
        it.watch.now += 10 * MINUTE
        assert await it.engine.recovery.check() == [it.incident_id]
        assert (it.incident.recovered, it.incident.over) == (None, False)
        assert it.incident.contained is not None
        it.watch.now += 59 * timedelta(seconds=1)
        assert await it.engine.recovery.check() == []
        faults = it.simulated.world.service.revisions[_serving(it)].faults
        faults["/"] = Trouble(path="/", error_rate=1.0)
        it.watch.now += timedelta(seconds=1)
        assert await it.engine.recovery.check() == [it.incident_id]
        assert (it.incident.contained, it.incident.good_checks) == (None, ())
        faults.clear()
        it.watch.now += 5 * MINUTE
        for _ in range(3):
            assert not it.incident.over
            assert await it.engine.recovery.check() == [it.incident_id]
            it.watch.now += MINUTE
        assert it.incident.ended is not None
        assert it.incident.recovered is not None
        texts = [line.text for line in timeline(it.engine.journal.entries(it.incident_id), it.engine.company.plan)]
        assert any(text.startswith("Recovered: 3 checks over 2m were good; the last one: ") for text in texts)


def _serving(it: Scene) -> str:
    return next(name for name in it.simulated.world.service.revisions if name != BAD and name.endswith("wex"))


async def test_resolved_alerts_of_a_kind_for_people_close_nothing(tmp_path: Path) -> None:
    """The service is healthy, and the data may still be leaking: people are asked, and nothing is claimed."""
    company = vintstreet()
    kinds = {**company.plan.kinds, "outage": Kind(title="Leak", verified_by="people")}
    company = replace(company, plan=company.plan.model_copy(update={"kinds": kinds}))
    async with scene(tmp_path, company, quick("healthy"), alert("firing")) as it:
        it.engine.intake.take(alert("resolved"), "d2")
        it.watch.now += 10 * MINUTE
        assert await it.engine.recovery.check() == [it.incident_id]
        ask = it.incident.ask_of(RECOVERY, CLOSE)
        assert ask is not None
        assert "only you can tell" in ask.ask.text
        assert (it.incident.contained, it.incident.recovered, it.incident.over) == (None, None, False)


async def test_declared_credentials_on_a_paste_site_page_at_once(tmp_path: Path) -> None:
    """B6: a person of support declares it; the storefront is healthy. The on-call is paged, and no one is asked."""
    async with scene(tmp_path, vintstreet(), quick("healthy"), alert("firing")) as it:
        dana = By(actor="Dana", role="cto", via="cli")
        declaration = Declaration("Credentials on a paste site", "P0", "storefront", "broken-feature", kind="security")
        it.incident_id = it.engine.people.declare(declaration, dana).incident
        assert isinstance(await it.to(Phase.DETECT), Over)
        assert (it.incident.asks, [state for _, state in pages(it)]) == ({}, ["triggered"])
        verified = it.incident.step("detect", "verify")
        assert verified is not None
        assert verified.number > it.incident.acts["detect/page"].number


async def test_a_person_on_call_who_declares_is_not_paged_and_has_acknowledged(tmp_path: Path) -> None:
    """E8: she handles it already, and leads. Her questions still climb as pages if she does not answer."""
    company = vintstreet()
    people = [Person(name="Ana", roles=["on_call", "incident_commander"])]
    company = replace(company, plan=company.plan.model_copy(update={"people": people}))
    async with scene(tmp_path, company, broken(), alert("firing")) as it:
        declaration = Declaration("Live streams are broken", "P0", "storefront", "broken-feature")
        it.incident_id = it.engine.people.declare(declaration, ANA).incident
        await it.to(Phase.DETECT)
        assert pages(it) == []
        incident = it.incident
        assert (incident.acknowledged_by, incident.roles) == ("Ana", {"incident_commander": "Ana"})
        assert incident.paged_at is not None
        assert not any("acknowledged the page" in one for one in await round_of(it))


async def test_a_claimed_role_does_not_stop_the_page_of_the_person_on_call(tmp_path: Path) -> None:
    """The plan names no one and has no rota, so the declarer's role is only a claim; `allclear ack` counts."""
    async with scene(tmp_path, vintstreet(), broken(), alert("firing")) as it:
        declaration = Declaration("Live streams are broken", "P0", "storefront", "broken-feature")
        it.incident_id = it.engine.people.declare(declaration, ANA).incident
        await it.to(Phase.DETECT)
        assert pages(it) == [(f"allclear/{it.incident_id}", "triggered")]


async def test_whoever_takes_the_incident_before_the_page_is_not_paged(tmp_path: Path) -> None:
    """A plan without a rota and without names: the person who ran `allclear ack` is the one to work on it."""
    async with scene(tmp_path, vintstreet(), broken(), alert("firing")) as it:
        it.engine.people.acknowledge(it.incident_id, BEN)
        await it.to(Phase.DETECT)
        assert pages(it) == []
        page = it.incident.acts["detect/page"].outcome
        assert page is not None
        assert page.sentence == "No page was sent, because Ben acts already."


async def test_the_holder_of_a_role_in_the_incident_is_named_in_reminders(tmp_path: Path) -> None:
    """F2: the plan names no one for the lead; the person who took the role is meant."""
    async with scene(tmp_path, vintstreet(), broken(), alert("firing")) as it:
        await it.past_detection()
        it.engine.people.note(it.incident_id, "I take it.", BEN)
        assert it.incident.roles == {"incident_commander": "Ben"}
        it.engine.intake.take(alert("firing", OTHER), "d2")
        it.watch.now += 6 * MINUTE
        await round_of(it)
        texts = [
            str(message["text"])
            for channel in it.simulated.world.workspace.channels
            for message in channel.messages
            if "since" in str(message["text"])
        ]
        assert any("Incident Lead: Ben" in text for text in texts), texts
