"""Runs a drill from the first error to the post-mortem, on the same stack as a real response."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from allclear.bootstrap import Engine, make_engine
from allclear.company import Company
from allclear.domain.approval import AskKind
from allclear.domain.ask_state import AskState
from allclear.domain.base import utc_now
from allclear.domain.durations import counted, short_duration
from allclear.domain.errors import ConfigError
from allclear.domain.incident import Incident
from allclear.domain.notify.channel_test import ChannelTest
from allclear.domain.notify.reached import page_of
from allclear.domain.plan.people import ON_CALL
from allclear.domain.pseudo_phases import TICKET
from allclear.domain.records import Entry
from allclear.domain.text import enumerated, plain
from allclear.drill.cast import TERMINAL, Cast, Person, finished
from allclear.drill.script import Script, find_script
from allclear.engine.notify.ticket_sender import due_tickets
from allclear.environment_file import write_exports
from allclear.own_secrets import ALERT_TOKEN
from allclear.postmortem.document import PostMortem, write_post_mortem
from allclear.postmortem.html_page import post_mortem_page
from allclear.stack import Ports, Stack, private_file
from allclear.trusted_certificates import trusted_certificates

EntryListener = Callable[[Entry, Incident], None]
"""Receives each entry of the journal when it is written, with the incident."""


@dataclass(frozen=True)
class Played:
    """The result of a drill."""

    incident: Incident
    entries: list[Entry]
    post_mortem: str
    home: Path
    seconds: float
    event_log: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    misses: list[str] = field(default_factory=list[str])
    choices: list[str] = field(default_factory=list[str])
    """What the person at the terminal decided otherwise than the script expects: no shortcoming of the response."""
    channel_tests: list[ChannelTest] = field(default_factory=list[ChannelTest])
    """What became of the test of each way to each person."""

    @property
    def passed(self) -> bool:
        """Return whether the response did what the script expects."""
        return not self.misses


async def play(  # noqa: PLR0913 - what its callers may choose
    company: Company,
    scenario: str,
    home: Path,
    *,
    on_entry: EntryListener,
    on_progress: Callable[[str], None],
    person: Person | None = None,
    within: timedelta | None = None,
) -> Played:
    """Run the drill, and return its result. Raises AllclearError if it cannot be run at all.

    It runs on a stack of its own under `home`, which cannot reach any real system. `within` replaces the script's own
    limit. A drill that reaches its limit is stopped, unless a person at the terminal takes part.
    """
    _, script = find_script(company.folder, scenario)
    if within is not None:
        script = script.model_copy(update={"expect": script.expect.model_copy(update={"within": within})})
    on_progress("Starting the simulated production, Prefect, the runner and the responder …")
    async with Stack(
        company.name,
        home,
        Ports.free(),
        scenario,
        breaks=False,
        recovery_over=script.recovery_over,
        stand_ins=script.stand_in_names,
    ) as stack:
        return await play_on(stack, company, script, on_entry=on_entry, on_progress=on_progress, person=person)


async def play_on(
    stack: Stack,
    company: Company,
    script: Script,
    *,
    on_entry: EntryListener,
    on_progress: Callable[[str], None],
    person: Person | None = None,
) -> Played:
    """Play the script on a running stack, and return the result. Raises as `play`."""
    engine = make_engine(stack.settings, environ={}, company=company)
    write_exports(stack)
    try:
        on_progress(f"Everything is up. {script.title}: users arrive; the alert follows.")
        begun = time.monotonic()
        limit = None if person else asyncio.get_running_loop().time() + script.expect.within.total_seconds()
        control = stack.simulation.control
        incident_id = await _alert(script, stack, control)
        cast = Cast(script, engine, control, person)
        await _stopped_at(limit, _play_cast(stack, engine, incident_id, cast, on_entry))
        return await _report(script, company, engine, control, stack.home, incident_id, time.monotonic() - begun)
    finally:
        await engine.close()


async def _alert(script: Script, stack: Stack, control: str) -> str:
    """Wait for the first error, send the alert as Alertmanager would, and return the incident's id."""
    noticed = script.expect.ending == "resolved" and script.alert.users_notice
    began = await _first_error(control) if noticed else utc_now()
    await asyncio.sleep(script.alert.after.total_seconds())
    body = {
        "version": "4",
        "status": "firing",
        "receiver": "allclear",
        "groupKey": "drill",
        "alerts": [
            {
                "status": "firing",
                "labels": script.alert.labels,
                "annotations": {"summary": script.alert.summary},
                "startsAt": began.isoformat(),
                "endsAt": "0001-01-01T00:00:00Z",
                "fingerprint": f"drill{began:%H%M%S}",
            }
        ],
    }
    headers = {"Authorization": f"Bearer {stack.own_secrets[ALERT_TOKEN]}"}
    responder, tls = stack.settings.responder_url, trusted_certificates()
    async with httpx.AsyncClient(base_url=responder, headers=headers, timeout=60, verify=tls) as http:
        answer = await http.post("/alerts/alertmanager", json=body)
        if not answer.is_success:
            raise ConfigError(
                f"The responder refused the alert: {answer.text}", f"Read {stack.home}/logs/responder.log."
            )
        delivery = answer.json()["id"]
        for _ in range(1200):
            state = (await http.get(f"/alerts/{delivery}")).json()
            if state["incident"]:
                return str(state["incident"])
            if state["state"] in ("quarantined", "ignored"):
                raise ConfigError(f"The alert opened no incident: {state['reason']}", "Correct the drill's alert.")
            await asyncio.sleep(0.05)
    raise ConfigError("The alert opened no incident.", f"Read {stack.home}/logs/responder.log.")


async def _first_error(control: str) -> datetime:
    async with httpx.AsyncClient(base_url=control, timeout=60, verify=trusted_certificates()) as http:
        (await http.post("/break")).raise_for_status()
        for _ in range(600):
            log = (await http.get("/log")).json()
            for line in log:
                if line["kind"] == "errors_started":
                    return datetime.fromisoformat(line["at"]).astimezone(UTC)
            await asyncio.sleep(0.1)
    raise ConfigError("No user of the simulated production saw an error in a minute.", "Correct the scenario.")


async def _stopped_at(limit: float | None, running: Coroutine[Any, Any, None]) -> None:
    """Wait for `running`, and stop it at `limit`, a time of the event loop; None is no limit."""
    timer = asyncio.timeout_at(limit)
    try:
        async with timer:
            await running
    except TimeoutError:
        if not timer.expired():
            raise


async def _play_cast(stack: Stack, engine: Engine, incident_id: str, cast: Cast, on_entry: EntryListener) -> None:
    """Run until the end. If a part of the stack or a member of the cast fails, the drill ends at once."""
    tasks = [
        asyncio.create_task(cast.play(incident_id)),
        asyncio.create_task(_follow_entries(engine, incident_id, on_entry)),
    ]
    watch = asyncio.create_task(stack.watch())
    try:
        pending = set(tasks)
        while pending:
            done, _ = await asyncio.wait({*pending, watch}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            pending -= done
    finally:
        for task in (*tasks, watch):
            task.cancel()


async def _follow_entries(engine: Engine, incident_id: str, on_entry: EntryListener) -> None:
    seen = 0
    while True:
        if fresh := engine.journal.entries(incident_id, after=seen):
            incident = engine.conductor.incident(incident_id)
            for entry in fresh:
                on_entry(entry, incident)
                seen = entry.number
            if finished(incident) and seen == incident.length and not _untried_tickets(engine, incident):
                return
        await asyncio.sleep(0.1)


def _untried_tickets(engine: Engine, incident: Incident) -> bool:
    """Return whether a ticket is still to be opened or closed for the first time."""
    acts = (incident.act_of(TICKET, one.step) for one in due_tickets(engine.company.plan, incident))
    return any(act is None or act.outcome is None for act in acts)


async def _report(  # noqa: PLR0913 - the parts of a result
    script: Script, company: Company, engine: Engine, control: str, home: Path, incident_id: str, seconds: float
) -> Played:
    incident = engine.conductor.incident(incident_id)
    entries = engine.journal.entries(incident_id)
    tests = await engine.channel_tests.rehearse() if script.test_channels and finished(incident) else []
    async with httpx.AsyncClient(base_url=control, timeout=60, verify=trusted_certificates()) as http:
        event_log = (await http.get("/log")).json()
    service = company.systems.services[incident.opened.service]
    source = PostMortem(incident, entries, company.plan, service.title, company.post_mortem, utc_now())
    document = write_post_mortem(source)
    for kind, text in (("md", document), ("html", post_mortem_page(source))):
        with private_file(home / f"{incident_id}-post-mortem.{kind}") as file:
            file.write(text.encode())
    misses, choices = compared(script, engine, incident, seconds)
    misses += [f"The test of {one.way} {one.person}: {one.result}. {one.sentence}" for one in tests if not one.arrived]
    return Played(incident, entries, document, home, seconds, event_log, misses, choices, tests)


def compared(script: Script, engine: Engine, incident: Incident, seconds: float) -> tuple[list[str], list[str]]:
    """Return a sentence for each of the script's expectations that was not met: by the response, and by a choice."""
    expect, misses, choices = script.expect, list[str](), list[str]()
    limit = expect.within
    if not finished(incident):
        misses.append(f"It was stopped at its limit of {short_duration(limit)} (expect.within). {reached(incident)}")
    elif incident.ended and incident.ended.ending != expect.ending:
        by_choice = any(one.by.via == TERMINAL for state in _false_alarms(incident) for one in state.answers)
        (choices if by_choice else misses).append(f"It ended as {incident.ended.ending}, not as {expect.ending}.")
    for act_id in expect.verified:
        phase, _, step = act_id.partition("/")
        act = incident.act_of(phase, step)  # the last one, if it was proposed again after people chose a target
        if act is None or act.outcome is None or not act.outcome.good:
            by_choice = act is not None and any(_denied_by_person(incident.asks[ask]) for ask in act.asks)
            title = act.proposed.title if act else act_id
            choice = f'You denied "{title}" ({act_id}). This drill expects that it is approved.'
            (choices if by_choice else misses).append(choice if by_choice else f"{act_id} was not verified.")
    misses += _not_notified(script, engine, incident)
    if incident.blocks_ending:
        misses.append(f"Still in place: {', '.join(act.id for act in incident.blocks_ending)}.")
    if finished(incident) and seconds > limit.total_seconds():
        misses.append(f"It took {seconds:.0f} s, expected {limit.total_seconds():.0f} s.")
    if (broken := engine.journal.broken_link(incident.id)) is not None:
        misses.append(f"The record's chain breaks at entry {broken}.")
    return misses, choices


def _not_notified(script: Script, engine: Engine, incident: Incident) -> Iterator[str]:
    """Yield a sentence for each audience that was not reached by the way that the script expects."""
    plan, good = engine.company.plan, [act for act in incident.acts.values() if act.outcome and act.outcome.good]
    for audience, way in script.expect.notified.items():
        by = [
            one.proposed.notice.way for one in good if one.proposed.notice and audience in one.proposed.notice.audiences
        ]
        page = page_of(incident) if audience == ON_CALL else None
        if page is not None and page.outcome is not None and page.outcome.good:
            by += [name for name, call in plan.ways.items() if call.action == page.proposed.action]
        if way not in by:
            title = plan.role_title(audience)
            yield f"{title} was to be notified by {way}, and was notified by {enumerated(by) or 'nothing'}."


def _denied_by_person(state: AskState) -> bool:
    return any(not answer.yes and answer.by.via == TERMINAL for answer in state.answers)


def _false_alarms(incident: Incident) -> list[AskState]:
    return [state for state in incident.asks.values() if state.ask.kind is AskKind.FALSE_ALARM]


def reached(incident: Incident) -> str:
    """Return how far the response has come, in sentences: its phase, its state, and the questions that wait."""
    answers = sum(len(state.answers) for state in incident.asks.values())
    contained = "contained" if incident.contained else "not contained"
    phase = f"in the phase {incident.phase}" if incident.phase else "before the first phase"
    waiting = "; ".join(f"{state.ask.id} ({plain(state.ask.title, 80)})" for state in incident.open_asks)
    return (
        f"Reached: {incident.id} is {contained}, {phase}, after {counted(answers, 'answer')}. "
        f"Waiting for people: {waiting or 'nothing'}."
    )
