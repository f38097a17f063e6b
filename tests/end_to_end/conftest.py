"""One running stack for the files that need one but neither stop nor break it: each start takes ten to twenty seconds.

`ON_ONE_STACK` of tests/schedule.py lists these files, so that they run in the same test process.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.end_to_end.up_support import Up, end_all, running_up


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """`make up SIMULATED=1` on free ports, once for a test process."""
    with running_up(tmp_path_factory.mktemp("up")) as running:
        yield running


@pytest.fixture(scope="module")
def up(stack: Up) -> Up:
    """The running stack, without an open incident: those of the files before are ended."""
    end_all(stack, stack.incidents())
    return stack
