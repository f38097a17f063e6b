"""Reading the sources of evidence: all at once, for two seconds at most, and a rollback never fails because of one."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from allclear.company.check import check_company
from allclear.domain.base import utc_now
from allclear.domain.baseline import Baseline
from allclear.domain.errors import JournalError
from allclear.engine.actions.registry import Registry
from allclear.vendors.cloud_logging import CloudLogs
from allclear.vendors.cloud_monitoring import CloudMetrics
from allclear.vendors.google_http import GoogleOptions
from tasks.cloud_run import evidence_sources
from tasks.cloud_run.evidence import EvidenceKind
from tasks.cloud_run.evidence_sources import SOURCE_SECONDS, ServiceIdentity, gather_evidence
from tests.contract.simulator_support import REPOSITORY
from tests.unit.fakes_context import FakeContext, FakeRecord
from tests.unit.fakes_http import Answer, FakeVendor

IDENTITY = ServiceIdentity("shop", "traffic:shop", "vintstreet-prod", "us-central1", "shop")
CANARY = "ya29.canary-of-a-token"


class Hangs(httpx.AsyncBaseTransport):
    """A vendor that accepts each request and never answers."""

    waiting = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Never answer."""
        _ = request
        Hangs.waiting += 1
        return await asyncio.get_running_loop().create_future()


class BrokenRecord(FakeRecord):
    """A journal that cannot be reached."""

    def baselines(self, *_: object) -> list[Baseline]:
        """Raise JournalError."""
        raise JournalError("The journal is locked.", "Close what holds it.")

    def onset(self, *_: object) -> None:
        """Raise JournalError."""
        raise JournalError("The journal is locked.", "Close what holds it.")


def token() -> str:
    """Return the canary."""
    return CANARY


def context(transport: Callable[[], httpx.AsyncBaseTransport]) -> FakeContext:
    """Return a context whose two Google systems answer through that transport."""
    return FakeContext(
        CloudMetrics("https://monitoring.test", GoogleOptions(), token, transport()),
        CloudLogs("https://logging.test", GoogleOptions(), token, transport()),
    )


async def test_each_source_without_evidence_says_why() -> None:
    """Nothing recorded, nothing configured: three sentences, and no error."""
    found = await gather_evidence(FakeContext(), IDENTITY)
    assert found.evidence == ()
    assert found.unknown == (
        "No evidence of which revision we saw healthy before (nothing is recorded).",
        "No evidence of which revision answered requests before (systems.yaml has no `cloud_monitoring`).",
        "No evidence of which revision had the traffic before (systems.yaml has no `cloud_logging`).",
    )


async def test_systems_that_hang_are_asked_together_and_given_two_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their waits do not add up, and a rollback does not wait longer for them."""
    monkeypatch.setattr(Hangs, "waiting", 0)
    gathering = asyncio.create_task(gather_evidence(context(Hangs), IDENTITY))
    while Hangs.waiting < 2:  # both requests are under way before either is given up
        await asyncio.sleep(0)
        assert not gathering.done()
    found = await gathering
    assert SOURCE_SECONDS == 2.0
    assert [sentence.count("no answer within 2 s") for sentence in found.unknown] == [0, 1, 1]


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(403, json={"error": {"code": 403, "message": f"No, {CANARY}!", "status": "PERMISSION_DENIED"}}),
        httpx.Response(404, json={}),
        httpx.Response(200, text="<html>"),
        httpx.ReadError("broken"),
    ],
)
async def test_a_system_that_refuses_gives_no_evidence_and_reveals_no_secret(
    answer: httpx.Response | Exception,
) -> None:
    """Its own reason is reported, without our token in it."""
    found = await gather_evidence(context(lambda: FakeVendor(answer)), IDENTITY)
    assert found.evidence == ()
    assert len(found.unknown) == 3
    assert CANARY not in found.model_dump_json()


@pytest.mark.parametrize(
    "nonsense",
    [
        httpx.Response(200, json={"entries": 7, "data": {"result": 7}}),
        httpx.Response(200, json={"entries": ["a"], "data": {"result": ["a"]}, "nextPageToken": 7}),
        httpx.Response(200, json=True),
        httpx.Response(200, text="null"),
        httpx.Response(200, text="[" * 100_000),
        httpx.Response(200, text='{"entries":' * 100_000),
        httpx.Response(400, text="[" * 900 + "]" * 900),
        lambda _: httpx.Response(200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(b"no gzip")),
    ],
)
async def test_an_unreadable_answer_gives_no_evidence(nonsense: Answer) -> None:
    """The rollback goes on without it, and the reason is reported."""
    found = await gather_evidence(context(lambda: FakeVendor(nonsense)), IDENTITY)
    assert found.evidence == ()
    assert len(found.unknown) == 3
    if isinstance(nonsense, httpx.Response) and nonsense.is_success:
        assert [sentence.count("its answer cannot be read") for sentence in found.unknown] == [0, 1, 1]


async def test_data_of_an_unexpected_shape_gives_no_evidence() -> None:
    """Another implementation of the record may return anything; the rollback must not fail by it."""

    class Careless(FakeRecord):
        def baselines(self, *_: object) -> Any:  # noqa: ANN401 - anything
            """Return a number."""
            return [7]

    context_ = FakeContext()
    context_.record = Careless()
    found = await gather_evidence(context_, IDENTITY)
    assert found.evidence == ()
    assert found.unknown[0].startswith("No evidence of which revision we saw healthy before (its answer cannot be read")


async def test_the_record_counts_for_the_time_before_the_onset() -> None:
    """A baseline from after the onset is no evidence for the time before."""
    now = utc_now()
    record = [
        Baseline(resource=IDENTITY.resource, revision=name, at=now - timedelta(minutes=minutes), noted_by="VS-1")
        for name, minutes in (("before", 90), ("after", 5))
    ]
    context_ = FakeContext()
    context_.record = FakeRecord(*record, onset=now - timedelta(minutes=10))
    found = await gather_evidence(context_, IDENTITY, now)
    assert [(piece.kind, piece.revision) for piece in found.evidence] == [(EvidenceKind.OWN_RECORD, "before")]
    assert found.onset == now - timedelta(minutes=10)


async def test_an_onset_in_the_future_is_now() -> None:
    """A monitoring system's clock may be ahead of ours."""
    context_, now = FakeContext(), utc_now()
    context_.record = FakeRecord(onset=now + timedelta(hours=5))
    assert (await gather_evidence(context_, IDENTITY, now)).onset == now


async def test_an_unreachable_journal_affects_our_record_only() -> None:
    """The other sources are asked all the same."""
    context_ = FakeContext()
    context_.record = BrokenRecord()
    found = await gather_evidence(context_, IDENTITY)
    assert "The journal is locked" in found.unknown[0]
    assert len(found.unknown) == 3


async def test_a_source_gives_at_most_five_pieces_of_evidence() -> None:
    """The state is stored in the journal, where a hundred old baselines would only take space."""
    now = utc_now()
    context_ = FakeContext()
    context_.record = FakeRecord(
        *(
            Baseline(resource=IDENTITY.resource, revision="a", at=now - timedelta(days=n), noted_by="x")
            for n in range(20)
        )
    )
    assert len((await gather_evidence(context_, IDENTITY, now)).evidence) == evidence_sources.MOST_EVIDENCE


@pytest.mark.parametrize("option", ["", "    project: vintstreet-ops\n", "    page: x\n"])
def test_the_sources_systems_are_optional_and_checked_if_present(tmp_path: Path, option: str) -> None:
    """`allclear check` does not require them, knows their names, and validates their options."""
    folder = tmp_path / "vintstreet"
    shutil.copytree(REPOSITORY / "runbooks" / "vintstreet", folder)
    file = folder / "systems.yaml"
    text = file.read_text()
    begins = text.index("  cloud_monitoring:")
    ends = text.index("  # Feature flags")
    logs = "  cloud_logging:\n    endpoint: https://logging.googleapis.com\n"
    file.write_text(text[:begins] + (logs + option if option else "") + text[ends:])
    found = [str(one) for one in check_company(folder, Registry.installed(), frozenset())]
    needed = "which cloud_run.user_requests needs"  # a step of the runbooks, not the evidence
    told = [one for one in found if ("cloud_monitoring" in one or "cloud_logging" in one) and needed not in one]
    assert ["page" in one for one in told] == ([True] if "page" in option else [])
