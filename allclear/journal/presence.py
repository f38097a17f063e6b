"""Who is alive among the processes that share a journal.

Each holds a lock on a file of its own for as long as it lives; the kernel lets go of it the moment the
process dies, however it dies. So a claim whose holder is gone is seen at once, and nobody waits out a lease.
"""

from __future__ import annotations

import fcntl
import os
import uuid
from contextlib import suppress
from pathlib import Path


class Presence:
    """This process among the holders in `folder`."""

    def __init__(self, folder: Path) -> None:
        """Makes ourselves known; `folder` is made when it is missing. Raises OSError."""
        folder.mkdir(parents=True, exist_ok=True)
        self.holder = uuid.uuid4().hex
        self._folder = folder
        self._file = os.open(self._path(self.holder), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _path(self, holder: str) -> Path:
        return self._folder / f"{holder}.alive"

    def gone(self, holder: str) -> bool:
        """Says whether that holder's process has ended; a stopped one is not gone."""
        if holder == self.holder:
            return False
        try:
            other = os.open(self._path(holder), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        try:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        else:
            return True
        finally:
            os.close(other)

    def leave(self) -> None:
        """Goes, and takes the file along."""
        with suppress(OSError):
            self._path(self.holder).unlink()
        with suppress(OSError):
            os.close(self._file)
