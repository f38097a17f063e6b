"""The Vercel client: its requests, and how it reads a project, its domain and its deployments."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest

from allclear.domain.errors import AnswerLost, Conflict, Denied, NotFound, VendorRefused
from allclear.vendors.vercel import Vercel, VercelOptions
from tests.unit.fakes_http import Answer, FakeVendor, Pauses

SECRET = "canary-1618033988"
AT = datetime(2026, 11, 22, 3, 4, 5, tzinfo=UTC)
MILLISECONDS = int(AT.timestamp() * 1000)


def aimed_at(*answers: Answer, team: str | None = "team_1") -> tuple[Vercel, FakeVendor]:
    """Return a client and the vendor behind it."""
    vendor = FakeVendor(*answers)
    return Vercel("https://api.vercel.com", SECRET, VercelOptions(team=team), vendor, Pauses()), vendor


async def test_a_rollback_is_a_post_with_its_reason() -> None:
    """The path names project and deployment; the query has team and reason; the key is only in the header."""
    vercel, vendor = aimed_at(httpx.Response(201))
    await vercel.roll_back("prj_1", "dpl_1", "allclear RG-1/contain/roll-back")
    [request] = vendor.requests
    assert (request.method, request.url.path) == ("POST", "/v1/projects/prj_1/rollback/dpl_1")
    assert dict(request.url.params) == {"description": "allclear RG-1/contain/roll-back", "teamId": "team_1"}
    assert vendor.body() == {}
    assert request.headers["authorization"] == f"Bearer {SECRET}"
    assert SECRET not in repr(vercel)


async def test_a_promotion_has_a_path_of_its_own() -> None:
    """202 is as good as 201."""
    vercel, vendor = aimed_at(httpx.Response(202), team=None)
    await vercel.promote("prj_1", "dpl_2")
    assert vendor.requests[0].url.path == "/v10/projects/prj_1/promote/dpl_2"
    assert dict(vendor.requests[0].url.params) == {}


async def test_a_project_tells_the_status_of_its_last_change() -> None:
    """Times are in milliseconds; an unknown status is `unknown`; a project without a change has none."""
    last = {"toDeploymentId": "dpl_1", "jobStatus": "in-progress", "requestedAt": MILLISECONDS, "type": "rollback"}
    vercel, _ = aimed_at(
        httpx.Response(200, json={"id": "prj_1", "name": "app", "lastAliasRequest": last}),
        httpx.Response(200, json={"id": "prj_1", "name": "app", "lastAliasRequest": last | {"jobStatus": "new"}}),
        httpx.Response(200, json={"id": "prj_1", "name": "app", "lastAliasRequest": None}),
    )
    first, second, third = [(await vercel.project("app")).job for _ in range(3)]
    assert first is not None
    assert (first.to, first.kind, first.requested, first.running) == ("dpl_1", "rollback", AT, True)
    assert second is not None
    assert (second.status, second.running) == ("unknown", False)
    assert third is None


async def test_deployments_are_sorted_and_both_generations_of_fields_are_read() -> None:
    """`readyState` or `state`, `uid` or `id`; a deployment that never served is marked as staged."""
    older = {"uid": "dpl_1", "url": "a.vercel.app", "created": MILLISECONDS - 1000, "state": "READY"}
    newer = {
        "id": "dpl_2",
        "createdAt": MILLISECONDS,
        "readyState": "ERROR",
        "readySubstate": "STAGED",
        "isRollbackCandidate": False,
    }
    vercel, vendor = aimed_at(httpx.Response(200, json={"deployments": [older, newer]}))
    first, second = await vercel.deployments("prj_1")
    assert (first.id, first.ready, first.staged, first.candidate) == ("dpl_2", False, True, False)
    assert (second.id, second.ready, second.staged, second.candidate) == ("dpl_1", True, False, None)
    assert dict(vendor.requests[0].url.params)["target"] == "production"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (402, VendorRefused),
        (403, Denied),
        (404, VendorRefused),
        (409, Conflict),
        (422, VendorRefused),
        (500, AnswerLost),
    ],
)
async def test_each_refusal_becomes_our_error_with_vercels_reason(status: int, expected: type[Exception]) -> None:
    """A refused write changed nothing; after a 500 its effect is unknown."""
    vercel, _ = aimed_at(httpx.Response(status, json={"error": {"code": "no", "message": "Not this one."}}))
    with pytest.raises(expected, match="Not this one"):
        await vercel.roll_back("prj_1", "dpl_1", "reason")


async def test_an_unknown_domain_is_not_found() -> None:
    """The next step points to systems.yaml."""
    vercel, _ = aimed_at(httpx.Response(404, json={"error": {"code": "not_found", "message": "No alias."}}))
    with pytest.raises(NotFound) as missing:
        await vercel.serving("retailgen.ai", "prj_1")
    assert "systems.yaml" in missing.value.next_step
