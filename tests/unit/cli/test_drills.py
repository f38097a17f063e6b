"""What `allclear drill` prints at its end."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from allclear.cli.drills import print_read_more, without_annex
from allclear.environment_file import FILE


def test_the_drill_ends_with_commands_that_work_in_another_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file with the drill's environment is read first; `show`, `verify` and `postmortem` follow."""
    home = tmp_path / "a home"
    print_read_more("VS-1", home)
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert lines[1:] == [
        f"source {shlex.quote(str(home / FILE))}",
        "allclear show VS-1",
        "allclear verify VS-1",
        "allclear postmortem VS-1",
    ]


def test_the_drill_prints_the_post_mortem_without_its_full_record(tmp_path: Path) -> None:
    """The annex has hundreds of lines; its heading is followed by the file that has them."""
    file = tmp_path / "VS-1-post-mortem.md"
    printed = without_annex("# VS-1\n\nIt is over.\n\n## Annex: The Full Record\n\n- one\n- two\n", file)
    assert printed == (
        f"# VS-1\n\nIt is over.\n\n## Annex: The Full Record\n\nIt has 2 lines. The whole document is {file}\n"
    )
    assert without_annex("# VS-1\n\nIt is over.\n", file) == "# VS-1\n\nIt is over.\n"
