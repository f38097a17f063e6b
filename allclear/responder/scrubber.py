"""Removes the configured secrets from what a sender repeats of them, before it is stored.

A monitoring system may send back the address that it calls, with the secret in it, or the headers that it is set to
send. The secrets are found by their value: as they are, percent-encoded, escaped as in JSON, and within base64, as in
Basic authentication.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from urllib.parse import unquote_to_bytes

HIDDEN = "[not stored]"
"""What is stored in place of a secret. It can stand in a form, in a header and in a JSON string."""

SHORTEST = 6
"""Characters. A shorter value is not removed, because ordinary words would contain it."""

_SHORTEST_CODED = 6
"""Characters of base64."""
_PASSES = 3
"""How many encodings inside each other are undone in the search."""
_MOST_DECODINGS = 6
"""How many texts are searched after each of them."""
_PERCENT = re.compile(rb"%[0-9a-fA-F]{2}")
_UNICODE = re.compile(rb"(?:\\u[0-9a-fA-F]{4})+")
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


class Scrubber:
    """The secrets of one company, and how they are removed."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._known = sorted({secret for secret in secrets if len(secret) >= SHORTEST}, key=len, reverse=True)
        self._plain = [secret.encode() for secret in self._known]
        self._coded = [part for secret in self._plain for part in _within_base64(secret)]

    @cached_property
    def _spelled(self) -> re.Pattern[bytes]:
        """Return the pattern of every spelling of a secret.

        Compiling it takes 15 ms a secret, a second for a private key, and few responders ever get a body that needs it.
        """
        spellings = [_spelling(secret) for secret in self._known] + [_coded_spelling(part) for part in self._coded]
        return re.compile(b"|".join(spellings))

    def body(self, raw: bytes) -> bytes:
        """Return a body without secrets; one from which a secret cannot be removed is hidden as a whole.

        The first that holds one takes up to seconds: call it in a thread.
        """
        if not self._holds_secret(raw):
            return raw
        removed = self._spelled.sub(HIDDEN.encode(), raw)
        return HIDDEN.encode() if self._holds_secret(removed) else removed

    def text(self, value: str) -> str:
        """Return a header's value, or another short text, without secrets."""
        return self.body(value.encode(errors="surrogateescape")).decode(errors="surrogateescape")

    def _holds_secret(self, raw: bytes) -> bool:
        """Return whether a secret is in `raw`, in any encoding. This is fast, because nearly all bodies hold none."""
        for decoded in _decodings(raw):
            coded = decoded.translate(_URL_SAFE)
            if any(secret in decoded for secret in self._plain) or any(part in coded for part in self._coded):
                return True
        return False


def _decodings(raw: bytes) -> Iterator[bytes]:
    """Yield `raw`, and what it is when percent signs, plus signs and backslashes are undone, in every order."""
    known, newest = {raw}, [raw]
    yield raw
    for _ in range(_PASSES):
        found = [undone for one in newest for undone in _undone(one) if undone not in known]
        newest = list(dict.fromkeys(found))[:_MOST_DECODINGS]
        known.update(newest)
        yield from newest


def _undone(raw: bytes) -> Iterator[bytes]:
    """Yield what `raw` is when one of its encodings is undone."""
    if _PERCENT.search(raw):
        yield unquote_to_bytes(raw)
    if b"+" in raw:
        yield raw.replace(b"+", b" ")
    if _UNICODE.search(raw):
        yield _UNICODE.sub(_as_utf8, raw)
    if b"\\" in raw:
        yield _ESCAPED.sub(rb"\1", raw)


def _as_utf8(escapes: re.Match[bytes]) -> bytes:
    return bytes.fromhex(escapes.group().replace(b"\\u", b"").decode()).decode("utf-16-be", "replace").encode()


def _within_base64(secret: bytes) -> Iterator[bytes]:
    """Yield the three texts of which one is in the base64 of everything that contains the secret."""
    for before in range(3):
        coded = base64.b64encode(bytes(before) + secret)
        first = (0, 2, 3)[before]  # these characters also depend on the bytes before the secret
        last = len(coded) - (0, 3, 2)[(before + len(secret)) % 3]  # the same at its end, with the padding
        if last - first >= _SHORTEST_CODED:
            yield coded[first:last]


def _spelling(secret: str) -> bytes:
    """Return the pattern of a secret in which each character may be encoded in its own way."""
    return b"".join(_any_of(sign) for sign in secret)


def _coded_spelling(coded: bytes) -> bytes:
    """Return the pattern of a part of base64, also in its alphabet for addresses, with what depends on the secret."""
    other = {"+": "-", "/": "_"}
    core = b"".join(
        b"(?:" + _any_of(sign) + (b"|" + _any_of(other[sign]) if sign in other else b"") + b")"
        for sign in coded.decode()
    )
    return rb"[A-Za-z0-9+/_-]{0,3}" + core + rb"[A-Za-z0-9+/_-]?(?:=|%(?:25)*3[dD]){0,2}"


def _any_of(sign: str) -> bytes:
    """Return the pattern of one character: as it is, percent-encoded, or escaped as in JSON, once or more often."""
    encoded = sign.encode()
    percent = b"".join(b"%%(?:25)*(?i:%02x)" % byte for byte in encoded)
    units = sign.encode("utf-16-be")
    escape = b"".join(rb"\\+u(?i:" + units[at : at + 2].hex().encode() + b")" for at in range(0, len(units), 2))
    plain = (rb"\\*" if sign in '"\\/' else b"") + re.escape(encoded)
    space = rb"|\+" if sign == " " else b""
    return b"(?:" + plain + b"|" + percent + b"|" + escape + space + b")"
