"""The verdicts of the probes about a service's answers."""

from __future__ import annotations

import httpx
import pytest

from allclear.domain.action import Verdict
from allclear.domain.systems import Smoke, SmokePath
from allclear.vendors.web import Web, WebAnswer
from tasks.http_probes import Health, SmokeTest, judge
from tasks.service_params import ServiceParams
from tests.unit.fakes_context import FakeContext
from tests.unit.fakes_http import FakeVendor

SHOP = ServiceParams(service="shop")
CLOSED = httpx.Response(503, headers={"retry-after": "120"})


def smoke(**more: object) -> Smoke:
    """Return a smoke test's bounds."""
    return Smoke.model_validate({"requests": 20, "timeout": "2s", "p95": "0.5s"} | more)


def answers(*groups: tuple[int, WebAnswer]) -> list[tuple[SmokePath, WebAnswer]]:
    """Return the given number of each answer."""
    path = smoke().paths[0]
    return [(path, answer) for count, answer in groups for _ in range(count)]


def ok(seconds: float = 0.08) -> WebAnswer:
    """Return a good answer."""
    return WebAnswer(status=200, seconds=seconds)


def test_failures_above_the_limit_are_a_failure_with_the_figures() -> None:
    """The sentence is what a person reads first."""
    finding = judge(smoke(), answers((8, ok()), (12, WebAnswer(status=500, seconds=0.084))))
    assert finding.verdict is Verdict.FAILURE
    assert (
        finding.sentence
        == "GET / failed 12 of 20 times (60 %). All paths together: 20 requests, 12 failed (60 %), p95 84 ms."
    )
    assert finding.facts["error_rate"] == 0.6
    assert finding.facts["failed_by_path"] == {"GET /": 12}


def test_the_sentence_names_the_path_that_fails_and_its_share() -> None:
    """Three of five checkouts fail: of all requests that is 15 %, which sounds like a nuisance."""
    checkout, home = SmokePath(method="POST", path="/api/checkout"), SmokePath(path="/")
    bad = WebAnswer(status=500, seconds=0.084)
    failing = [(checkout, bad)] * 3 + [(checkout, ok())] * 2 + [(home, ok())] * 15
    finding = judge(smoke(), failing)
    assert finding.sentence == (
        "POST /api/checkout failed 3 of 5 times (60 %). All paths together: 20 requests, 3 failed (15 %), p95 84 ms."
    )
    both = judge(smoke(), [*failing, (home, bad)])
    assert both.sentence.startswith(
        "POST /api/checkout failed 3 of 5 times (60 %), and 1 other path. All paths together: 21 requests"
    )
    single = judge(smoke(), [(checkout, bad), *[(home, ok())] * 199])
    assert single.verdict is Verdict.SUCCESS
    assert single.sentence.startswith("POST /api/checkout failed 1 of 1 times (100 %).")


def test_the_sentence_of_a_slow_service_names_its_slowest_path() -> None:
    """One slow page among fast ones is where people have to look."""
    search = SmokePath(path="/search")
    finding = judge(smoke(), [(SmokePath(path="/"), ok())] * 15 + [(search, ok(0.9))] * 5)
    assert finding.sentence.endswith("p95 900 ms, which is more than 500 ms; the slowest is GET /search, p95 900 ms.")


def test_a_failure_rate_within_the_limit_is_success() -> None:
    """One failure in two hundred is under one percent."""
    finding = judge(smoke(), answers((199, ok()), (1, WebAnswer(status=500, seconds=0.1))))
    assert finding.verdict is Verdict.SUCCESS


def test_a_slow_95th_percentile_is_a_failure_and_one_slow_request_is_not() -> None:
    """Nearest rank: of twenty, the nineteenth."""
    two = judge(smoke(), answers((18, ok()), (2, ok(0.9))))
    one = judge(smoke(), answers((19, ok()), (1, ok(0.9))))
    assert (two.verdict, one.verdict) == (Verdict.FAILURE, Verdict.SUCCESS)
    assert "more than 500 ms" in two.sentence


def test_an_unreachable_host_is_a_failure() -> None:
    """Users cannot reach it either."""
    finding = judge(smoke(), answers((20, WebAnswer(status=None, seconds=0, trouble="no connection"))))
    assert finding.verdict is Verdict.FAILURE
    assert finding.sentence == "None of 20 requests was answered: no connection."


@pytest.mark.parametrize(
    "answer",
    [
        WebAnswer(status=503, seconds=0.1, maintenance=True),
        WebAnswer(status=403, seconds=0.1),
        WebAnswer(status=429, seconds=0.1),
        WebAnswer(status=302, seconds=0.1, other_host="login.example.com"),
    ],
)
def test_an_answer_that_does_not_come_from_the_service_is_inconclusive(answer: WebAnswer) -> None:
    """A maintenance page hides the service; a refused probe never reached it."""
    assert judge(smoke(), answers((20, answer))).verdict is Verdict.INCONCLUSIVE


async def test_the_smoke_test_spreads_its_requests_over_the_paths() -> None:
    """Each path in turn, with its method and body."""
    vendor = FakeVendor(httpx.Response(200))
    paths = [{"path": "/"}, {"path": "/api/checkout", "method": "POST", "json": {"dry": True}}]
    web = Web(transport=vendor)
    context = FakeContext(web, smoke=smoke(requests=4, paths=paths))
    finding = await SmokeTest(context).check(SHOP)
    asked = sorted((request.method, request.url.path, request.content) for request in vendor.requests)
    assert finding.verdict is Verdict.SUCCESS
    assert asked == [("GET", "/", b"")] * 2 + [("POST", "/api/checkout", b'{"dry":true}')] * 2


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (httpx.Response(200), Verdict.SUCCESS),
        (httpx.Response(500), Verdict.FAILURE),
        (httpx.Response(503), Verdict.FAILURE),
        (CLOSED, Verdict.INCONCLUSIVE),
        (httpx.Response(404), Verdict.INCONCLUSIVE),
        (httpx.Response(302, headers={"location": "https://elsewhere.test/"}), Verdict.INCONCLUSIVE),
        (httpx.ConnectError("no"), Verdict.FAILURE),
        (httpx.ReadError("no"), Verdict.FAILURE),
    ],
)
async def test_the_health_check_gives_the_verdict_that_users_would(
    answer: httpx.Response | Exception, verdict: Verdict
) -> None:
    """Down is a failure; a maintenance page, a wrong path and another host are inconclusive."""
    finding = await Health(FakeContext(Web(transport=FakeVendor(answer)))).check(SHOP)
    assert finding.verdict is verdict


async def test_redirects_are_followed_on_the_same_host_only() -> None:
    """Another host's page does not count as the service's."""
    vendor = FakeVendor(httpx.Response(301, headers={"location": "/up"}), httpx.Response(200))
    finding = await Health(FakeContext(Web(transport=vendor))).check(SHOP)
    assert finding.verdict is Verdict.SUCCESS
    assert [request.url.path for request in vendor.requests] == ["/healthz", "/up"]
    circle = FakeVendor(httpx.Response(301, headers={"location": "/healthz"}))
    assert (await Health(FakeContext(Web(transport=circle))).check(SHOP)).verdict is Verdict.FAILURE
