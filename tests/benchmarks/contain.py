"""From a decision to the call that contains: rows 1, 2, 3, 5 and 8."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx

from allclear.domain.incident import Incident
from tests.benchmarks.company import POLICY_WAITS, REGIONS, names
from tests.benchmarks.figures import Group, Row, against_floor, milliseconds
from tests.benchmarks.ground import NOWHERE, WRITE, Call, Floor, Ground, kinds, warmed
from tests.benchmarks.ours import Ours

_APART = 1.3
"""Seconds between two alerts of row 1: their windows end one by one."""
_QUIET = 0.25
"""Seconds between the end of one round and the beginning of the next."""
_MOST = 150.0
"""Seconds that many alerts at once may take."""

LIMIT = 1.5
"""How often the floor's median ours may take, by the design."""


@dataclass
class Times:
    """What one side took, in seconds."""

    all: list[float] = field(default_factory=list[float])
    noticed: list[float] = field(default_factory=list[float])
    """From the decision until the first call of what follows: a read."""
    acted: list[float] = field(default_factory=list[float])
    """From that read to the write."""
    from_window: list[float] = field(default_factory=list[float])
    from_alert: list[float] = field(default_factory=list[float])
    """Less what the plan waits."""
    contained: list[float] = field(default_factory=list[float])
    """From the approval until the incident is contained, by the record's own times."""

    def took(self, began: float, calls: Sequence[Call]) -> None:
        """Record one round that began then."""
        write = next(call for call in calls if call.kind == WRITE)
        read = min(call.arrived for call in calls if began <= call.arrived and "@" in call.place)
        self.all.append(write.arrived - began)
        self.noticed.append(read - began)
        self.acted.append(write.arrived - read)

    @property
    def dominates(self) -> str:
        """Return what the time goes into."""
        noticed, acted = statistics.median(self.noticed) * 1000, statistics.median(self.acted) * 1000
        return f"until its first read {noticed:.1f} ms pass, from there to the write {acted:.1f} ms (medians)"


# --- rows 1, 2 and 8 -----------------------------------------------------------------------------------


async def decided(ground: Ground, rounds: int) -> list[Group]:
    """Measures rows 1 and 2 with Prefect up and down, and the floor between them."""
    services = [*names("a", 1, 2 * rounds), *names("k", 1, 2 * rounds + 2)]
    up, down = ground.new_ours(services), ground.new_ours(services, prefect=NOWHERE)
    floor = ground.new_floor()
    await ground.started(up, down, floor)
    await warmed(ground, floor)
    for side in (up, down):
        side.remember(services)
    auto_approve = await _by_itself(ground, (up, down), floor, rounds)
    approved = await _approved(ground, (up, down), floor, rounds)
    for side in (up, down, floor):
        side.end()
    return [_group_one(auto_approve), _group_two(approved), _group_eight(auto_approve, approved)]


async def _by_itself(ground: Ground, sides: Sequence[Ours], floor: Floor, rounds: int) -> tuple[Times, Times, Times]:
    """Alerts come one after another; each is contained when the plan has waited, and a round of the floor follows."""
    took, least = (Times(), Times()), Times()

    async def one(number: int) -> None:
        which = number % 2
        service, side = names("a", number + 1, 1)[0], sides[which]
        await asyncio.sleep(number * _APART / 2)
        sent = await side.alert(ground.http, service)
        await ground.wait(service)
        calls = await ground.calls(service)
        write = next(call for call in calls if call.kind == WRITE)
        # The plan's last word is the last answer of the probe that is taken when the veto window is over.
        verdict = max(call.answered for call in calls if call.kind == "probe" and call.answered < write.arrived)
        took[which].took(verdict, calls)
        incident = await side.until(service, lambda one: one.contained is not None)
        took[which].from_window.append(write.arrived - _window_end(incident))
        took[which].from_alert.append(write.arrived - sent - POLICY_WAITS)
        side.over(incident)
        await asyncio.sleep(_QUIET)
        if which == 0:
            await _floor_round(ground, floor, f"f-{number:04}", least)

    await asyncio.gather(*(one(number) for number in range(2 * rounds)))
    return (*took, least)


def _window_end(incident: Incident) -> float:
    """Return when the veto window was over, as `time.monotonic()`."""
    until = next(state.ask.window.until for state in incident.asks.values() if state.ask.window)
    return until.timestamp() - time.time() + time.monotonic()


async def _floor_round(ground: Ground, floor: Floor, service: str, took: Times, regions: Sequence[str] = ()) -> None:
    began = await floor.alert(ground.http, service, way="decided", regions=regions)
    await ground.wait(service, count=max(1, len(regions)))
    took.took(began, await ground.calls(service))
    await asyncio.sleep(_QUIET)


async def _approved(ground: Ground, sides: Sequence[Ours], floor: Floor, rounds: int) -> tuple[Times, Times, Times]:
    """Each round: a second process approves one incident; first with Prefect up, then down, then the floor."""
    took, least = (Times(), Times()), Times()
    for number in range(rounds + 1):
        for which, side in enumerate(sides):
            service = names("k", 2 * number + which + 1, 1)[0]
            await side.alert(ground.http, service)
            incident = await side.waiting(service)
            began = side.approve(incident)
            await ground.wait(service)
            contained = await side.until(service, lambda one: one.contained is not None)
            if number:  # the first one warms up
                took[which].took(began, await ground.calls(service))
                took[which].contained.append(_from_approval(contained))
            side.over(contained)
            await asyncio.sleep(_QUIET)
        await _floor_round(ground, floor, f"g-{number:04}", least if number else Times())
    return (*took, least)


def _from_approval(incident: Incident) -> float:
    """Return the seconds from the last answer until the incident is contained, by the record's own times."""
    assert incident.contained_at is not None
    answered = max(answer.at for state in incident.asks.values() for answer in state.answers)
    return (incident.contained_at - answered).total_seconds()


def _group_one(times: tuple[Times, Times, Times]) -> Group:
    up, _, floor = times
    rows = [
        against_floor("from the verdict to the containing call", up.all, floor.all, times=LIMIT, because=up.dominates),
        Row("… of that, until the first read", "ms", milliseconds(up.noticed), milliseconds(floor.noticed)),
        Row("… of that, from the read to the write", "ms", milliseconds(up.acted), milliseconds(floor.acted)),
        Row("from the end of the veto window, with the last probe", "ms", milliseconds(up.from_window)),
        Row("from the alert, with every probe, less the 20 s that the plan waits", "ms", milliseconds(up.from_alert)),
    ]
    how = (
        "The plan lets the rollback act by itself. Two failed probes 10 s apart and a veto window of 10 s, the shortest"
        " that a plan may name, are policy and not counted: the verdict is the last response of the probe that runs"
        " after the window. Both times are the production's own. Alerts come 0.65 s apart, so that about 15"
        " incidents of each responder are open at once. The floor's time begins as its alert is sent."
    )
    return Group("1", "Alert to containment, where the plan authorises it beforehand", how, rows)


def _group_two(times: tuple[Times, Times, Times]) -> Group:
    up, _, floor = times
    rows = [
        against_floor("from the approval to the containing call", up.all, floor.all, times=LIMIT, because=up.dominates),
        Row("… of that, until the first read", "ms", milliseconds(up.noticed), milliseconds(floor.noticed)),
        Row("… of that, from the read to the write", "ms", milliseconds(up.acted), milliseconds(floor.acted)),
        Row(
            "from the approval until contained, verified and recorded",
            "ms",
            contained := milliseconds(up.contained),
            target="2 s at the 95th percentile",
            wanted=2000,
            reached=contained.p95,
            because="the vendor's own verification is most of it",
        ),
    ]
    how = (
        "An incident waits for one approval. Another process answers it through the engine, as the command line does;"
        " the time begins before it writes the answer. The floor's begins as its POST is sent."
    )
    return Group("2", "Approval to containment", how, rows)


def _group_eight(one: tuple[Times, Times, Times], two: tuple[Times, Times, Times]) -> Group:
    rows = [
        _down("row 1, Prefect down against up", one[1], one[0]),
        _down("row 2, Prefect down against up", two[1], two[0]),
    ]
    how = (
        "The same rounds, alternating, on a second responder whose Prefect refuses connections; in place of the floor"
        " stands ours with Prefect up. That one is a local server that answers as Prefect's API does and runs no flow."
    )
    return Group("8", "Prefect down", how, rows)


def _down(what: str, down: Times, up: Times) -> Row:
    mine, other = milliseconds(down.all), milliseconds(up.all)
    return Row(
        what, "ms", mine, other, "within 20 %", wanted=1.2, reached=mine.median / other.median, because=down.dominates
    )


# --- row 3 -----------------------------------------------------------------------------------------------


async def four(ground: Ground, rounds: int) -> list[Group]:
    """Measures four acts of one incident: from the approval of all to the last containing call."""
    ours, floor = ground.new_ours(names("r", 1, rounds + 1)), ground.new_floor()
    await ground.started(ours, floor)
    await warmed(ground, floor)
    took, least = list[float](), list[float]()
    for number in range(rounds + 1):
        service = names("r", number + 1, 1)[0]
        await ours.alert(ground.http, service)
        incident = await ours.waiting(service, len(REGIONS))
        began = ours.approve(incident)
        calls = await ground.wait(service, count=len(REGIONS))
        took.append(calls[-1].arrived - began)
        ours.over(await ours.until(service, lambda one: all(act.outcome for act in one.acts.values())))
        await asyncio.sleep(_QUIET)
        began = await floor.alert(ground.http, f"h-{number:04}", way="decided", regions=REGIONS)
        calls = await ground.wait(f"h-{number:04}", count=len(REGIONS))
        least.append(calls[-1].arrived - began)
        await asyncio.sleep(_QUIET)
    ours.end()
    floor.end()
    how = (
        "A service in four regions: four rollbacks, whose approvals are written in one transaction; the time is the"
        " last containing call's. The floor makes all four at once."
    )
    row = against_floor("from the approvals to the fourth containing call", took[1:], least[1:])
    return [Group("3", "Four acts in one incident", how, [row])]


# --- row 5 -----------------------------------------------------------------------------------------------


async def storm(ground: Ground, rounds: int, size: int) -> list[Group]:
    """Measures many different alerts at once: the last containing call, and whether any is lost."""
    took, least, lost, notes = list[float](), list[float](), 0, ""
    for number in range(rounds):
        services = names("a", 1000 * (number + 1), size)
        ours, floor = ground.new_ours(services), ground.new_floor()
        await ground.started(ours, floor)
        await warmed(ground, floor)
        ours.remember(services)
        prefix = services[0][:3]
        began = time.monotonic()
        await asyncio.gather(*(ours.alert(ground.http, service) for service in services))
        calls = await _as_many(ground, prefix, size)
        took.append(max(call.arrived for call in calls) - began - POLICY_WAITS)
        lost += size - len({call.place for call in calls})
        await asyncio.sleep(2)
        ours.end()
        floors = names("s", 1000 * (number + 1), size)
        began = time.monotonic()
        await asyncio.gather(*(floor.alert(ground.http, service, way="whole") for service in floors))
        calls = await _as_many(ground, floors[0][:3], size)
        least.append(max(call.arrived for call in calls) - began)
        await asyncio.sleep(2)
        floor.end()
        notes = await _same_calls(ground, services[0], floors[0])
    how = (
        f"{size} alerts for {size} services are sent at once, without a storm policy; each is contained by itself, as"
        " in row 1. The time runs from the first POST to the last containing call, less the 20 s that the plan waits."
        f" The floor makes the same calls without waiting. {lost} were never contained. {notes}"
    )
    mine, other = milliseconds(took), milliseconds(least)
    row = Row(
        f"{size} alerts at once: the last is contained",
        "ms",
        mine,
        other,
        f"{LIMIT}x the floor's, none lost",
        wanted=LIMIT,
        reached=float("inf") if lost else mine.median / other.median,
        because="the clients (httpx, gRPC) and the journal, with a commit for each move, share one thread",
    )
    return [Group("5", "Many alerts at once", how, [row])]


async def _as_many(ground: Ground, place: str, count: int) -> list[Call]:
    """Return so many containing calls, or those that came within a time that is long for all of them."""
    try:
        return await ground.wait(place, count=count, seconds=_MOST)
    except httpx.ReadTimeout:
        return await ground.calls(place, WRITE)


async def _same_calls(ground: Ground, ours: str, floor: str) -> str:
    mine, theirs = kinds(await ground.calls(ours)), kinds(await ground.calls(floor))
    said = ", ".join(f"{count} {kind}" for kind, count in mine.items())
    if mine == theirs:
        return f"Both made the same calls for a service: {said}."
    other = ", ".join(f"{count} {kind}" for kind, count in theirs.items())
    return f"Calls for a service: ours {said}; the floor {other}."
