"""VintStreet as it is on a machine without any secret: its service fails, and no vendor outside is ever asked."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from allclear.company.load import RUNBOOKS_VARIABLE
from tests.contract.simulator_support import REPOSITORY

CLOSED = "http://127.0.0.1:9"
"""An address at which nothing listens."""

VARIABLES = {
    "supabase": "SUPABASE_SERVICE_KEY",
    "supabase_management": "SUPABASE_ACCESS_TOKEN",
    "github": "GITHUB_TOKEN",
    "slack": "SLACK_BOT_TOKEN",
    "pagerduty": "PAGERDUTY_ROUTING_KEY",
    "statuspage": "STATUSPAGE_API_KEY",
    "email": "EMAIL_PASSWORD",
    "twilio": "TWILIO_AUTH_TOKEN",
    "alerts of sentry": "SENTRY_CLIENT_SECRET",
}
"""System -> the variable of its secret. Google's systems use application default credentials."""


def company_without_secrets(folder: Path) -> Path:
    """Copy VintStreet's folder into `folder`, with a service at a closed port, and return `folder` for companies."""
    root = folder / "companies"
    shutil.copytree(REPOSITORY / "runbooks" / "vintstreet", root / "vintstreet")
    systems = root / "vintstreet" / "systems.yaml"
    systems.write_text(systems.read_text().replace("url: https://vintstreet.com", f"url: {CLOSED}"))
    return root


def environment_without_secrets(folder: Path) -> dict[str, str]:
    """Return the variables of a machine that has no secret, no account of Google and a company of its own."""
    return {
        RUNBOOKS_VARIABLE: str(company_without_secrets(folder)),
        "NO_GCE_CHECK": "true",  # Google's library would ask the network whether this machine is in its cloud
        "CLOUDSDK_CONFIG": str(folder / "no-gcloud"),
        "HOME": str(folder),
    }


def without_secrets(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Make this process such a machine."""
    for name in (*VARIABLES.values(), "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)
    for name in [one for one in os.environ if one.startswith(("ALLCLEAR_", "PREFECT_"))]:
        monkeypatch.delenv(name)
    for name, value in environment_without_secrets(folder).items():
        monkeypatch.setenv(name, value)
