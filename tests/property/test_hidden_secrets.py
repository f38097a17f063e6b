"""A secret that a vendor echoes reaches neither an error, nor the journal, nor a terminal, whole or in part.

It may stand anywhere in the vendor's text.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allclear.domain.errors import AllclearError
from allclear.engine.actions.reconcile import failed
from allclear.vendors.cloud_logging import CloudLogs
from allclear.vendors.cloud_run.errors import CallFailure, error_for
from allclear.vendors.errors import VendorRequest
from allclear.vendors.github import Github
from allclear.vendors.google_http import GoogleHttp, GoogleOptions
from allclear.vendors.http import HttpClient
from allclear.vendors.jira import Jira, JiraOptions
from allclear.vendors.pagerduty import PagerDuty
from allclear.vendors.slack import Slack, SlackOptions
from allclear.vendors.statuspage import Statuspage
from allclear.vendors.supabase import SupabaseFlags, SupabaseOptions
from allclear.vendors.twilio import Twilio, TwilioOptions
from allclear.vendors.vercel import Vercel
from tests.unit.fakes_http import FakeVendor, Pauses

SECRET = "canary_Zq8vK3xW7mN2pR5tY9uB4cD6fG1hJ0kL"
GOOGLE_TOKEN = "ya29.a0AfH6SMBx-Zq8vK3xW7mN2pR5tY9uB4cD6fG1hJ0kL_qwErTy"
EMAIL = "ben@example.com"
ACCOUNT = f"AC{'5' * 32}"
BASICS = {
    name: base64.b64encode(f"{user}:{SECRET}".encode()).decode()
    for name, user in (("jira", EMAIL), ("twilio", ACCOUNT))
}
"""What Jira and Twilio get in their header: a person who reads it has the token."""
PART = 6
"""Characters of a secret that must not stand in a row in an error."""

Call = Callable[[httpx.AsyncBaseTransport], Awaitable[object]]
READ = VendorRequest("Vendor", "read it", write=False)


def _statuspage(transport: httpx.AsyncBaseTransport) -> Awaitable[object]:
    return Statuspage("https://vendor.test", "page", SECRET, transport, Pauses()).find("VS-1")


def _vercel(transport: httpx.AsyncBaseTransport) -> Awaitable[object]:
    return Vercel("https://vendor.test", SECRET, None, transport, Pauses()).project("shop")


def _github(transport: httpx.AsyncBaseTransport) -> Awaitable[object]:
    return Github("https://vendor.test", SECRET, transport, Pauses()).repository("acme/shop")


def _supabase(transport: httpx.AsyncBaseTransport) -> Awaitable[object]:
    return SupabaseFlags("https://vendor.test", SECRET, SupabaseOptions(), transport, Pauses()).enabled("checkout")


def _slack(transport: httpx.AsyncBaseTransport) -> Awaitable[object]:
    return Slack("https://vendor.test", SECRET, SlackOptions(), transport=transport, pause=Pauses()).read("C1", "1.0")


def _pagerduty(transport: httpx.AsyncBaseTransport) -> Awaitable[object]:
    return PagerDuty("https://vendor.test", SECRET, transport, Pauses()).acknowledge("VS-1")


def _google(transport: httpx.AsyncBaseTransport) -> Awaitable[object]:
    return GoogleHttp("Google", "https://vendor.test", lambda: SECRET, transport, Pauses()).post(READ, "/x")


def _jira(transport: httpx.AsyncBaseTransport) -> Awaitable[object]:
    options = JiraOptions(email=EMAIL, project="OPS")
    return Jira("https://vendor.test", SECRET, options, transport, Pauses()).ticket("OPS-1")


def _twilio(transport: httpx.AsyncBaseTransport) -> Awaitable[object]:
    options = TwilioOptions(account=ACCOUNT, number="+15005550006")
    return Twilio("https://vendor.test", SECRET, options, transport, Pauses()).text("SM1")


def _plain(transport: httpx.AsyncBaseTransport) -> Awaitable[object]:
    client = HttpClient("Vendor", "https://vendor.test", secret=SECRET, transport=transport, pause=Pauses())
    return client.send(READ, "GET", "/x")


CALLS: dict[str, Call] = {
    "statuspage": _statuspage,
    "vercel": _vercel,
    "github": _github,
    "supabase": _supabase,
    "slack": _slack,
    "pagerduty": _pagerduty,
    "google": _google,
    "jira": _jira,
    "twilio": _twilio,
    "plain": _plain,
}


def parts(secret: str) -> set[str]:
    """Return every run of characters of a secret that gives a part of it away."""
    return {secret[start : start + PART] for start in range(len(secret) - PART + 1)}


def error_of(call: Call, body: Any, status: int = 403) -> AllclearError:  # noqa: ANN401 - JSON
    """Return the error of a call that the vendor refuses with `body`."""
    with pytest.raises(AllclearError) as raised:
        asyncio.run(_awaited(call(FakeVendor(lambda _: httpx.Response(status, json=body)))))
    return raised.value


def shown_of(error: AllclearError) -> str:
    """Return everything that people and the journal get of an error: in logs, on a terminal, in the act's outcome."""
    return f"{error} {error!r} {error.message} {error.next_step} {failed(error).model_dump_json()}"


async def _awaited(call: Awaitable[object]) -> object:
    return await call


BODIES: list[Callable[[str], tuple[int, Any]]] = [
    lambda text: (403, {"message": text, "code": "42501"}),
    lambda text: (403, {"error": {"message": text}}),
    lambda text: (403, {"errors": [text]}),
    lambda text: (400, {"code": 21212, "message": text, "status": 400}),
]
OF_SLACK: list[Callable[[str], tuple[int, Any]]] = [
    lambda text: (200, {"ok": False, "error": text}),
    lambda text: (200, {"ok": False, "error": "missing_scope", "needed": text}),
]
"""Slack refuses with 200."""


@pytest.mark.parametrize("name", CALLS)
@settings(deadline=None)
@given(data=st.data(), before=st.integers(0, 420), after=st.integers(0, 60), times=st.integers(1, 3))
def test_no_part_of_a_secret_is_in_an_error(
    name: str, data: st.DataObject, before: int, after: int, times: int
) -> None:
    """Long texts are cut, and the secret is hidden first, so that the cut never leaves a part of it."""
    sent = data.draw(st.sampled_from([SECRET, BASICS[name]])) if name in BASICS else SECRET
    text = "x" * before + " ".join([sent] * times) + "y" * after
    bodies = [*BODIES, *(OF_SLACK if name == "slack" else [])]
    status, body = bodies[data.draw(st.integers(0, len(bodies) - 1))](text)
    shown = shown_of(error_of(CALLS[name], body, status))
    assert not [part for part in parts(sent) if part in shown]


@settings(deadline=None)
@given(before=st.integers(0, 420))
def test_no_part_of_google_s_token_is_in_an_error_of_cloud_run(before: int) -> None:
    """Its libraries sign in themselves, so the token is recognised by its form."""
    failure = CallFailure("PERMISSION_DENIED", f"{'x' * before} Bearer {GOOGLE_TOKEN} may not")
    shown = f"{failure.reason} {error_for(READ, failure, 'projects/p')}"
    assert not [part for part in parts(GOOGLE_TOKEN) if part in shown]


def test_the_audit_log_s_client_hides_its_token() -> None:
    """The clients of Google's other interfaces go through the same place."""
    options = GoogleOptions(project="vintstreet-prod")
    text = "x" * 280 + SECRET

    def call(transport: httpx.AsyncBaseTransport) -> Awaitable[object]:
        logs = CloudLogs("https://vendor.test", options, lambda: SECRET, transport, Pauses())
        return logs._http.post(READ, "/v2/entries:list")  # noqa: SLF001 - without the shape of a query

    error = error_of(call, {"error": {"message": text}})
    assert not [part for part in parts(SECRET) if part in str(error)]
