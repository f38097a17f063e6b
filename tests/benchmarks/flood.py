"""The same alert again and again: row 6. The client is a few sockets and no library, for it shares the machine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.benchmarks.company import names
from tests.benchmarks.figures import Figures, Group, Row, milliseconds
from tests.benchmarks.ground import Floor, Ground, floor_body
from tests.benchmarks.ours import HEADERS, Ours, alert_body

_CONNECTIONS = 50
_ENOUGH = 3000
"""Answers a second, by the design."""

_PACE, _PROMPT = 167, 100
"""Alerts a second: ten thousand in a minute. And within how many milliseconds 99 % of them are answered."""


@dataclass(frozen=True)
class Flood:
    """What came of so many requests."""

    seconds: float
    answers: Sequence[float]
    """What each took, in seconds."""

    @property
    def rate(self) -> float:
        """Return the answers in a second."""
        return len(self.answers) / self.seconds


async def send(url: str, body: bytes, count: int, rate: float | None = None) -> Flood:
    """POSTs `body` so often over 50 connections, and returns how that went; with `rate`, so many a second.

    Raises RuntimeError unless all are 202.
    """
    host, port = url.removeprefix("http://").split(":")
    port, _, path = port.partition("/")
    lines = [f"POST /{path} HTTP/1.1", f"host: {host}:{port}", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in HEADERS.items()]
    request = "\r\n".join([*lines, "", ""]).encode() + body
    left, answers = iter(range(count)), list[float]()

    async def connection() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        for number in left:
            if rate:
                await asyncio.sleep(max(0.0, start + number / rate - time.monotonic()))
            began = time.monotonic()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 202"):
                raise RuntimeError(head.decode())
            length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))
            answers.append(time.monotonic() - began)
        writer.close()

    start = time.monotonic()
    await asyncio.gather(*(connection() for _ in range(_CONNECTIONS)))
    return Flood(time.monotonic() - start, answers)


async def duplicates(ground: Ground, counts: Sequence[int], rounds: int) -> list[Group]:
    """Measures row 6: a flood of one alert, ours and the floor in turn; fewer of the bigger ones."""
    services = names("k", 1, sum(rounds for _ in counts) + 1)
    ours, floor = ground.new_ours(services), ground.new_floor()
    await ground.started(ours, floor)
    rows, wrong = list[Row](), list[str]()
    unused = iter(services)
    for place, count in enumerate(counts):
        took, least = list[Flood](), list[Flood]()
        for _ in range(max(1, rounds - 2 * place)):
            service = next(unused)
            took.append(await send(f"{ours.url}/alerts/json", alert_body(service), count))
            incident = await ours.until(service, lambda one: bool(one.open_asks))
            opened = len(ours.people.journal.incidents(service=service))
            counted = ours.people.journal.deliveries()[0].count
            if (opened, counted) != (1, count):
                wrong.append(f"{opened} incidents were opened and {counted} of {count} counted")
            ours.over(incident)
            least.append(await send(f"{floor.url}/alerts", floor_body(service, "keep"), count))
        rows += _rows(count, took, least)
    rows.append(await _paced(ours, floor, next(unused), counts[-1]))
    ours.end()
    floor.end()
    how = (
        f"One alert is sent over and over by {_CONNECTIONS} connections, each waiting for its answer. The first opens"
        " an incident, which is probed at and paged meanwhile. Sender, responder and production share the cores."
        f" {'; '.join(wrong) or 'Each flood opened one incident, and every repeat was counted'}."
    )
    return [Group("6", "Duplicates", how, rows)]


async def _paced(ours: Ours, floor: Floor, service: str, count: int) -> Row:
    """Measures the answers where as many come as a storm of a minute brings in a second."""
    mine = await send(f"{ours.url}/alerts/json", alert_body(service), count, _PACE)
    least = await send(f"{floor.url}/alerts", floor_body(service, "keep"), count, _PACE)
    p99 = [sorted(one.answers)[int(len(one.answers) * 0.99)] * 1000 for one in (mine, least)]
    return Row(
        f"{count:,} duplicates at {_PACE} a second: time of an answer (99 %: {p99[0]:.1f}, floor {p99[1]:.1f})",
        "ms",
        milliseconds(mine.answers),
        milliseconds(least.answers),
        f"99 % within {_PROMPT} ms",
        wanted=_PROMPT,
        reached=p99[0],
        because="the incident that it opens is probed at and paged on the same cores",
    )


def _rows(count: int, took: Sequence[Flood], least: Sequence[Flood]) -> list[Row]:
    rates, other = Figures.of([one.rate for one in took]), Figures.of([one.rate for one in least])
    first = Row(
        f"{count:,} duplicates",
        "answers/s",
        rates,
        other,
        f"{_ENOUGH:,} a second",
        wanted=_ENOUGH,
        reached=rates.median,
        more=True,
        because="a request's way through FastAPI and h11 fills the one thread that answers; commits are shared",
    )
    mine, floors = _answers(took), _answers(least)
    p99 = [f"{sorted(one)[int(len(one) * 0.99)] * 1000:.1f}" for one in (mine, floors)]
    what = f"{count:,} duplicates: time of an answer (99 %: {p99[0]}, floor {p99[1]})"
    return [first, Row(what, "ms", milliseconds(mine), milliseconds(floors))]


def _answers(floods: Sequence[Flood]) -> list[float]:
    return [answer for flood in floods for answer in flood.answers]
