"""Cloud Monitoring: how many requests each revision answered.

Source: the discovery document monitoring v1 and public uses of it, read 2026-11:
- `POST /v1/projects/P/location/global/prometheus/api/v1/query`, fields `query`, `time` (RFC 3339 or UNIX seconds) and
  `timeout`. The description has them as JSON. Public scripts send form fields with success, as Prometheus itself takes
  them, and so do we. The answer is Prometheus's own:
  `{"status": "success", "data": {"resultType": "vector", "result": [{"metric": {…}, "value": [time, "12"]}]}}`.
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
        labels = {"monitored_resource": "cloud_run_revision", "service_name": service, "location": region}
        matchers = ",".join(f"{label}={_quoted(value)}" for label, value in labels.items())
        seconds = int(window.total_seconds())
        query = (
            "sum by (revision_name, response_code_class)"
            f" (increase(run_googleapis_com:request_count{{{matchers}}}[{seconds}s]))"
        )
        path = f"/v1/projects/{self.project or project}/location/global/prometheus/api/v1/query"
        answer = await self._http.post(request, path, form={"query": query, "time": until.isoformat()})
        try:
            return _counted(answer)
        except (KeyError, TypeError, ValueError, IndexError, OverflowError, AttributeError):
            raise request.answer_lost(UNREADABLE) from None


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
        revision, text = revision_name(series["metric"]["revision_name"]), series["value"][1]
        if revision is None or not isinstance(text, str):  # Prometheus writes numbers as text
            raise TypeError
        value = float(text)
        count = 0 if math.isnan(value) else max(0, round(value))
        failed = count if series["metric"].get("response_code_class") == "5xx" else 0
        known = counts.get(revision, RequestCount(total=0))
        counts[revision] = RequestCount(total=known.total + count, failed=known.failed + failed)
    return {revision: count for revision, count in counts.items() if count.total}
