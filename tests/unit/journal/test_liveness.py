"""The lock that shows that the process of a journal lives."""

from __future__ import annotations

import os
from pathlib import Path

from allclear.journal.sqlite import FileLiveness


def test_a_second_release_closes_no_file_of_others(tmp_path: Path) -> None:
    """The system gives the number of the released file to the next file, which must stay open."""
    liveness = FileLiveness(tmp_path / "holders")
    liveness.leave()
    with (tmp_path / "another").open("w", encoding="utf-8") as another:
        liveness.leave()
        assert os.fstat(another.fileno())
