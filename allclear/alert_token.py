"""The alert token: made once, kept in a file that only its owner can read, and never printed."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from allclear.domain.errors import ConfigError

VARIABLE = "ALLCLEAR_ALERT_TOKEN"


def token_file(home: Path) -> Path:
    """Return the file in `home` that holds the token."""
    return home / "alert-token"


def alert_token(home: Path) -> str:
    """Return ALLCLEAR_ALERT_TOKEN if it is set, else the token in `home`, which is made at the first start.

    Senders keep the token, so it must be the same after a restart. Raises ConfigError for a file that is empty or
    cannot be read or written.
    """
    if given := os.environ.get(VARIABLE, "").strip():
        return given
    path = token_file(home)
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            _write_new(path, secrets.token_urlsafe(24))
        path.chmod(0o600)
        token = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a token"
        raise ConfigError(
            f"The alert token in {path} cannot be used: {reason}.", f"Correct it, or set {VARIABLE}."
        ) from None
    if not token:
        raise ConfigError(f"The alert token in {path} is empty.", f"Delete the file, or set {VARIABLE}.")
    return token


def _write_new(path: Path, token: str) -> None:
    """Write the whole file at once under its name. Raises FileExistsError if there is one already."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{token}\n")
        os.link(draft, path)  # unlike a rename, this never replaces the token of a process that was first
    finally:
        draft.unlink()
