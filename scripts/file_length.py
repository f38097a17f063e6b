"""Find Python files that are too long to read in one go.

Usage: python scripts/file_length.py
Exit code 1 and one line a finding: file: how many lines it has. Files that a program writes have none of ours.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
MOST = 450
"""The most lines that a file may have (`docs/style.md`)."""


def main() -> int:
    """Print each file that has more than `MOST` lines; return 1 if there is one."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"],  # noqa: S607 - git, as people have it
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    files = [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).exists()]
    lengths = {path: len(path.read_text().splitlines()) for path in files}
    long = {path: length for path, length in lengths.items() if length > MOST}
    for path, length in sorted(long.items()):
        print(f"{path.relative_to(ROOT)}: {length} lines; split it, {MOST} are the most.")
    if not long:
        print(f"No file has more than {MOST} lines.")
    return 1 if long else 0


if __name__ == "__main__":
    sys.exit(main())
