"""How long tests wait. A busy machine fails no test: the one limit only ends a test that hangs.

`patient` gives actions and probes such limits too, so that an act in a test is proven however slow the machine is. A
test of a limit that runs out sets its own, short one. `tests/unit/docs/test_wall_clock.py` finds limits that differ.
"""

# ruff: noqa: ANN401 - the conditions' values, and any action's fields

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import pytest

from allclear.domain.action import Action
from allclear.engine.actions.registry import Registry

HUNG = 600.0
"""Seconds after which a test that waits counts as hung. Nothing is asserted about how long anything takes."""

T = TypeVar("T")


async def until(condition: Callable[[], Any]) -> Any:
    """Return the condition's value as soon as it is true; the event loop goes on meanwhile."""
    loop = asyncio.get_running_loop()
    end = loop.time() + HUNG
    while loop.time() < end:
        if value := condition():
            return value
        await asyncio.sleep(0.01)
    return pytest.fail(f"the condition stayed false for {HUNG:.0f} s")


def wait_until(condition: Callable[[], Any], otherwise: Callable[[], object] = lambda: "", pause: float = 0.02) -> Any:
    """Return the condition's value as soon as it is true; other threads and processes go on meanwhile.

    It is asked every `pause` seconds. If it stays false, the test fails with what `otherwise` returns, as a log.
    """
    end = time.monotonic() + HUNG
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(pause)
    return pytest.fail(f"the condition stayed false for {HUNG:.0f} s. {otherwise()}")


def patient(registry: Registry) -> Registry:
    """Return the registry with patient actions and probes."""
    return Registry.of(patient_kind(kind) for kind in (*registry.actions.values(), *registry.probes.values()))


def patient_kind(kind: type[T], deadline: timedelta = timedelta(seconds=HUNG)) -> type[T]:
    """Return an action or a probe that waits long for its evidence, and whose changes may take `deadline` to show.

    A change has its deadline from `plan` or `undo`, so both are replaced.
    """
    changed: dict[str, Any] = {"evidence_seconds": HUNG} if hasattr(kind, "evidence_seconds") else {}
    if issubclass(kind, Action):
        changed |= {name: _within(deadline, getattr(kind, name)) for name in ("plan", "undo")}
    return type(kind.__name__, (kind,), changed | {"__module__": kind.__module__})


def _within(deadline: timedelta, method: Callable[..., Any]) -> Callable[..., Any]:
    """Return `plan` or `undo` with changes that may take `deadline` to show."""

    def planned(*args: Any) -> Any:
        return method(*args).model_copy(update={"deadline": deadline})

    return planned
