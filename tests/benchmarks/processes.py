"""What a benchmark starts: processes of its own, each ended with it, however it ends."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).parents[2]
_NOT_OURS = ("ALLCLEAR_", "PREFECT_", "PYTHONDONTWRITEBYTECODE")


class Process:
    """One Python module in a process of its own, ended by SIGTERM on leaving the `with` block."""

    def __init__(self, module: str, *words: str, log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.log = log
        bare = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_OURS)}
        # Compiled modules are kept between two starts, as they are on any machine; both sides share them.
        kept = {"PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": str(ROOT / ".allclear" / "bytecode")}
        more = {**kept, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", **(environment or {})}
        with log.open("ab") as out:
            self.started = time.monotonic()
            self.child = subprocess.Popen(  # noqa: S603 - our own modules
                [sys.executable, "-m", module, *words],
                cwd=ROOT,
                env={**bare, **more},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - one prctl, as the stack does
            )

    def __enter__(self) -> Self:
        """Return the process, which runs already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        self.end()

    def first_line(self) -> str:
        """Return the first line that it says. Raises RuntimeError when it ends without a word."""
        while True:
            lines = self.log.read_text().splitlines(keepends=True)
            if lines and lines[0].endswith("\n"):
                return lines[0]
            self.alive()
            time.sleep(0.02)

    def alive(self) -> None:
        """Raise RuntimeError, with its last words, for a process that has ended."""
        if self.child.poll() is not None:
            raise RuntimeError(f"{self.child.args} ended: {self.log.read_text()[-2000:]}")

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self.child.kill()
        self.child.wait()

    def end(self) -> None:
        """Tell it to end, and makes it."""
        if self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(4)
            except subprocess.TimeoutExpired:
                self.kill()

    def megabytes(self) -> float:
        """Return its resident memory in MiB."""
        status = Path(f"/proc/{self.child.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) / 1024


def _die_with_parent() -> None:
    """On Linux, let the kernel stop the process when its parent ends for any reason."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
