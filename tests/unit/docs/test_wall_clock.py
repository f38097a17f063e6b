"""No test depends on how fast the machine is; see CONTRIBUTING.md. The check that finds such tests finds them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "scripts" / "wall_clock.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """Return the script as a module."""
    spec = importlib.util.spec_from_file_location("wall_clock", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["wall_clock"] = module
    spec.loader.exec_module(module)
    return module


def test_no_test_asserts_the_wall_clock_or_has_a_short_limit(
    script: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    """All tests but the benchmarks, whose subject is time, are read."""
    code = script.main([])
    assert (capsys.readouterr().out, code) == ("", 0)


@pytest.mark.parametrize(
    ("folder", "line", "wrong"),
    [
        ("scenario", "assert time.monotonic() - began < 5", "wall clock"),
        ("unit", "assert perf_counter() < end", "wall clock"),
        ("unit", "while monotonic() < end: pass", "wall clock"),
        ("unit", "took = monotonic() - began\n    assert took < 2", "wall clock"),
        ("end_to_end", "assert abs(one - two) < timedelta(seconds=1)", "wall clock"),
        ("contract", "async with asyncio.timeout(60): pass", "a limit of 60 s (asyncio.timeout)"),
        ("contract", "await asyncio.wait_for(task, 2 * 30)", "a limit of 60 s (asyncio.wait_for)"),
        ("scenario", "await asyncio.wait([task], timeout=SHORT)", "a limit of 30 s (asyncio.wait)"),
        ("scenario", "httpx.get(url, timeout=timedelta(minutes=1))", "a limit of 60 s (httpx.get)"),
        ("unit", "process.wait(timeout=9)", "a limit of 9 s (process.wait)"),
    ],
)
def test_what_a_busy_machine_would_fail_is_found(script: ModuleType, folder: str, line: str, wrong: str) -> None:
    """Each way to write a comparison with the clock or a limit is found in its line."""
    source = f"from time import monotonic, perf_counter\nSHORT = 30\n\nasync def test_it() -> None:\n    {line}\n"
    found = script.findings(script.Module.of(ROOT / "tests" / folder / "test_it.py", source), 600.0)
    assert [wrong in sentence for _, sentence in found] == [True]
    assert found[0][0] == 5 + line.count("\n")


@pytest.mark.parametrize(
    ("folder", "line"),
    [
        ("contract", "async with asyncio.timeout(HUNG): pass"),
        ("contract", "httpx.get(url, timeout=600)"),
        ("contract", "httpx.get(url, timeout=0.5)  # runs out: nothing answers"),
        ("unit", "async with asyncio.timeout(60): pass"),
        ("scenario", "assert watch.now - failed_at <= timedelta(seconds=10)"),
        ("scenario", "assert incident.at <= later"),
        ("contract", "sent_at = time.time() - 360"),
    ],
)
def test_what_no_machine_can_fail_is_left_alone(script: ModuleType, folder: str, line: str) -> None:
    """The shared limit, a limit that is meant to run out, a clock that a test moves, the loop that skips pauses."""
    source = f"from tests.patience import HUNG\n\nasync def test_it() -> None:\n    {line}\n"
    assert script.findings(script.Module.of(ROOT / "tests" / folder / "test_it.py", source), 600.0) == []
