"""`make bench`: measures every row of docs/benchmarks.md and writes that page. Everything stays on 127.0.0.1."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks import beginning, contain, flood, record
from tests.benchmarks.figures import Group
from tests.benchmarks.ground import Ground
from tests.benchmarks.page import show, write_page
from tests.benchmarks.processes import ROOT

_PAGE = ROOT / "docs" / "benchmarks.md"


@dataclass(frozen=True)
class Part:
    """Rows that are measured together."""

    rows: frozenset[str]
    measure: Callable[[Ground], Awaitable[list[Group]]]


def parts(*, quick: bool) -> list[Part]:
    """Return what there is to measure, the longest last."""
    few, sizes = (3, [1_000, 100_000]) if quick else (15, [1_000, 100_000, 1_000_000])

    async def appends(ground: Ground) -> list[Group]:
        return await asyncio.to_thread(record.appends, ground.home / "appends", sizes, 50 if quick else 300)

    async def post_mortem(ground: Ground) -> list[Group]:
        return await asyncio.to_thread(record.post_mortem, ground.home / "post-mortem", 10_000, 3 if quick else 9)

    return [
        Part(frozenset({"4", "9"}), lambda ground: beginning.cold(ground, 2 if quick else 9)),
        Part(frozenset({"7"}), lambda ground: beginning.killed(ground, 2 if quick else 7)),
        Part(frozenset({"3"}), lambda ground: contain.four(ground, 3 if quick else 12)),
        Part(frozenset({"1", "2", "8"}), lambda ground: contain.decided(ground, few)),
        Part(frozenset({"11"}), post_mortem),
        Part(frozenset({"10"}), appends),
        Part(
            frozenset({"6"}),
            lambda ground: flood.duplicates(ground, [2_000] if quick else [2_000, 10_000], 1 if quick else 3),
        ),
        Part(frozenset({"5"}), lambda ground: contain.storm(ground, 1, 40 if quick else 200)),
    ]


async def run(wanted: set[str], *, quick: bool) -> list[Group]:
    """Measures the wanted rows (all when none are named), each part on a ground of its own, and prints them."""
    groups = list[Group]()
    for part in parts(quick=quick):
        if wanted and not wanted & part.rows:
            continue
        with tempfile.TemporaryDirectory(prefix="allclear-bench-", dir=ROOT / ".allclear") as home:
            began = time.monotonic()
            async with Ground(Path(home)) as ground:
                found = await part.measure(ground)
            for group in found:
                print(show(group), flush=True)
            print(f"   ({time.monotonic() - began:.0f} s)\n", flush=True)
        groups += found
    return sorted(groups, key=lambda group: int(group.number))


def main() -> int:
    """Run the benchmark of the command line."""
    reader = argparse.ArgumentParser(prog="make bench", description=__doc__)
    reader.add_argument("rows", nargs="*", help="measure these rows only, and write no page")
    reader.add_argument("--quick", action="store_true", help="fewer rounds and smaller journals")
    reader.add_argument("--to", type=Path, default=None, help="write the page there")
    said = reader.parse_args()
    (ROOT / ".allclear").mkdir(exist_ok=True)
    began = time.monotonic()
    try:
        groups = asyncio.run(run(set(said.rows), quick=said.quick))
    except KeyboardInterrupt:
        return 130
    page = said.to or (None if said.rows else _PAGE)
    if page:
        write_page(page, groups, quick=said.quick)
        print(f"Written: {page}, after {time.monotonic() - began:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
