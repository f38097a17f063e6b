"""From the start of a process: rows 4, 7 and 9."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from allclear.domain.incident import Incident
from tests.benchmarks.company import REGIONS, names
from tests.benchmarks.figures import Figures, Group, Row, milliseconds
from tests.benchmarks.ground import WRITE, Floor, Ground, floor_body
from tests.benchmarks.ours import HEADERS, Ours, alert_body


@dataclass
class Started:
    """What one side took from its start, in seconds, and its memory in MiB."""

    answered: list[float] = field(default_factory=list[float])
    probed: list[float] = field(default_factory=list[float])
    paged: list[float] = field(default_factory=list[float])
    megabytes: list[float] = field(default_factory=list[float])


async def cold(ground: Ground, rounds: int) -> list[Group]:
    """Measures rows 4 and 9: start, the first alert at once, one incident, its memory; then the floor the same."""
    ours, floor = ground.new_ours(names("k", 1, rounds + 1)), ground.new_floor()
    took, least = Started(), Started()
    for number in range(rounds + 1):
        if number == 1:  # the first start compiles what is new
            took, least = Started(), Started()
        service = names("k", number + 1, 1)[0]
        await _first_alert(ground, ours, service, alert_body(service), took)
        incident = await ours.waiting(service)
        ours.approve(incident)
        incident = await ours.until(service, lambda one: one.contained is not None)
        took.megabytes.append(ours.process.megabytes() if ours.process else 0.0)
        ours.over(incident)
        ours.end()
        service = names("c", number + 1, 1)[0]
        await _first_alert(ground, floor, service, floor_body(service, "whole"), least)
        await ground.wait(service, "GetOperation")
        await asyncio.sleep(0.5)
        least.megabytes.append(floor.process.megabytes() if floor.process else 0.0)
        floor.end()
    return [_group_four(took, least), _group_nine(took, least)]


async def _first_alert(ground: Ground, side: Ours | Floor, service: str, body: bytes, took: Started) -> None:
    """Start `side`, and sends the same alert until it is taken: the first one meets nothing but a new process."""
    address = f"{side.url}/alerts/json" if isinstance(side, Ours) else f"{side.url}/alerts"
    process = side.start()
    answer = await ground.answers(side, lambda: ground.http.post(address, content=body, headers=HEADERS))
    answered = asyncio.get_running_loop().time()  # time.monotonic(), as the production's
    answer.raise_for_status()
    took.answered.append(answered - process.started)
    took.probed.append((await ground.wait(service, "probe"))[0].arrived - answered)
    took.paged.append((await ground.wait(service, "page"))[0].arrived - answered)


def _group_four(took: Started, least: Started) -> Group:
    rows = [
        Row("from the first 202 to the first probe", "ms", milliseconds(took.probed), milliseconds(least.probed)),
        Row("from the first 202 to the page", "ms", milliseconds(took.paged), milliseconds(least.paged)),
    ]
    how = (
        "Each round starts the process and sends one alert until it is taken: a new process's first. What it loads"
        " behind its answer is in these times. The page waits for the probe."
    )
    return Group("4", "The first alert after a start", how, rows)


def _group_nine(took: Started, least: Started) -> Group:
    start, memory = milliseconds(took.answered), Figures.of(took.megabytes)
    rows = [
        Row(
            "from the start of the process to the first 202",
            "ms",
            start,
            milliseconds(least.answered),
            "800 ms",
            wanted=800,
            reached=start.median,
            because="it is imports (FastAPI, SQLAlchemy, our models), then the plan's YAML; then nothing waits",
        ),
        Row(
            "resident memory after one incident",
            "MiB",
            memory,
            Figures.of(least.megabytes),
            "120 MB",
            wanted=120,
            reached=memory.median,
            because="the generated Cloud Run client and gRPC are most of it",
        ),
    ]
    how = (
        "The same rounds as row 4. The alert is sent anew every 5 ms until a server answers. Memory is VmRSS once an"
        " incident was contained, so that everything is loaded."
    )
    return Group("9", "Start and memory", how, rows)


# --- row 7 -----------------------------------------------------------------------------------------------


async def killed(ground: Ground, rounds: int) -> list[Group]:
    """Measures row 7: four acts are approved, one is done, the second hangs; SIGKILL, and a new process."""
    ours, floor = ground.new_ours(names("r", 1, rounds)), ground.new_floor()
    ours.start()
    first, again, floors, twice = list[float](), list[float](), list[float](), 0
    for number in range(rounds):
        service = names("r", number + 1, 1)[0]
        await ground.answers(ours, lambda: ground.http.get(f"{ours.url}/healthz"))
        await ours.alert(ground.http, service)
        incident = await ours.waiting(service, len(REGIONS))
        await ground.hold(f"{service}@{REGIONS[1]}")
        ours.approve(incident)
        await ours.until(service, _first_is_done)
        read, write = await _killed_and_started(ground, ours, service)
        first.append(read)
        again.append(write)
        ours.over(await ours.until(service, lambda one: all(act.outcome for act in one.acts.values())))
        twice += await _twice(ground, service)
        floors.append(await _floor_killed(ground, floor, f"d-{number + 1:04}"))
        twice += await _twice(ground, f"d-{number + 1:04}")
    ours.end()
    mine = milliseconds(first)
    rows = [
        Row(
            "from the new process's start to the first resumed call",
            "ms",
            mine,
            milliseconds(floors),
            "600 ms",
            wanted=600,
            reached=mine.median,
            because="nothing is called before the process takes alerts (row 9) and has loaded the Cloud Run client",
        ),
        Row("… to the next containing call", "ms", milliseconds(again)),
    ]
    how = (
        "Four rollbacks of one incident are approved; the first is done, the second hangs in its first read. Then"
        f" SIGKILL, and a new process at once. Containing calls issued twice, on either side: {twice}."
    )
    return [Group("7", "Killed between two acts", how, rows)]


def _first_is_done(incident: Incident) -> bool:
    return any(act.outcome for act in incident.acts.values() if act.proposed.phase == "contain")


async def _killed_and_started(ground: Ground, side: Ours | Floor, service: str) -> tuple[float, float]:
    """Return what passed from the new start to the first call, and to the first write, about the service."""
    if side.process:
        side.process.kill()
    before = len(await ground.calls(service))
    writes = len(await ground.calls(service, WRITE))
    await ground.release()
    process = side.start()
    calls = (await ground.wait(service, WRITE, writes + 1))[writes]
    resumed = (await ground.calls(service))[before:]
    return min(call.arrived for call in resumed) - process.started, calls.arrived - process.started


async def _floor_killed(ground: Ground, floor: Floor, service: str) -> float:
    await ground.started(floor)
    held = f"{service}@{REGIONS[1]}"
    await ground.hold(held)
    await floor.alert(ground.http, service, way="decided", regions=REGIONS)
    await ground.wait(service, WRITE, len(REGIONS) - 1)
    read, _ = await _killed_and_started(ground, floor, service)
    await ground.wait(held, "GetOperation")
    await asyncio.sleep(0.2)
    floor.end()
    return read


async def _twice(ground: Ground, service: str) -> int:
    """Return how many regions of the service were written to more than once."""
    places = [call.place for call in await ground.calls(service, WRITE)]
    return sum(places.count(place) > 1 for place in set(places))
