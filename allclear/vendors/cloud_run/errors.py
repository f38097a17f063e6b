"""What Cloud Run's refusals mean to us, the same for both transports.

Source: google/rpc/code.proto and google.aip.dev/193, read 2026-11:
- HTTP answers carry the canonical code as a status: 409 is ABORTED and ALREADY_EXISTS, 400 three kinds of refusal.
- ALREADY_EXISTS is no race: what the write names is taken.
- A denial names the permission and the resource: "Permission 'run.services.update' denied on resource '…' (or resource
  may not exist)."; without the right to run as the service's own account it is "Permission 'iam.serviceaccounts.actAs'
  denied on service account …@… (or it may not exist)."
  (github.com/GoogleCloudPlatform/cloud-run-release-manager/issues/81).
- A project that does not exist, or that our credentials may not see, answers PERMISSION_DENIED "(or resource may not
  exist)", not NOT_FOUND: github.com/google-github-actions/deploy-cloudrun/issues/182.
"""

from __future__ import annotations

import re
from http import HTTPStatus

from allclear.domain.errors import AllclearError, Denied, NotFound
from allclear.vendors.errors import VendorRequest, hidden, one_line

NOT_SENT = "NOT_SENT"
"""Our own code: nothing left this machine, so nothing can have changed."""
REDIRECTED = "REDIRECTED"
"""Our own code: the answer was a redirect, which we did not follow. The request was not carried out."""
TRANSIENT = frozenset({NOT_SENT, "UNAVAILABLE", "RESOURCE_EXHAUSTED"})
"""Failures that may pass: a read is retried."""

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
"""The canonical code of an HTTP status. Any other 4xx is a refusal; after any other status the effect is unknown."""

_REFUSED = frozenset(
    {
        REDIRECTED,
        "ALREADY_EXISTS",
        "INVALID_ARGUMENT",
        "FAILED_PRECONDITION",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
    }
)
_DENIAL = re.compile(r"Permission '([\w.]+)' denied on (?:resource|service account) '?([^\s']+)'?", re.IGNORECASE)
_ACT_AS = "iam.serviceaccounts.actas"


class CallFailure(Exception):
    """A call that a transport could not finish.

    Attributes:
        code: a name of google/rpc/code.proto, `NOT_SENT` or `REDIRECTED`.
        reason: Cloud Run's own sentence, or what broke.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = one_line(hidden(reason)) or code


def canonical_code(status: int) -> str:
    """Return the canonical code of an HTTP status."""
    if status in CODES:
        return CODES[status]
    refused = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    return "INVALID_ARGUMENT" if refused else "UNKNOWN"


def error_for(  # noqa: PLR0911 - one line a code
    request: VendorRequest, failure: CallFailure, path: str, principal: str = ""
) -> AllclearError:
    """Return our error for a failed call.

    `path` is the full name of the resource that it concerns, `principal` the e-mail address of our credentials, if it
    is known.
    """
    code, reason = failure.code, failure.reason
    if code == NOT_SENT:
        return request.unreachable(reason)
    if code == "UNAUTHENTICATED":
        return _not_signed_in(request, reason, principal)
    if code == "PERMISSION_DENIED":
        return _denied(request, reason, path, principal)
    if code == "ABORTED":
        return request.conflict(reason)
    if code == "RESOURCE_EXHAUSTED":
        return request.rate_limited(None)
    if code == "NOT_FOUND" and not request.write:
        return NotFound(
            f"{request.vendor} was asked to {request.purpose}, and has no {path}.",
            "Check `cloud_run`, `project` and `region` in systems.yaml against `gcloud run services list`.",
        )
    if code == "NOT_FOUND" or code in _REFUSED:
        return request.refused(reason)
    return request.answer_lost(reason)  # any other failure may have taken effect


def _not_signed_in(request: VendorRequest, reason: str, principal: str) -> Denied:
    who = f" as {principal}" if principal else ""
    return Denied(
        f"{request.vendor} did not {request.purpose}: our sign-in{who} is missing, expired or revoked ({reason}).",
        "Renew it: run as a service account, or set GOOGLE_APPLICATION_CREDENTIALS to a valid key file; on your own "
        "machine: gcloud auth application-default login.",
    )


def _denied(request: VendorRequest, reason: str, path: str, principal: str) -> Denied:
    """Return the error for a missing permission; the next step names the permission, the role and who needs it."""
    who = principal or "their service account"
    found = _DENIAL.search(reason)
    permission, resource = (found[1], found[2]) if found else ("", path)
    if permission.lower() == _ACT_AS:
        next_step = (
            f"Give {principal or 'our service account'} the role roles/iam.serviceAccountUser on the service account "
            f"{resource} (permission iam.serviceAccounts.actAs), or make the change by hand."
        )
    else:
        reads = permission.startswith("run.") and permission.rsplit(".", 1)[-1] in {"get", "list"}
        role = "roles/run.viewer" if reads else "roles/run.developer"
        named = f" (permission {permission})" if permission else ""
        next_step = (
            f"Give {who} {role} on {path}{named}. If that is the wrong name, "
            "correct `cloud_run`, `project` and `region` in systems.yaml."
        )
    return Denied(f"{request.vendor} does not allow our credentials to {request.purpose}: {reason}.", next_step)
