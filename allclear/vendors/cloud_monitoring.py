"""Cloud Monitoring: how many requests each revision answered, and how many failed over time.

Source: the discovery document monitoring v1 and public uses of it, read 2026-11:
- `POST /v1/projects/P/location/global/prometheus/api/v1/query`, fields `query`, `time` (RFC 3339 or UNIX seconds) and
  `timeout`. The description has them as JSON. Public scripts send form fields with success, as Prometheus itself takes
  them, and so do we. The answer is Prometheus's own:
  `{"status": "success", "data": {"resultType": "vector", "result": [{"metric": {…}, "value": [time, "12"]}]}}`.
- `POST …/api/v1/query_range`, fields `query`, `start`, `end`, `step` and `timeout`. Its answer is a matrix, with
  `"values": [[time, "12"], …]` for each series; a moment without data is left out.
- Names: `run.googleapis.com/request_count` is `run_googleapis_com:request_count`; its labels hold `service_name`,
  `revision_name`, `location`, `response_code_class` (`2xx` …), and `monitored_resource` names the resource's type.
- Scope monitoring.read. The permission monitoring.timeSeries.list (roles/monitoring.viewer) is from memory.
- Data lags by up to 3 minutes. `increase` extrapolates, so counts are not whole numbers.
- According to one public report Cloud Run counts its own calls at a deployment: a single request proves no traffic.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any, ClassVar, cast

from pydantic import Field

from allclear.domain.base import JsonDict, Model
from allclear.vendors.errors import UNREADABLE, VendorRequest
from allclear.vendors.google_http import GoogleClient, revision_name


class RequestCount(Model):
    """How many requests a revision answered, and how many of them with a server error."""

    total: int = Field(ge=0)
    failed: int = Field(default=0, ge=0)


class CloudMetrics(GoogleClient):
    """Counts requests with PromQL."""

    system: ClassVar[str] = "cloud_monitoring"
    vendor: ClassVar[str] = "Cloud Monitoring"
    scope: ClassVar[str] = "https://www.googleapis.com/auth/monitoring.read"

    async def requests(
        self, project: str, region: str, service: str, *, until: datetime, window: timedelta
    ) -> dict[str, RequestCount]:
        """Return the requests that each revision answered in the `window` before `until`; empty if there were none.

        Raises Denied, Unreachable, VendorRefused.
        """
        request = VendorRequest("Cloud Monitoring", f"count the requests of {service}", write=False)
        query = f"sum by (revision_name, response_code_class) ({_increase(region, service, window)})"
        form = {"query": query, "time": until.isoformat()}
        answer = await self._http.post(request, self._path(project, "query"), form=form)
        try:
            return _counted(answer)
        except _UNREADABLE:
            raise request.answer_lost(UNREADABLE) from None

    async def requests_over_time(
        self, project: str, region: str, service: str, *, start: datetime, end: datetime, step: timedelta
    ) -> list[RequestCount]:
        """Return how many requests all revisions answered in each `step` from `start` to `end`, oldest first.

        `step` should be a minute or longer, because Cloud Run reports once a minute. Raises Denied, Unreachable,
        VendorRefused.
        """
        request = VendorRequest("Cloud Monitoring", f"count the requests of {service}", write=False)
        form = {
            "query": f"sum by (response_code_class) ({_increase(region, service, step)})",
            "start": (start + step).isoformat(),
            "end": end.isoformat(),
            "step": f"{int(step.total_seconds())}s",
        }
        answer = await self._http.post(request, self._path(project, "query_range"), form=form)
        try:
            return _counted_over_time(answer, start, int((end - start) / step), step)
        except _UNREADABLE:
            raise request.answer_lost(UNREADABLE) from None

    def _path(self, project: str, method: str) -> str:
        return f"/v1/projects/{self.project or project}/location/global/prometheus/api/v1/{method}"


_UNREADABLE = (KeyError, TypeError, ValueError, IndexError, OverflowError, AttributeError)
"""What reading an answer of another shape raises."""


def _increase(region: str, service: str, window: timedelta) -> str:
    labels = {"monitored_resource": "cloud_run_revision", "service_name": service, "location": region}
    matchers = ",".join(f"{label}={_quoted(value)}" for label, value in labels.items())
    return f"increase(run_googleapis_com:request_count{{{matchers}}}[{int(window.total_seconds())}s])"


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _counted(answer: Any) -> dict[str, RequestCount]:  # noqa: ANN401 - parsed JSON
    """Return the sums by revision. Raises one of several errors for an answer of another shape."""
    counts: dict[str, RequestCount] = {}
    result = answer["data"]["result"]
    if not isinstance(result, list):
        raise TypeError
    for series in cast("list[JsonDict]", result):
        revision, count = revision_name(series["metric"]["revision_name"]), _count(series["value"][1])
        if revision is None:
            raise TypeError
        failed = count if series["metric"].get("response_code_class") == "5xx" else 0
        known = counts.get(revision, RequestCount(total=0))
        counts[revision] = RequestCount(total=known.total + count, failed=known.failed + failed)
    return {revision: count for revision, count in counts.items() if count.total}


def _counted_over_time(answer: Any, start: datetime, spans: int, step: timedelta) -> list[RequestCount]:  # noqa: ANN401
    """Return the sums by span. Raises one of several errors for an answer of another shape."""
    result = answer["data"]["result"]
    if not isinstance(result, list):
        raise TypeError
    total, failed = [0] * spans, [0] * spans
    for series in cast("list[JsonDict]", result):
        for moment, text in series["values"]:
            span = round((float(moment) - start.timestamp()) / step.total_seconds()) - 1
            if not 0 <= span < spans:
                raise ValueError
            total[span] += (count := _count(text))
            failed[span] += count if series["metric"].get("response_code_class") == "5xx" else 0
    return [RequestCount(total=all_of, failed=bad) for all_of, bad in zip(total, failed, strict=True)]


def _count(text: object) -> int:
    """Return a value of Prometheus, which writes numbers as text. Raises TypeError, ValueError, OverflowError."""
    if not isinstance(text, str):
        raise TypeError
    value = float(text)
    return 0 if math.isnan(value) else max(0, round(value))
