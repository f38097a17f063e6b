"""What tests of several folders share: the databases that a journal can be on."""

from __future__ import annotations

import gc
import tomllib
from collections.abc import Generator
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from tests import once_a_process
from tests.schedule import Schedule, place

if TYPE_CHECKING:
    from tests.journal_support import Journals, OnPostgres


TESTS = Path(__file__).parent

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")  # a busy machine fails no test by its clock

once_a_process.share()

gc.disable()  # until all tests are collected: nothing that is imported becomes garbage


def pytest_collection_finish() -> None:
    """Let the garbage collector leave out what was imported, and run less often.

    It took a third of the CPU time of the collection, which each test process repeats.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    gc.enable()


def pytest_configure() -> None:
    """Stop if the entry points of pyproject.toml have changed since allclear was installed: most tests would fail."""
    project = tomllib.loads((TESTS.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {(group, *point) for group, points in project["entry-points"].items() for point in points.items()}
    installed = {(point.group, point.name, point.value) for point in distribution("allclear").entry_points}
    if missing := sorted(wanted - installed):
        msg = (
            f"The entry point {missing[0]} is not installed. Install allclear again: "
            "uv pip install --offline --no-deps --no-build-isolation --editable ."
        )
        raise pytest.UsageError(msg)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that take the longest, so that at the end no test process waits for another.

    `--no-loadscope-reorder` keeps this order in several test processes.
    """
    items.sort(key=lambda item: place(item.path.relative_to(TESTS)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Schedule:  # noqa: ANN401 - pytest-xdist has no types
    """Give the files to several test processes as `Schedule` does."""
    return Schedule(config, log)


@pytest.fixture(scope="session")
def postgres() -> Generator[OnPostgres]:
    """A PostgreSQL server for this test process."""
    from tests.journal_support import postgres_server  # noqa: PLC0415 - most tests need nothing of it

    with postgres_server() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def journals(request: pytest.FixtureRequest, tmp_path: Path) -> Journals:
    """Where new journals come from: the test is run on each database."""
    from tests.journal_support import OnSqlite  # noqa: PLC0415 - as above

    return OnSqlite(tmp_path) if request.param == "sqlite" else request.getfixturevalue("postgres")
