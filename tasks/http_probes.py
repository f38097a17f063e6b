"""Probing a service from outside, as its users reach it.

An unreachable host is a failure, because users cannot reach it either. A maintenance page is inconclusive, because it
hides the service. So is an answer that only says that our request was wrong (401, 403, 407, 429).
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import ClassVar

from typing_extensions import override

from allclear.domain.action import Client, Finding, Verdict
from allclear.domain.base import JsonDict
from allclear.domain.durations import counted
from allclear.domain.errors import Unreachable
from allclear.domain.preflight import Passed, PlannedUse, Preflight, PreflightCheck, Unproven
from allclear.domain.probe import Probe
from allclear.domain.systems import Service, Smoke, SmokePath
from allclear.domain.text import enumerated
from allclear.vendors.access import redacted
from allclear.vendors.web import Web, WebAnswer
from tasks.read_together import read_together
from tasks.service_params import ServiceParams

AT_ONCE = 10
"""Concurrent requests of one smoke test, which must not become a load test."""
_OUR_FAULT = frozenset({401, 403, 407, 429})
_PATHS_NAMED = 5
"""The most paths of a smoke test that a sentence names."""
_CHALLENGE = "the firewall's challenge, which only a browser passes"
_CLIENT_ERROR = 400
_SERVER_ERROR = 500


class WebPreflight(Preflight):
    """Requests the health check of each service, once."""

    client: ClassVar[type[Client]] = Web

    @override
    def checks(self, services: Mapping[str, Service], uses: list[PlannedUse]) -> Iterator[PreflightCheck]:
        for name, service in services.items():
            yield PreflightCheck(name, partial(self._service, name, service.url))

    async def _service(self, name: str, url: str) -> Passed | Unproven:
        finding = await Health(self.context).check(ServiceParams(service=name))
        if finding.verdict is Verdict.SUCCESS:
            return Passed(finding.sentence)
        step = f"Check {redacted(url)}, and `url` and `health` in systems.yaml."
        if finding.facts.get("status") is None:
            raise Unreachable(finding.sentence, step)
        return Unproven(finding.sentence, step)


class Health(Probe[ServiceParams]):
    """Requests the service's own health check."""

    name = "http.health"
    title = "Request the health check"
    params = ServiceParams
    # `needs` is empty, because the service itself is not one of the systems in systems.yaml.
    preflights = (WebPreflight,)

    @classmethod
    @override
    def subject(cls, params: ServiceParams, services: Mapping[str, Service]) -> str:
        service = services.get(params.service)
        return f"the health check of {params.service}{f' (GET {service.health})' if service else ''}"

    @override
    async def check(self, params: ServiceParams) -> Finding:
        service = self.context.service(params.service)
        url = service.url.rstrip("/") + service.health
        answer = await self.context.client(Web).send("GET", url, timeout=service.smoke.timeout)
        facts: JsonDict = {"url": redacted(url), "status": answer.status, "ms": _ms(answer.seconds)}
        if answer.maintenance:
            return Finding(
                verdict=Verdict.INCONCLUSIVE, sentence="The service shows its maintenance page.", facts=facts
            )
        if answer.challenged:
            return Finding(verdict=Verdict.INCONCLUSIVE, sentence=f"The health check met {_CHALLENGE}.", facts=facts)
        if answer.other_host:
            sentence = f"The health check redirects to another host, {answer.other_host}."
            return Finding(verdict=Verdict.INCONCLUSIVE, sentence=sentence, facts=facts)
        if answer.status is None:
            return Finding(verdict=Verdict.FAILURE, sentence=f"The health check failed: {answer.trouble}.", facts=facts)
        sentence = f"The health check answered {answer.status} in {_ms(answer.seconds)} ms."
        if answer.status < _CLIENT_ERROR:
            return Finding(verdict=Verdict.SUCCESS, sentence=sentence, facts=facts)
        broken = answer.status >= _SERVER_ERROR
        # A 4xx says that our request was wrong, not how the service is.
        return Finding(verdict=Verdict.FAILURE if broken else Verdict.INCONCLUSIVE, sentence=sentence, facts=facts)


class SmokeTest(Probe[ServiceParams]):
    """Measures which share of requests fails, and how slow they are."""

    name = "http.smoke"
    title = "Run the smoke test"
    params = ServiceParams
    preflights = (WebPreflight,)

    @classmethod
    @override
    def subject(cls, params: ServiceParams, services: Mapping[str, Service]) -> str:
        service = services.get(params.service)
        if service is None:
            return cls.title
        paths = [f"{one.method} {one.path}" for one in service.smoke.paths]
        more = [f"{len(paths) - _PATHS_NAMED} others"] if len(paths) > _PATHS_NAMED else []
        named = enumerated([*paths[:_PATHS_NAMED], *more])
        return f"{counted(service.smoke.requests, 'request')} to {params.service} ({named})"

    @override
    async def check(self, params: ServiceParams) -> Finding:
        service = self.context.service(params.service)
        smoke, web, base = service.smoke, self.context.client(Web), service.url.rstrip("/")
        slots = asyncio.Semaphore(AT_ONCE)

        async def send(path: SmokePath) -> tuple[SmokePath, WebAnswer]:
            async with slots:
                answer = await web.send(path.method, base + path.path, timeout=smoke.timeout, json=path.json_body)
                return path, answer

        asked = [smoke.paths[number % len(smoke.paths)] for number in range(smoke.requests)]
        return judge(smoke, await read_together(*(send(path) for path in asked)))


def judge(smoke: Smoke, answers: Sequence[tuple[SmokePath, WebAnswer]]) -> Finding:
    """Return the result of a smoke test: its answers measured against the limits in systems.yaml."""
    maintenance = [answer for _, answer in answers if answer.maintenance]
    unclear = [answer for _, answer in answers if _unclear(answer)]
    judged = [answer for _, answer in answers if not answer.maintenance and not _unclear(answer)]
    failed = [answer for answer in judged if _failed(answer)]
    paths = _by_path(answers)
    share = len(failed) / len(judged) if judged else 0.0
    p95 = _p95([answer.seconds for answer in judged])
    facts: JsonDict = {
        "requests": len(answers),
        "judged": len(judged),
        "failed": len(failed),
        "error_rate": round(share, 4),
        "p95_ms": _ms(p95),
        "maintenance": len(maintenance),
        "answers": dict(Counter(str(a.status) if a.status else a.trouble for _, a in answers)),
        "failed_by_path": dict(Counter(f"{p.method} {p.path}" for p, a in answers if a in failed)),
    }
    failures = f"{len(failed)} failed ({_percent(share)} %), p95 {_ms(p95)} ms"
    if worst := _worst(paths):
        figures = f"{worst}. All paths together: {len(judged)} requests, {failures}"
    else:
        figures = f"{len(judged)} requests: {failures}"

    def finding(verdict: Verdict, sentence: str) -> Finding:
        return Finding(verdict=verdict, sentence=sentence, facts=facts)

    if 2 * len(maintenance) > len(answers):
        return finding(Verdict.INCONCLUSIVE, f"{len(maintenance)} of {len(answers)} requests got the maintenance page.")
    if 2 * len(judged) <= len(answers):
        sentence = f"Too few answers count: {len(maintenance)} of {len(answers)} got the maintenance page"
        challenged = sum(answer.challenged for _, answer in answers)
        met = f", and {challenged} met {_CHALLENGE}" if challenged else ""
        return finding(Verdict.INCONCLUSIVE, f"{sentence}, {len(unclear)} were refused or redirected{met}.")
    if failed and all(answer.status is None for answer in judged):
        return finding(Verdict.FAILURE, f"None of {len(judged)} requests was answered: {failed[0].trouble}.")
    if share > smoke.error_rate:
        return finding(Verdict.FAILURE, f"{figures}.")
    if smoke.p95 is not None and p95 > smoke.p95.total_seconds():
        limit = f"which is more than {_ms(smoke.p95.total_seconds())} ms"
        return finding(Verdict.FAILURE, f"{figures}, {limit}; {_slowest(paths)}.")
    return finding(Verdict.SUCCESS, f"{figures}.")


def _by_path(answers: Sequence[tuple[SmokePath, WebAnswer]]) -> dict[str, list[WebAnswer]]:
    """Return the answers that count for each path, as `GET /api/checkout`."""
    paths: dict[str, list[WebAnswer]] = {}
    for path, answer in answers:
        if not answer.maintenance and not _unclear(answer):
            paths.setdefault(f"{path.method} {path.path}", []).append(answer)
    return paths


def _worst(paths: dict[str, list[WebAnswer]]) -> str:
    """Return the path of which the largest share failed, and how many other paths failed too; empty if none failed.

    Over all paths, the share is smaller: a checkout that fails for most users can be 15 % of all requests.
    """
    failing = {path: sum(_failed(answer) for answer in answers) for path, answers in paths.items()}
    failing = {path: count for path, count in failing.items() if count}
    if not failing:
        return ""
    worst = max(failing, key=lambda path: failing[path] / len(paths[path]))
    share = failing[worst] / len(paths[worst])
    others = len(failing) - 1
    more = f", and {others} other {'path' if others == 1 else 'paths'}" if others else ""
    return f"{worst} failed {failing[worst]} of {len(paths[worst])} times ({_percent(share)} %){more}"


def _slowest(paths: dict[str, list[WebAnswer]]) -> str:
    """Return the path with the slowest answers."""
    slow = {path: _p95([answer.seconds for answer in answers]) for path, answers in paths.items()}
    worst = max(slow, key=lambda path: slow[path])
    return f"the slowest is {worst}, p95 {_ms(slow[worst])} ms"


def _percent(share: float) -> str:
    return f"{share * 100:.0f}"


def _failed(answer: WebAnswer) -> bool:
    return answer.status is None or answer.status >= _CLIENT_ERROR


def _unclear(answer: WebAnswer) -> bool:
    return answer.challenged or answer.other_host is not None or answer.status in _OUR_FAULT


def _p95(seconds: Sequence[float]) -> float:
    """Return the 95th percentile in seconds (nearest rank); 0 for no requests."""
    ordered = sorted(seconds)
    return ordered[math.ceil(0.95 * len(ordered)) - 1] if ordered else 0.0


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
