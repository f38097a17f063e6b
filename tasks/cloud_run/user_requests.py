"""The probe that counts how many of the users' requests failed during an incident, minute by minute."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from typing_extensions import override

from allclear.domain.action import Finding, ParamProblem, Verdict
from allclear.domain.base import utc_now
from allclear.domain.errors import AllclearError
from allclear.domain.local_times import clock
from allclear.domain.probe import Probe
from allclear.domain.systems import Service
from allclear.domain.traffic import MOST_SPANS, TRAFFIC, Traffic
from allclear.vendors.cloud_monitoring import CloudMetrics, RequestCount
from allclear.vendors.cloud_run.client import CloudRun
from allclear.vendors.cloud_run.handle import CloudRunHandle
from tasks.cloud_run.location import CloudRunParams, check_region, locate
from tasks.cloud_run.preflights import CLOUD_RUN_PREFLIGHTS
from tasks.permissions import CLOUD_RUN_READ, METRICS_READ

MINUTE = timedelta(minutes=1)
"""Cloud Run reports its requests once a minute."""

LAG = timedelta(minutes=3)
"""How much later than they happen Cloud Monitoring shows the requests."""

AROUND = timedelta(minutes=5)
"""How long before the trouble the count starts and after it ends, so that the normal state is seen too."""


class UserRequests(Probe[CloudRunParams]):
    """Counts the users' requests and those that were answered with a server error, from the beginning until now.

    It judges nothing, so its verdict is success whenever it could count. The post-mortem shows the numbers.
    """

    name = "cloud_run.user_requests"
    title = "Count the users' requests"
    permissions = (CLOUD_RUN_READ, METRICS_READ)
    params = CloudRunParams
    needs = (CloudRun, CloudMetrics)
    preflights = CLOUD_RUN_PREFLIGHTS
    handles = (CloudRunHandle,)

    @classmethod
    @override
    def check_params(cls, params: CloudRunParams, services: Mapping[str, Service]) -> Iterable[ParamProblem]:
        return check_region(params, services)

    @override
    async def check(self, params: CloudRunParams) -> Finding:
        now = utc_now()
        try:
            run, name = locate(self.context, params)
            began, recovered = self.context.record.last_trouble(params.service) or (now, None)
            start, end, step = spans(min(began, now), min(recovered + AROUND, now) if recovered else now)
            counts = await self.context.client(CloudMetrics).requests_over_time(
                run.project, run.region, name, start=start, end=end, step=step
            )
        except AllclearError as error:
            return Finding(verdict=Verdict.INCONCLUSIVE, sentence=error.message)
        counts = _arrived(counts, math.ceil(LAG / step))
        traffic = Traffic(
            source="Cloud Monitoring",
            start=start,
            seconds=int(step.total_seconds()),
            requests=[count.total for count in counts],
            failed=[count.failed for count in counts],
        )
        return Finding(
            verdict=Verdict.SUCCESS, sentence=_sentence(traffic), facts={TRAFFIC: traffic.model_dump(mode="json")}
        )


def _arrived(counts: list[RequestCount], latest: int) -> list[RequestCount]:
    """Return the counts without those of the `latest` spans that are not there yet: nothing is counted in them."""
    spans = len(counts)
    while spans > len(counts) - latest and spans and not counts[spans - 1].total:
        spans -= 1
    return counts[:spans]


def spans(onset: datetime, until: datetime) -> tuple[datetime, datetime, timedelta]:
    """Return from when until when is counted, and in which spans: of whole minutes, as many as a record may hold.

    The last span ends then, and not at the next full minute, because Cloud Monitoring knows nothing of the future.
    """
    end = until.replace(microsecond=0)
    minutes = math.ceil((end - onset + AROUND) / MINUTE)
    step = MINUTE * math.ceil(minutes / MOST_SPANS)
    return end - step * math.ceil(minutes * MINUTE / step), end, step


def _sentence(traffic: Traffic) -> str:
    time = f"{clock(traffic.start, UTC)} to {clock(traffic.end, UTC)} UTC"
    if not traffic.total:
        return f"Cloud Monitoring counted no requests, {time}."
    percent = 100 * traffic.total_failed / traffic.total
    return f"{traffic.words} ({percent:.1f} %), {time}."
