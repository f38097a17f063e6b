"""docs/benchmarks.md out of what was measured."""

from __future__ import annotations

import os
import platform
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tests.benchmarks.figures import Figures, Group, Row

_LIBRARIES = ("fastapi", "uvicorn", "sqlalchemy", "pydantic", "httpx", "google-cloud-run", "grpcio", "prefect")

_HEAD = """\
# How fast allclear is

`make bench` measures this and writes this page; `make bench ROWS="1 2"` measures some rows only and prints them.

*Ours* is the responder as users start it, `python -m allclear.responder`, with a company's folder and a journal on
SQLite. The *floor* is the thinnest honest webhook that contains ([floor.py](../tests/benchmarks/floor.py)): a raw ASGI
function on the same server, which keeps each alert in SQLite with synchronous=FULL and group commit and then makes the
same calls with the same clients (google-cloud-run, httpx); no plan, no approvals, no record. Both act on one local
production ([production.py](../tests/benchmarks/production.py)), which answers at once and writes down when each call
reached it; a containing call is Cloud Run's `UpdateService`. In each row they take turns in the same run. *Ratio* is
our median against the floor's, which is small: a few milliseconds more of ours can double it.
"""


def write_page(path: Path, groups: Sequence[Group], *, quick: bool) -> None:
    """Write the page."""
    path.write_text("\n".join([_HEAD, _where(quick=quick), *(_section(group) for group in groups)]))


def show(group: Group) -> str:
    """Return a group as it is printed while the rest is measured."""
    return "\n".join([f"{group.number}. {group.title}", *(f"   {_said(row)}" for row in group.rows)])


def _said(row: Row) -> str:
    floor = f", floor {_number(row.floor.median)}" if row.floor else ""
    return f"{row.what}: {_number(row.ours.median)} {row.unit}{floor}; {_verdict(row)}"


def _where(*, quick: bool) -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    return (
        f"Measured on {datetime.now(UTC):%Y-%m-%d}{' with --quick: too few rounds to rely on' if quick else ''},"
        f" on {os.cpu_count()} cores of {_processor()}, {memory:.0f} GiB of memory, {platform.system()}"
        f" {platform.release().split('-')[0]}. Python {platform.python_version()}, SQLite {sqlite3.sqlite_version},"
        f" {versions}.\n"
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _section(group: Group) -> str:
    lines = [
        f"## {group.number}. {group.title}",
        "",
        group.how,
        "",
        "| | | median | p95 | min | max | rounds | ratio | target | |",
        "|---|---|---:|---:|---:|---:|---:|---:|---|---|",
    ]
    for row in group.rows:
        ratio = f"{row.ratio:.2f}" if row.ratio else ""
        lines.append(f"| {row.what} | ours | {_cells(row.ours, row.unit)} | {ratio} | {row.target} | {_verdict(row)} |")
        if row.floor:
            against = "up" if "Prefect down" in row.what else "floor"
            lines.append(f"| | {against} | {_cells(row.floor, row.unit)} | | | |")
    return "\n".join([*lines, ""])


def _cells(figures: Figures, unit: str) -> str:
    times = [figures.median, figures.p95, figures.least, figures.most]
    first, *rest = [_number(one) for one in times]
    return " | ".join([f"{first} {unit}", *rest, f"{figures.count:,}"])


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _verdict(row: Row) -> str:
    if row.wanted is None or row.reached is None:
        return ""
    if row.met:
        return "met"
    short = abs(row.reached - row.wanted)
    of = "x" if row.wanted < 10 else f" {row.unit}"
    return f"short by {_number(short)}{of}, because {row.because}"
