"""`python -m allclear.simulator FILE [--wait]`: a simulated production alone; one line says where everything is.

With `--wait`, its trouble starts on `POST /break` of the control API, and not before.
"""

from __future__ import annotations

import sys
from pathlib import Path

from allclear.domain.errors import AllclearError
from allclear.simulator.serve import run

if __name__ == "__main__":
    try:
        run(Path(sys.argv[1]), as_json=True, waits="--wait" in sys.argv[2:])
    except AllclearError as error:
        print(f"{error.message}\n→ {error.next_step}", file=sys.stderr)  # noqa: T201 - a command's own voice
        sys.exit(error.exit_code)
