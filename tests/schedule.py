"""Which files the test processes take, and in which order, so that both processors are always busy.

The tests of `end_to_end` mostly wait for other programs, those of `contract` for the pauses that vendors ask for; those
of `unit` compute, and the others do both. If all those that wait ran at the same time, the processors would be idle.
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
    "contract/test_cloud_run_faults.py",
    "scenario",
    "property",
    "contract",
)
"""The folders and files that are taken first, in this order, because they take the longest: in November 2026, of 350
seconds of processor time without `end_to_end`, the drills took 31, the next files 18, 17 and 12, no other over 9."""

AT_ONCE = {("end_to_end", "contract"): 3, ("scenario", "property"): 2}
"""How many test processes have files of these folders, while there are others; so the one that is left computes."""

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
        units = (unit for assigned in self.assigned_work.values() for unit in assigned.items())
        given = [scope for scope, tests in units if not all(tests.values())]
        full = [folders for folders, most in AT_ONCE.items() if sum(_is_in(folders, scope) for scope in given) >= most]
        chosen = next((one for one in self.workqueue if not any(_is_in(folders, one) for folders in full)), None)
        if chosen:
            self.workqueue.move_to_end(chosen, last=False)
        super()._assign_work_unit(node)


def _is_in(folders: tuple[str, ...], scope: str) -> bool:
    return scope.split("/")[1] in folders
