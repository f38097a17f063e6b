"""Which files the test processes take, and in which order, so that both processors are always busy.

The tests of `end_to_end` mostly wait for other programs, those of `contract` for the pauses that vendors ask for, and
all others compute. If all those that wait ran at the same time, the processors would be idle.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from typing_extensions import override
from xdist.scheduler import LoadFileScheduling

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

ON_ONE_STACK = ("test_up.py", "test_forms.py", "test_browser.py")
"""The files whose tests share one running stack, in this order; see end_to_end/conftest.py.

Each has incidents of its own. The commands of the README, in the first file, are about the first incident.
"""

FIRST = (
    "end_to_end",
    "scenario/test_every_drill.py",
    "property/test_one_change.py",
    "property/test_crash_anywhere.py",
    "contract/test_simulator_gcloud.py",
    "scenario",
    "property",
    "contract",
)
"""The folders and files that are taken first, in this order, because they take the longest: in November 2026, of 350
seconds of processor time without `end_to_end`, the drills took 31, the next files 18, 17 and 12, no other over 9."""

WAITING_AT_ONCE = 3
"""How many test processes have files that wait, while there are both kinds."""

_ONE_STACK = "tests/end_to_end/one stack"


def place(file: PurePath) -> tuple[int, int]:
    """Return where in the order a test file stands; `file` is its path within `tests`."""
    start = next((number for number, start in enumerate(FIRST) if file.as_posix().startswith(start)), len(FIRST))
    return start, ON_ONE_STACK.index(file.name) if file.name in ON_ONE_STACK else len(ON_ONE_STACK)


class Schedule(LoadFileScheduling):
    """Gives a test process whole files: those that share a stack together, and few that wait at the same time."""

    @override
    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return _ONE_STACK if PurePath(file).name in ON_ONE_STACK else file

    @override
    def _assign_work_unit(self, node: WorkerController) -> None:
        given = (unit for units in self.assigned_work.values() for unit in units.items())
        waiting = sum(_waits(scope) for scope, tests in given if not all(tests.values()))
        wanted = waiting < WAITING_AT_ONCE
        chosen = next((scope for scope in self.workqueue if _waits(scope) == wanted), None)
        if chosen:
            self.workqueue.move_to_end(chosen, last=False)
        super()._assign_work_unit(node)


def _waits(scope: str) -> bool:
    return scope.startswith(("tests/end_to_end", "tests/contract"))
