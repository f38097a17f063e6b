"""Alert sources: how each monitoring system authenticates itself and what its alerts look like, one file a vendor.

This package has what a source needs, ours or a third party's: `source` (the interface), `request` (what was received),
`signatures` (authentication) and `payload` (types for vendors' bodies). SOURCES has those that are installed.
"""

from __future__ import annotations

from collections.abc import Mapping

from allclear.domain.alert import Alert
from allclear.domain.errors import ConfigError
from allclear.extensions import ALERT_SOURCES, Extensions
from allclear.responder.sources.payload import Body, Identifier, Labels, Text, Timestamp, key, labels, validate
from allclear.responder.sources.request import RawRequest, form_request, json_request
from allclear.responder.sources.signatures import AuthenticationResult, Credentials, hmac_hex, verify_hmac
from allclear.responder.sources.source import (
    IncompleteAlerts,
    NoAlert,
    ParseResult,
    SharedSecretSource,
    Source,
    read_each,
    unknown_state,
    vendor_test,
)

__all__ = [
    "SOURCES",
    "Alert",
    "AuthenticationResult",
    "Body",
    "Credentials",
    "Identifier",
    "IncompleteAlerts",
    "Labels",
    "NoAlert",
    "ParseResult",
    "RawRequest",
    "SharedSecretSource",
    "Source",
    "Text",
    "Timestamp",
    "form_request",
    "hmac_hex",
    "json_request",
    "key",
    "labels",
    "read_each",
    "unknown_state",
    "validate",
    "vendor_test",
    "verify_hmac",
]


def _instance(name: str, loaded: object) -> Source:
    """Return the source that an entry point names. Raises ConfigError if it is not a source of that name."""
    kind = loaded if isinstance(loaded, type) and issubclass(loaded, Source) else None
    if kind is None:
        raise ConfigError(f"The alert source {name} is not a class derived from Source.", "Correct its package.")
    if kind.name != name:
        raise ConfigError(
            f"The alert source {name} calls itself {kind.name}.", "Give the class and the entry point the same name."
        )
    return kind()


SOURCES: Mapping[str, Source] = Extensions(ALERT_SOURCES, _instance)
"""The installed sources by the name in the address, `POST /alerts/{name}`; each is imported when it is first used."""
