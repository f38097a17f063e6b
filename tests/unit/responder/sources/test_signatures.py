"""How requests are authenticated: unchanged requests are accepted, changed ones are rejected."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from allclear.responder.sources import SOURCES
from allclear.responder.sources.request import RawRequest
from allclear.responder.sources.signatures import (
    AUTHENTICATED,
    WEAK,
    AuthenticationResult,
    Credentials,
    verify_shared_secret,
)
from tests.unit.responder.sources.sources_support import (
    EVERY,
    NOW,
    OLDER,
    SECRET,
    SIGNED,
    credentials_for,
    request_of,
    source_of,
    with_header,
)

BODY = '{"a": "ü", "n": 1}'.encode()
SHA256 = "cb958230eda8b8c6be815f398a931c0af97b22971e8e775fbfe78f876e788d60"
SHA256_OLDER = "c5a35efb9410399b02033ce3bbdabc0b6551490760fc0eee33a6ee4d8bb661e3"
SHA256_TIMED = "ae63ac6bf517e4416e1df98e36b23d1805e901bce5f924bafcdf02cab0966543"
SHA1 = "5eff6716ce14dd0e3faf98bf863f66ef2447dd8a"
MD5 = "dc512d4ba7afbc1f9db9afae2711a1d7"
"""Made with the command openssl: of BODY; the timed one of `1795323600:` and BODY; the MD5 of `acme` and SECRET."""

SIGNATURE = {
    "grafana": "X-Grafana-Alerting-Signature",
    "grafana-timed": "X-Grafana-Alerting-Signature",
    "sentry": "Sentry-Hook-Signature",
    "pagerduty": "X-PagerDuty-Signature",
    "vercel": "x-vercel-signature",
    "github": "X-Hub-Signature-256",
}
STANDARD = Credentials(("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",))
BEARERS = (
    "alertmanager",
    "json",
    "datadog",
    "supabase",
    "betterstack",
    "uptimerobot",
    "pingdom",
    "google",
    "cloudevents",
)
IN_THE_ADDRESS = {
    "google": "auth_token",
    "cloudevents": "access_token",
    "betterstack": "token",
    "uptimerobot": "token",
    "pingdom": "token",
}


def authenticate(
    case: str, request: RawRequest, credentials: Credentials | None = None, *, later: timedelta = timedelta()
) -> AuthenticationResult:
    """Return how well a request authenticates its sender."""
    return SOURCES[source_of(case)].authenticate(request, credentials or credentials_for(case), NOW + later)


def rejected(result: AuthenticationResult) -> bool:
    """Return whether the result is a rejection with a status and a sentence."""
    return result.level is None and result.status in {401, 403} and result.reason.endswith(".")


@pytest.mark.parametrize(("source", "name"), EVERY)
def test_every_signed_sample_is_accepted(source: str, name: str) -> None:
    """A sample is authenticated; it is weakly authenticated if its vendor can only send a fixed secret."""
    weak = source in {"uptimerobot", "statuscake", "pingdom"}
    assert authenticate(source, request_of(source, name)) is (WEAK if weak else AUTHENTICATED)


@pytest.mark.parametrize(
    ("case", "headers"),
    [
        ("grafana", [("X-Grafana-Alerting-Signature", SHA256)]),
        ("grafana-timed", [("X-Grafana-Alerting-Signature", SHA256_TIMED), ("X-Grafana-Time", "1795323600")]),
        ("sentry", [("Sentry-Hook-Signature", SHA256)]),
        ("sentry", [("Sentry-App-Signature", SHA256)]),
        ("pagerduty", [("X-PagerDuty-Signature", f"v1={SHA256}")]),
        ("pagerduty", [("X-PagerDuty-Signature", f"v1={'0' * 64},v1={SHA256}")]),
        ("vercel", [("x-vercel-signature", SHA1)]),
        ("github", [("X-Hub-Signature-256", f"sha256={SHA256}")]),
    ],
)
def test_a_signature_made_by_openssl_is_accepted(case: str, headers: list[tuple[str, str]]) -> None:
    """The verification agrees with another implementation, and not only with our own signing."""
    assert authenticate(case, RawRequest(BODY, tuple(headers))) is AUTHENTICATED


def test_githubs_published_example_is_accepted() -> None:
    """The secret, body and signature are those of GitHub's page "Validating webhook deliveries"."""
    signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    request = RawRequest(b"Hello, World!", (("X-Hub-Signature-256", signature),))
    assert authenticate("github", request, Credentials(("It's a Secret to Everybody",))) is AUTHENTICATED


def test_the_published_standard_webhook_is_accepted_at_its_time() -> None:
    """The example of the Standard Webhooks libraries is rejected at another time, or with another id."""
    headers = (
        ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
        ("webhook-timestamp", "1614265330"),
        ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
    )
    request = RawRequest(b'{"test": 2432232314}', headers)
    then = NOW.fromtimestamp(1614265330, NOW.tzinfo)
    assert SOURCES["json"].authenticate(request, STANDARD, then) is AUTHENTICATED
    assert SOURCES["json"].delivery_id(request) == "msg_p5jXN8AQM9LWM0D4loKWxJek"
    assert authenticate("json", request, STANDARD).status == 403
    assert rejected(SOURCES["json"].authenticate(with_header(request, "webhook-id", "msg_other"), STANDARD, then))
    assert rejected(SOURCES["json"].authenticate(request, Credentials((SECRET,)), then))


@pytest.mark.parametrize("case", SIGNED)
def test_a_changed_body_is_rejected(case: str) -> None:
    """A flipped bit, a shorter, longer or empty body, and the same JSON in another format are rejected."""
    request = request_of(case)
    body = request.body
    flipped = [body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :] for place in range(0, len(body), 7)]
    rewritten = [
        json.dumps(json.loads(body), separators=(",", ":")).encode(),
        json.dumps(json.loads(body), indent=1).encode(),
    ]
    for other in [*flipped, body[:-1], body[1:], body + b" ", b"", *rewritten]:
        assert other != body
        assert rejected(authenticate(case, replace(request, body=other)))


@pytest.mark.parametrize("case", SIGNED)
def test_a_missing_empty_repeated_or_similar_signature_is_rejected(case: str) -> None:
    """Two signature headers are rejected even if both match, and so is every value that only resembles a signature."""
    request, name = request_of(case), SIGNATURE[case]
    good = request.header(name)
    bare = good.rpartition("=")[2]
    for values in [
        (),
        ("",),
        (good, good),
        (good, ""),
        (good.upper(),),
        (good[:-1],),
        (good + "0",),
        ("é" + good,),
        (f"sha1={bare}",),
        (f"v2={bare}",),
        ("v1=",),
        ("sha256=",),
        ("0" * 64,),
        (",",),
    ]:
        assert rejected(authenticate(case, with_header(request, name, *values))), values


@pytest.mark.parametrize("case", SIGNED)
def test_a_signature_must_be_made_with_a_configured_secret(case: str) -> None:
    """Each configured secret is accepted. An unknown secret and an empty one are rejected."""
    request = request_of(case)
    assert rejected(authenticate(case, request, credentials_for(case, OLDER)))
    assert rejected(authenticate(case, request, credentials_for(case, "")))
    assert authenticate(case, request, credentials_for(case, OLDER, SECRET)) is AUTHENTICATED


def test_pagerduty_may_send_several_signatures() -> None:
    """Any of the first ten signatures may match, with any of our secrets; more signatures are not compared."""
    for signatures in (f"v1={SHA256_OLDER},v1={'1' * 64}", f"v1={'1' * 64}, v1={SHA256}"):
        request = RawRequest(BODY, (("X-PagerDuty-Signature", signatures),))
        assert authenticate("pagerduty", request, Credentials((SECRET, OLDER))) is AUTHENTICATED
    flood = ",".join([f"v1={'1' * 64}"] * 50 + [f"v1={SHA256}"])
    assert rejected(authenticate("pagerduty", RawRequest(BODY, (("X-PagerDuty-Signature", flood),))))


@pytest.mark.parametrize("at", ["", "0", "-1795323600", "1795323600.0", "1e9", "²", "9" * 30, "now", " 1795323600"])
def test_grafanas_time_must_be_the_signed_one(at: str) -> None:
    """Another time, and a value that is not a time, are rejected without an exception."""
    request = RawRequest(BODY, (("X-Grafana-Alerting-Signature", SHA256_TIMED), ("X-Grafana-Time", at)))
    assert rejected(authenticate("grafana-timed", request))


def test_grafanas_time_must_be_within_five_minutes() -> None:
    """A signed request is accepted up to five minutes before and after its time, and with one time header only."""
    request = request_of("grafana-timed")
    for seconds, accepted in ((299, True), (-299, True), (301, False), (-301, False), (86400, False)):
        result = authenticate("grafana-timed", request, later=timedelta(seconds=seconds))
        assert (result is AUTHENTICATED) is accepted
        assert accepted or result.status == 403
    assert rejected(authenticate("grafana-timed", with_header(request, "X-Grafana-Time", "1795323600", "1795323600")))
    assert rejected(authenticate("grafana-timed", with_header(request, "X-Grafana-Time")))


def test_a_signature_without_the_time_is_rejected_if_a_time_is_configured() -> None:
    """A sender cannot leave out the time to use the weaker signature over the body alone."""
    headers = (("X-Grafana-Alerting-Signature", SHA256), ("X-Grafana-Time", "1795323600"))
    assert rejected(authenticate("grafana-timed", RawRequest(BODY, headers)))


@pytest.mark.parametrize("source", BEARERS)
def test_a_shared_secret_is_accepted_as_a_single_bearer_token(source: str) -> None:
    """A missing or different token, two tokens, and another scheme are rejected."""
    request = RawRequest(BODY)
    assert authenticate(source, with_header(request, "Authorization", f"Bearer {SECRET}")) is AUTHENTICATED
    good = f"Bearer {SECRET}"
    for values in [
        (),
        ("",),
        (SECRET,),
        (f"{good}x",),
        ("Bearer ",),
        (f"Basic {SECRET}",),
        (good, good),
        (f"{good}, {good}",),
    ]:
        assert rejected(authenticate(source, with_header(request, "Authorization", *values))), values


@pytest.mark.parametrize("source", BEARERS)
def test_basic_authentication_and_a_configured_header_are_accepted(source: str) -> None:
    """With `username` only Basic authentication is accepted, and with `header` only that header's bare secret."""
    basic = Credentials((SECRET,), {"username": "acme"})
    encoded = base64.b64encode(f"acme:{SECRET}".encode()).decode()
    assert authenticate(source, RawRequest(BODY, (("Authorization", f"Basic {encoded}"),)), basic) is AUTHENTICATED
    for other in (f"acme:{SECRET}x", f"other:{SECRET}", SECRET, ":"):
        wrong = base64.b64encode(other.encode()).decode()
        assert rejected(authenticate(source, RawRequest(BODY, (("Authorization", f"Basic {wrong}"),)), basic))
    assert rejected(authenticate(source, RawRequest(BODY, (("Authorization", f"Bearer {SECRET}"),)), basic))
    own = Credentials((SECRET,), {"header": "X-Allclear-Token"})
    assert authenticate(source, RawRequest(BODY, (("x-allclear-token", SECRET),)), own) is AUTHENTICATED
    assert rejected(
        authenticate(source, RawRequest(BODY, (("X-Allclear-Token", SECRET), ("X-Allclear-Token", SECRET))), own)
    )
    assert rejected(authenticate(source, RawRequest(BODY, (("Authorization", f"Bearer {SECRET}"),)), own))


@pytest.mark.parametrize("source", BEARERS)
def test_a_secret_in_the_address_is_weak_or_rejected(source: str) -> None:
    """It authenticates weakly if the vendor cannot send headers. A header that is present decides alone."""
    field = IN_THE_ADDRESS.get(source)
    if field is None:
        for name in ("token", "auth_token", "access_token"):
            assert rejected(authenticate(source, RawRequest(BODY, query=f"{name}={SECRET}")))
        return
    assert authenticate(source, RawRequest(BODY, query=f"a=b&{field}={SECRET}")) is WEAK
    for query in (
        "",
        field,
        f"{field}=",
        f"{field}={SECRET}x",
        f"{field}={SECRET}&{field}={SECRET}",
        f"{field.upper()}={SECRET}",
        f"{field}=%ff",
        "&".join([f"{field}={SECRET}"] * 500),
    ):
        assert rejected(authenticate(source, RawRequest(BODY, query=query))), query
    wrong = RawRequest(BODY, (("Authorization", "Bearer other"),), f"{field}={SECRET}")
    assert rejected(authenticate(source, wrong))


def test_grafana_may_send_its_secret_instead_of_a_signature() -> None:
    """With `username`, or `header: Authorization`, only the secret in that form is accepted, and no signature."""
    basic = base64.b64encode(f"acme:{SECRET}".encode()).decode()
    named, bearer = Credentials((SECRET,), {"username": "acme"}), Credentials((SECRET,), {"header": "Authorization"})
    assert authenticate("grafana", RawRequest(BODY, (("Authorization", f"Basic {basic}"),)), named) is AUTHENTICATED
    assert authenticate("grafana", RawRequest(BODY, (("Authorization", f"Bearer {SECRET}"),)), bearer) is AUTHENTICATED
    for credentials in (named, bearer):
        assert rejected(authenticate("grafana", RawRequest(BODY, ((SIGNATURE["grafana"], SHA256),)), credentials))
    assert rejected(authenticate("grafana", RawRequest(BODY, (("Authorization", f"Bearer {SECRET}"),))))


def test_statuscakes_token_is_weak_and_is_not_stored() -> None:
    """The MD5 of name and key authenticates weakly. Other, empty, repeated and missing tokens are rejected."""
    assert hashlib.md5(f"acme{SECRET}".encode()).hexdigest() == MD5  # noqa: S324 - StatusCake's token is an MD5
    credentials, source = credentials_for("statuscake"), SOURCES["statuscake"]
    good = RawRequest(f"Token={MD5}&Status=Down&TestID=1&Name=caf%C3%A9".encode())
    assert source.authenticate(good, credentials, NOW) is WEAK
    assert source.authenticate(good, credentials_for("statuscake", OLDER, SECRET), NOW) is WEAK
    for form in (
        "",
        "Token=",
        f"Token={MD5[:-1]}",
        f"Token={MD5}&Token={MD5}",
        f"token={MD5}",
        f"Status={MD5}",
        "&".join(["a=b"] * 999),
        f'{{"Token": "{MD5}"}}',
        f"Token={SECRET}",
        "\xff\xfe",
    ):
        assert rejected(source.authenticate(RawRequest(form.encode("latin-1")), credentials, NOW)), form
    assert rejected(source.authenticate(good, Credentials((SECRET,), {"username": "other"}), NOW))
    assert MD5.encode() not in source.stored_body(good)
    assert source.parse(replace(good, body=source.stored_body(good))) == source.parse(good)


def test_credentials_do_not_show_their_secrets() -> None:
    """The text of credentials in a log or a traceback contains no secret."""
    assert SECRET not in repr(Credentials((SECRET, OLDER), {"username": "acme"}))


@pytest.mark.parametrize("header", ["Bearer {}", "bearer {}", "BEARER {}", "bearer  {}"])
def test_the_scheme_of_authorization_counts_in_any_case(header: str) -> None:
    """RFC 9110: proxies and clients write it in lower case. The token itself is compared as it is."""
    credentials = Credentials(secrets=("canary-Secret",), options={})
    for secret, authenticated in (("canary-Secret", True), ("canary-secret", False), ("", False)):
        request = RawRequest(b"{}", (("authorization", header.format(secret)),))
        result = verify_shared_secret(request, credentials)
        assert (result is AUTHENTICATED) == authenticated
