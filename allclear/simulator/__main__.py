"""`python -m allclear.simulator FILE`: a simulated production alone, which says in one line where everything is."""

from __future__ import annotations

import sys
from pathlib import Path

from allclear.domain.errors import AllclearError
from allclear.simulator.serve import run

if __name__ == "__main__":
    try:
        run(Path(sys.argv[1]), as_json=True)
    except AllclearError as error:
        print(f"{error.message}\n→ {error.next_step}", file=sys.stderr)  # noqa: T201 - a command's own voice
        sys.exit(error.exit_code)
