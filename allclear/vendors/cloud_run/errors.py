"""What Cloud Run's refusals mean to us: the same for both transports, so that only one place decides it.

Source: google/rpc/code.proto and google.aip.dev/193, read 2026-11:
- HTTP answers carry the canonical code as a status: 409 is ABORTED and ALREADY_EXISTS, 400 three kinds of a plain no.
- Who may not see a project, or misspells it, is told PERMISSION_DENIED "(or resource may not exist)", not NOT_FOUND:
  github.com/google-github-actions/deploy-cloudrun/issues/182.
"""

from __future__ import annotations

from http import HTTPStatus

from allclear.domain.errors import AllclearError, Denied, NotFound
from allclear.vendors.errors import Call, quote

NOT_SENT = "NOT_SENT"
"""Our own code: nothing left this machine, so nothing can have changed."""
REDIRECTED = "REDIRECTED"
"""Our own code: it sent us elsewhere, where we did not go. Whoever does that has not done what was asked."""
PASSING = frozenset({NOT_SENT, "UNAVAILABLE", "RESOURCE_EXHAUSTED"})
"""What may be over in a moment: a read is tried again."""

CODES: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: "UNAUTHENTICATED",
    HTTPStatus.FORBIDDEN: "PERMISSION_DENIED",
    HTTPStatus.NOT_FOUND: "NOT_FOUND",
    HTTPStatus.CONFLICT: "ABORTED",
    HTTPStatus.PRECONDITION_FAILED: "ABORTED",
    HTTPStatus.TOO_MANY_REQUESTS: "RESOURCE_EXHAUSTED",
    HTTPStatus.NOT_IMPLEMENTED: "UNIMPLEMENTED",
    HTTPStatus.SERVICE_UNAVAILABLE: "UNAVAILABLE",
    HTTPStatus.GATEWAY_TIMEOUT: "DEADLINE_EXCEEDED",
}
"""The canonical code of an HTTP status; any other 4xx is a plain no, any other status leaves it open."""

_REFUSED = frozenset({REDIRECTED, "INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE", "UNIMPLEMENTED"})


class Failure(Exception):
    """A call that a transport could not finish.

    Attributes:
        code: a name of google/rpc/code.proto, or `NOT_SENT`.
        words: the other side's own, or what broke.
    """

    def __init__(self, code: str, words: str) -> None:
        super().__init__(code, words)
        self.code = code
        self.words = quote(words) or code


def code_of(status: int) -> str:
    """Return the canonical code of an HTTP status."""
    if status in CODES:
        return CODES[status]
    refused = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    return "INVALID_ARGUMENT" if refused else "UNKNOWN"


def meaning(call: Call, failure: Failure, where: str) -> AllclearError:  # noqa: PLR0911 - one line a code
    """Return our error for a failed call; `where` is the thing it was about, by its full name."""
    code, words = failure.code, failure.words
    if code == NOT_SENT:
        return call.unreachable(words)
    if code in {"PERMISSION_DENIED", "UNAUTHENTICATED"}:
        return _denied(call, words, where)
    if code in {"ABORTED", "ALREADY_EXISTS"}:
        return call.conflict(words)
    if code == "RESOURCE_EXHAUSTED":
        return call.busy(None)
    if code == "NOT_FOUND" and not call.write:
        return NotFound(
            f"{call.vendor} was asked to {call.what}, and has no {where}.",
            "Check `cloud_run`, `project` and `region` in systems.yaml against `gcloud run services list`.",
        )
    if code == "NOT_FOUND" or code in _REFUSED:
        return call.refused(words)
    return call.lost(words)  # the rest may have taken effect


def _denied(call: Call, words: str, where: str) -> Denied:
    return Denied(
        f"{call.vendor} does not allow our credentials to {call.what}: {words}.",
        f"Give their service account roles/run.developer on {where}; if that is not what you meant, "
        "correct `cloud_run`, `project` and `region` in systems.yaml.",
    )
