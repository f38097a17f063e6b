"""An identity proxy's assertion counts only if signature, issuer, audience and time are right and the plan knows it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import Request
from typing_extensions import override

from allclear.company import Company
from allclear.domain.errors import ConfigError, NotAllowed
from allclear.domain.plan import Contact, Plan
from allclear.domain.proof import Proof
from allclear.responder.pages.identity_proxy import IdentityProxy, proxy_of
from allclear.settings import IAP_HEADER, IAP_ISSUER, Settings, load_settings
from tests.scenario.pages.pages_support import Browser, asked
from tests.scenario.response_support import vintstreet

AUDIENCE = "/projects/123/global/backendServices/456"
EC = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
STRANGER = ec.generate_private_key(ec.SECP256R1())


class Keys:
    """The proxy's public keys, served on this machine."""

    def __init__(self) -> None:
        self.keys: dict[str, Any] = {"ec": EC, "rsa": RSA}
        self.fetched = 0
        self.broken = False
        keys = self

        class Handler(BaseHTTPRequestHandler):
            """Answers every GET with the keys."""

            def do_GET(self) -> None:
                """Send the keys, or an error."""
                keys.fetched += 1
                self.send_response(500 if keys.broken else 200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(keys.text())

            @override
            def log_message(self, format: str, *args: Any) -> None:
                """Print nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def url(self) -> str:
        """The address of the keys."""
        return f"http://127.0.0.1:{self.server.server_address[1]}/keys"

    def text(self) -> bytes:
        """Return the keys as a JWK set."""
        found: list[dict[str, Any]] = []
        for name, key in self.keys.items():
            algorithm = jwt.get_algorithm_by_name("ES256" if isinstance(key, ec.EllipticCurvePrivateKey) else "RS256")
            found.append(json.loads(algorithm.to_jwk(key.public_key())) | {"kid": name, "use": "sig"})
        return json.dumps({"keys": found}).encode()


@pytest.fixture
def keys() -> Iterator[Keys]:
    """The proxy's keys."""
    served = Keys()
    yield served
    served.server.shutdown()
    served.server.server_close()


def plan() -> Plan:
    """Return VintStreet's plan, in which Ana has an e-mail address."""
    known = vintstreet().plan
    ana = known.people[3].model_copy(
        update={
            "name": "Ana Ruiz",
            "contacts": {"email": Contact(address="Ana@vintstreet.com")},
        }
    )
    return known.model_copy(update={"people": [*known.people[:3], ana, *known.people[4:]]})


def proxy(keys: Keys, header: str = IAP_HEADER) -> IdentityProxy:
    """Return the proxy whose keys are served."""
    settings = Settings(proxy_audience=AUDIENCE, proxy_header=header).model_copy(update={"proxy_keys_url": keys.url})
    found = proxy_of(settings, plan())
    assert found is not None
    return found


def assertion(key: Any = EC, kid: str = "ec", algorithm: str = "ES256", **claims: Any) -> str:  # noqa: ANN401 - claims
    """Return what the proxy asserts, with other `claims`; one that is None is left out."""
    now = int(time.time())
    said: dict[str, Any] = {
        "iss": IAP_ISSUER,
        "aud": AUDIENCE,
        "iat": now,
        "exp": now + 600,
        "sub": "accounts.google.com:1",
        "email": "ana@vintstreet.com",
    }
    said = {name: value for name, value in (said | claims).items() if value is not None}
    return jwt.encode(said, key, algorithm=algorithm, headers={"kid": kid})


def symmetric(secret: bytes) -> str:
    """Return an assertion that is signed with HMAC, as no library would with a public key."""
    head = {"alg": "HS256", "typ": "JWT", "kid": "ec"}
    signed = f"{_coded(json.dumps(head).encode())}.{assertion().split('.')[1]}"
    return f"{signed}.{_coded(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


def _coded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def request(*headers: tuple[str, str]) -> Request:
    """Return a request with these headers."""
    raw = [(name.lower().encode(), value.encode()) for name, value in headers]
    return Request({"type": "http", "method": "GET", "path": "/i", "headers": raw})


@pytest.mark.parametrize(("key", "kid", "algorithm"), [(EC, "ec", "ES256"), (RSA, "rsa", "RS256")])
async def test_a_signed_assertion_identifies_the_person_of_the_plan(
    keys: Keys,
    key: Any,  # noqa: ANN401 - a private key
    kid: str,
    algorithm: str,
) -> None:
    """The e-mail address is compared in any spelling of its case, and the record has the plan's name."""
    assert await proxy(keys).person(assertion(key, kid, algorithm)) == "Ana Ruiz"


@pytest.mark.parametrize(
    ("claims", "sentence"),
    [
        ({"aud": "/projects/123/global/backendServices/457"}, "not valid"),
        ({"aud": None}, "not valid"),
        ({"iss": "https://accounts.google.com"}, "not valid"),
        ({"iss": None}, "not valid"),
        ({"exp": 1}, "has expired"),
        ({"exp": None}, "not valid"),
        ({"iat": int(time.time()) + 3600}, "not valid"),
        ({"email": None}, "no verified e-mail address"),
        ({"email": ["ana@vintstreet.com"]}, "no verified e-mail address"),
        ({"email_verified": False}, "no verified e-mail address"),
        ({"email_verified": "false"}, "no verified e-mail address"),
        ({"email_verified": 0}, "no verified e-mail address"),
        ({"email_verified": "yes"}, "no verified e-mail address"),
        ({"email": "eve@vintstreet.com"}, "eve@vintstreet.com has signed in, but no person of the plan"),
        ({"email": "engineering@vintstreet.com"}, "but no person of the plan"),
    ],
)
async def test_a_claim_that_is_wrong_or_missing_identifies_nobody(
    keys: Keys, claims: dict[str, Any], sentence: str
) -> None:
    """Also the address of a blank in the plan, which is no person."""
    with pytest.raises(NotAllowed, match=sentence):
        await proxy(keys).person(assertion(**claims))


async def test_an_address_that_two_people_have_identifies_neither(keys: Keys) -> None:
    """One human could give the approvals of two people otherwise."""
    known = plan()
    ana = next(person for person in known.people if person.name == "Ana Ruiz")
    twins = [*known.people, ana.model_copy(update={"name": "Chi Ho", "roles": ["cto"]})]
    settings = Settings(proxy_audience=AUDIENCE).model_copy(update={"proxy_keys_url": keys.url})
    found = proxy_of(settings, known.model_copy(update={"people": twins}))
    assert found is not None
    with pytest.raises(NotAllowed, match="address of several people: Ana Ruiz and Chi Ho"):
        await found.person(assertion())


async def test_a_signature_by_another_key_identifies_nobody(keys: Keys) -> None:
    """Nor one by the public key as a secret, nor none at all."""
    public = EC.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    parts = assertion().split(".")
    forged = [
        assertion(STRANGER),
        symmetric(public),
        assertion(None, "ec", "none"),
        ".".join([*parts[:2], ""]),
        assertion(kid="unknown"),
        assertion(RSA, "ec", "RS256"),
    ]
    for one in forged:
        with pytest.raises(NotAllowed, match="not valid"):
            await proxy(keys).person(one)


async def test_the_keys_are_kept_and_fetched_again_for_a_new_one_at_most_once_a_minute(keys: Keys) -> None:
    """Made-up names of keys cannot make the responder fetch again and again."""
    one = proxy(keys)
    for _ in range(3):
        await one.person(assertion())
    assert keys.fetched == 1
    for kid in ("a", "b", "c"):
        with pytest.raises(NotAllowed):
            await one.person(assertion(kid=kid))
    assert keys.fetched == 1


async def test_keys_that_cannot_be_read_are_said(keys: Keys) -> None:
    """A person may then still open a personal link."""
    keys.broken = True
    with pytest.raises(NotAllowed, match="cannot be read"):
        await proxy(keys).person(assertion())
    keys.broken = False
    assert await proxy(keys).person(assertion()) == "Ana Ruiz"


def test_only_the_configured_header_counts(keys: Keys) -> None:
    """A plain e-mail address is no assertion, a bearer token may be one, and two assertions are refused."""
    text = assertion()
    iap, oidc = proxy(keys), proxy(keys, "Authorization")
    assert iap.assertion(request((IAP_HEADER, text))) == text
    assert not iap.assertion(request(("X-Goog-Authenticated-User-Email", "accounts.google.com:ana@vintstreet.com")))
    assert not iap.assertion(request((IAP_HEADER, "ana@vintstreet.com")))
    assert oidc.assertion(request(("Authorization", f"Bearer {text}"))) == text
    assert not oidc.assertion(request(("Authorization", "Bearer eyJwZXJzb24iOiJBbmEifQ.aSoKCg.c2lnbmF0dXJl")))
    with pytest.raises(NotAllowed, match="two headers"):
        iap.assertion(request((IAP_HEADER, text), (IAP_HEADER, text)))


def test_the_settings_belong_to_one_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an audience there is no proxy; an issuer without its keys is an error."""
    assert proxy_of(Settings(), plan()) is None
    monkeypatch.setenv("ALLCLEAR_PROXY_AUDIENCE", "allclear")
    monkeypatch.setenv("ALLCLEAR_PROXY_ISSUER", "https://login.example")
    with pytest.raises(ConfigError, match="must be of the same identity proxy"):
        load_settings()
    monkeypatch.setenv("ALLCLEAR_PROXY_KEYS_URL", "https://login.example/keys")
    assert load_settings().proxy_issuer == "https://login.example"


async def test_behind_the_proxy_the_page_and_the_list_open_without_a_link(tmp_path: Path, keys: Keys) -> None:
    """What the proxy asserts counts at each request, and an unknown address is refused without content."""
    known = vintstreet()
    company = Company(
        known.name, known.folder, plan(), known.systems, known.runbooks, known.templates, known.post_mortem
    )
    proxied: dict[str, Any] = {
        "proxy_audience": AUDIENCE,
        "proxy_issuer": "https://login.example",
        "proxy_keys_url": keys.url,
    }
    async with asked(tmp_path, company=company, **proxied) as (at, _):
        signed = assertion(iss="https://login.example")
        async with at.browser(**{IAP_HEADER: signed}) as http:
            assert "You are Ana Ruiz, identified by the identity proxy" in (await http.get(f"/i/{at.id}")).text
            assert at.id in (await http.get("/i")).text
            ana = Browser(http, at)
            assert (await ana.answer("approve")).startswith("Approved: ")
        [answer] = at.incident.asks[at.ask].answers
        assert (answer.by.actor, answer.by.role, answer.by.proof) == ("Ana Ruiz", "on_call", Proof.PROXY)
        async with at.browser(**{IAP_HEADER: assertion(iss="https://login.example", email="eve@x.example")}) as http:
            refused = await http.get(f"/i/{at.id}")
            assert refused.status_code == 401
            assert "no person of the plan has this e-mail address" in refused.text
            assert "web-41" not in refused.text


async def test_behind_the_proxy_a_personal_link_signs_in_a_person_whom_the_proxy_does_not_know(
    tmp_path: Path, keys: Keys
) -> None:
    """A manager's address is not in the plan, and the keys may be away at night: the link proves the person alone.

    An assertion that counts comes before the link.
    """
    known = vintstreet()
    company = Company(
        known.name, known.folder, plan(), known.systems, known.runbooks, known.templates, known.post_mortem
    )
    proxied: dict[str, Any] = {
        "proxy_audience": AUDIENCE,
        "proxy_issuer": "https://login.example",
        "proxy_keys_url": keys.url,
    }
    async with asked(tmp_path, company=company, **proxied) as (at, _):
        unknown = assertion(iss="https://login.example", email="eve@x.example")
        async with at.browser(**{IAP_HEADER: unknown}) as http:
            assert (await http.get(at.link("Eve", "cto"))).status_code == 303
            assert "You are Eve, identified by a personal link" in (await http.get(f"/i/{at.id}")).text
            assert (await Browser(http, at).answer("approve")).startswith("Approved: ")
            http.headers[IAP_HEADER] = assertion(iss="https://login.example")
            assert "You are Ana Ruiz, identified by the identity proxy" in (await http.get(f"/i/{at.id}")).text
        [answer] = at.incident.asks[at.ask].answers
        assert (answer.by.actor, answer.by.proof) == ("Eve", Proof.LINK)
