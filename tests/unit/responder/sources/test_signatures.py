"""How a request proves who sent it: genuine ones get in, anything that was touched does not."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from allclear.responder.sources import SOURCES
from allclear.responder.sources.request import RawRequest
from allclear.responder.sources.signatures import AUTHENTICATED, WEAK, AuthenticationResult, Credentials
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
"""Of BODY, the timed one of `1795323600:` and BODY, the MD5 of `acme` and the secret: made with the command openssl."""

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


def prove(
    case: str, request: RawRequest, credentials: Credentials | None = None, *, later: timedelta = timedelta()
) -> AuthenticationResult:
    """Return what a source says of a request."""
    return SOURCES[source_of(case)].authenticate(request, credentials or credentials_for(case), NOW + later)


def refused(proof: AuthenticationResult) -> bool:
    """Return whether a request is turned away with a sentence and a status that says so."""
    return proof.level is None and proof.status in {401, 403} and proof.reason.endswith((".",))


@pytest.mark.parametrize(("source", "name"), EVERY)
def test_every_sample_gets_in_as_its_vendor_sends_it(source: str, name: str) -> None:
    """A signed sample is taken, as proven or, where the vendor can do no better than a fixed secret, as weak."""
    weak = source in {"uptimerobot", "statuscake", "pingdom"}
    assert prove(source, request_of(source, name)) is (WEAK if weak else AUTHENTICATED)


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
def test_a_signature_made_elsewhere_fits(case: str, headers: list[tuple[str, str]]) -> None:
    """What openssl signs is taken: our own code does not merely agree with itself."""
    assert prove(case, RawRequest(BODY, tuple(headers))) is AUTHENTICATED


def test_githubs_published_example_fits() -> None:
    """The secret, body and signature of GitHub's page "Validating webhook deliveries" are taken."""
    said = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    request = RawRequest(b"Hello, World!", (("X-Hub-Signature-256", said),))
    assert prove("github", request, Credentials(("It's a Secret to Everybody",))) is AUTHENTICATED


def test_the_published_standard_webhook_fits_while_it_is_fresh() -> None:
    """The example of the Standard Webhooks libraries is taken at its time, and refused today or with another id."""
    headers = (
        ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
        ("webhook-timestamp", "1614265330"),
        ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
    )
    request = RawRequest(b'{"test": 2432232314}', headers)
    then = NOW.fromtimestamp(1614265330, NOW.tzinfo)
    assert SOURCES["json"].authenticate(request, STANDARD, then) is AUTHENTICATED
    assert SOURCES["json"].delivery_id(request) == "msg_p5jXN8AQM9LWM0D4loKWxJek"
    assert prove("json", request, STANDARD).status == 403
    assert refused(SOURCES["json"].authenticate(with_header(request, "webhook-id", "msg_other"), STANDARD, then))
    assert refused(SOURCES["json"].authenticate(request, Credentials((SECRET,)), then))


@pytest.mark.parametrize("case", SIGNED)
def test_a_body_that_was_touched_is_refused(case: str) -> None:
    """A flipped bit anywhere, a cut, a longer body, none, and the same JSON written otherwise: all are refused."""
    request = request_of(case)
    body = request.body
    flipped = [body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :] for place in range(0, len(body), 7)]
    rewritten = [
        json.dumps(json.loads(body), separators=(",", ":")).encode(),
        json.dumps(json.loads(body), indent=1).encode(),
    ]
    for other in [*flipped, body[:-1], body[1:], body + b" ", b"", *rewritten]:
        assert other != body
        assert refused(prove(case, replace(request, body=other)))


@pytest.mark.parametrize("case", SIGNED)
def test_a_signature_that_is_missing_empty_or_doubled_is_refused(case: str) -> None:
    """Two signature headers are refused even if both fit, and so is everything that merely resembles one."""
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
        assert refused(prove(case, with_header(request, name, *values))), values


@pytest.mark.parametrize("case", SIGNED)
def test_another_secret_is_refused_and_two_serve_while_one_replaces_the_other(case: str) -> None:
    """A signature with an unknown secret is refused; with several configured, each of them opens; an empty one none."""
    request = request_of(case)
    assert refused(prove(case, request, credentials_for(case, OLDER)))
    assert refused(prove(case, request, credentials_for(case, "")))
    assert prove(case, request, credentials_for(case, OLDER, SECRET)) is AUTHENTICATED


def test_pagerduty_signs_with_both_secrets_while_one_replaces_the_other() -> None:
    """Of several signatures any may fit, in any place, with any of our secrets; a flood of them is not tried."""
    for said in (f"v1={SHA256_OLDER},v1={'1' * 64}", f"v1={'1' * 64}, v1={SHA256}"):
        request = RawRequest(BODY, (("X-PagerDuty-Signature", said),))
        assert prove("pagerduty", request, Credentials((SECRET, OLDER))) is AUTHENTICATED
    flood = ",".join([f"v1={'1' * 64}"] * 50 + [f"v1={SHA256}"])
    assert refused(prove("pagerduty", RawRequest(BODY, (("X-PagerDuty-Signature", flood),))))


@pytest.mark.parametrize("at", ["", "0", "-1795323600", "1795323600.0", "1e9", "²", "9" * 30, "now", " 1795323600"])
def test_grafanas_time_must_be_one_and_be_signed(at: str) -> None:
    """A time that is another, or none at all, is refused and nothing crashes."""
    request = RawRequest(BODY, (("X-Grafana-Alerting-Signature", SHA256_TIMED), ("X-Grafana-Time", at)))
    assert refused(prove("grafana-timed", request))


def test_grafanas_stale_time_is_refused() -> None:
    """A signed request is good for five minutes in either direction, and with one time alone."""
    request = request_of("grafana-timed")
    for seconds, good in ((299, True), (-299, True), (301, False), (-301, False), (86400, False)):
        proof = prove("grafana-timed", request, later=timedelta(seconds=seconds))
        assert (proof is AUTHENTICATED) is good
        assert good or proof.status == 403
    assert refused(prove("grafana-timed", with_header(request, "X-Grafana-Time", "1795323600", "1795323600")))
    assert refused(prove("grafana-timed", with_header(request, "X-Grafana-Time")))


def test_a_signature_over_the_body_alone_does_not_do_where_a_time_is_wanted() -> None:
    """Whoever leaves out the time cannot fall back to the weaker way of signing."""
    headers = (("X-Grafana-Alerting-Signature", SHA256), ("X-Grafana-Time", "1795323600"))
    assert refused(prove("grafana-timed", RawRequest(BODY, headers)))


@pytest.mark.parametrize("source", BEARERS)
def test_a_shared_secret_opens_in_one_header_alone(source: str) -> None:
    """The bearer token opens; without it, with another, with two, or in another scheme nothing does."""
    request = RawRequest(BODY)
    assert prove(source, with_header(request, "Authorization", f"Bearer {SECRET}")) is AUTHENTICATED
    good = f"Bearer {SECRET}"
    for values in [
        (),
        ("",),
        (SECRET,),
        (f"bearer {SECRET}",),
        (f"{good}x",),
        ("Bearer ",),
        (f"Basic {SECRET}",),
        (good, good),
        (f"{good}, {good}",),
    ]:
        assert refused(prove(source, with_header(request, "Authorization", *values))), values


@pytest.mark.parametrize("source", BEARERS)
def test_name_and_password_and_an_own_header_open_as_well(source: str) -> None:
    """Basic authentication opens with the name that is configured; a header of one's own with the bare secret."""
    basic = Credentials((SECRET,), {"username": "acme"})
    said = base64.b64encode(f"acme:{SECRET}".encode()).decode()
    assert prove(source, RawRequest(BODY, (("Authorization", f"Basic {said}"),)), basic) is AUTHENTICATED
    for other in (f"acme:{SECRET}x", f"other:{SECRET}", SECRET, ":"):
        wrong = base64.b64encode(other.encode()).decode()
        assert refused(prove(source, RawRequest(BODY, (("Authorization", f"Basic {wrong}"),)), basic))
    assert refused(prove(source, RawRequest(BODY, (("Authorization", f"Bearer {SECRET}"),)), basic))
    own = Credentials((SECRET,), {"header": "X-Allclear-Token"})
    assert prove(source, RawRequest(BODY, (("x-allclear-token", SECRET),)), own) is AUTHENTICATED
    assert refused(prove(source, RawRequest(BODY, (("X-Allclear-Token", SECRET), ("X-Allclear-Token", SECRET))), own))
    assert refused(prove(source, RawRequest(BODY, (("Authorization", f"Bearer {SECRET}"),)), own))


@pytest.mark.parametrize("source", BEARERS)
def test_a_secret_in_the_address_is_weak_or_nothing(source: str) -> None:
    """Where a vendor can do no better the address opens, weakly; a header that is there decides alone."""
    field = IN_THE_ADDRESS.get(source)
    if field is None:
        for name in ("token", "auth_token", "access_token"):
            assert refused(prove(source, RawRequest(BODY, query=f"{name}={SECRET}")))
        return
    assert prove(source, RawRequest(BODY, query=f"a=b&{field}={SECRET}")) is WEAK
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
        assert refused(prove(source, RawRequest(BODY, query=query))), query
    wrong = RawRequest(BODY, (("Authorization", "Bearer other"),), f"{field}={SECRET}")
    assert refused(prove(source, wrong))


def test_grafana_may_show_its_secret_instead() -> None:
    """With a username, or `header: Authorization`, Grafana's other ways of proving itself are taken, and only those."""
    basic = base64.b64encode(f"acme:{SECRET}".encode()).decode()
    named, bearer = Credentials((SECRET,), {"username": "acme"}), Credentials((SECRET,), {"header": "Authorization"})
    assert prove("grafana", RawRequest(BODY, (("Authorization", f"Basic {basic}"),)), named) is AUTHENTICATED
    assert prove("grafana", RawRequest(BODY, (("Authorization", f"Bearer {SECRET}"),)), bearer) is AUTHENTICATED
    for credentials in (named, bearer):
        assert refused(prove("grafana", RawRequest(BODY, ((SIGNATURE["grafana"], SHA256),)), credentials))
    assert refused(prove("grafana", RawRequest(BODY, (("Authorization", f"Bearer {SECRET}"),))))


def test_statuscakes_token_is_weak_and_stands_in_the_form() -> None:
    """The MD5 of name and key opens, weakly; another, an empty, a second or none does not, and it is not kept."""
    assert hashlib.md5(f"acme{SECRET}".encode()).hexdigest() == MD5  # noqa: S324 - StatusCake's own way
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
        assert refused(source.authenticate(RawRequest(form.encode("latin-1")), credentials, NOW)), form
    assert refused(source.authenticate(good, Credentials((SECRET,), {"username": "other"}), NOW))
    assert MD5.encode() not in source.stored_body(good)
    assert source.parse(replace(good, body=source.stored_body(good))) == source.parse(good)


def test_keys_show_no_secret() -> None:
    """What a log or a traceback shows of the keys holds none of the secrets."""
    assert SECRET not in repr(Credentials((SECRET, OLDER), {"username": "acme"}))
