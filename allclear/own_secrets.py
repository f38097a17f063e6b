"""The secrets of allclear itself: each is made once, kept in a file that only its owner can read, and never printed."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

from pydantic import SecretStr

from allclear.domain.errors import ConfigError
from allclear.settings import Settings

HOME = Path(".allclear")
"""The default folder of what a start keeps."""


@dataclass(frozen=True)
class OwnSecret:
    """A secret that is made at the first start, because it must be the same after a restart."""

    name: str
    """As an error names it."""
    variable: str
    """The environment variable that holds it instead of the file."""
    file_name: str

    def file(self, home: Path) -> Path:
        """Return the file in `home` that holds it."""
        return home / self.file_name

    def read(self, home: Path) -> str:
        """Return the variable's value if it is set, else what the file in `home` holds, which is made if it is missing.

        Raises ConfigError for a file that is empty or cannot be read or written.
        """
        if given := os.environ.get(self.variable, "").strip():
            return given
        path = self.file(home)
        try:
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            with suppress(FileExistsError):
                _write_new(path, secrets.token_urlsafe(24))
            path.chmod(0o600)
            value = path.read_text(encoding="ascii").strip()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "its text is not ASCII"
            raise ConfigError(
                f"The {self.name} in {path} cannot be used: {reason}.", f"Correct it, or set {self.variable}."
            ) from None
        if not value:
            raise ConfigError(f"The {self.name} in {path} is empty.", f"Delete the file, or set {self.variable}.")
        return value


ALERT_TOKEN = OwnSecret("alert token", "ALLCLEAR_ALERT_TOKEN", "alert-token")
"""Senders keep it and send it with each alert."""

LINK_KEY = OwnSecret("key of personal links", "ALLCLEAR_LINK_KEY", "link-key")
"""Signs the links, sign-ins and tokens of people, which must still work after a restart."""


def with_own_secrets(settings: Settings, home: Path) -> Settings:
    """Return the settings with the alert token and the key of links, from the environment or from `home`.

    A simulated production has its own, as `allclear up --simulated` gives them. Raises ConfigError as `OwnSecret.read`.
    """
    place = (home / "simulated" if settings.simulation else home).resolve()
    own = {"alert_token": ALERT_TOKEN, "link_key": LINK_KEY}
    return settings.model_copy(update={name: SecretStr(secret.read(place)) for name, secret in own.items()})


def _write_new(path: Path, value: str) -> None:
    """Write the whole file at once under its name. Raises FileExistsError if there is one already."""
    with NamedTemporaryFile("w", encoding="ascii", dir=path.parent, prefix=f".{path.name}.") as draft:
        draft.write(f"{value}\n")
        draft.flush()
        os.link(draft.name, path)  # unlike a rename, this never replaces the secret of a process that was first
