"""Asking who served before: all at once, two seconds at most, and never in the way of a rollback."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from allclear.company import check_company
from allclear.domain.base import utc_now
from allclear.domain.baseline import Baseline
from allclear.domain.errors import JournalError
from allclear.engine.actions.registry import Registry
from allclear.vendors.cloud_logging import CloudLogs
from allclear.vendors.cloud_monitoring import CloudMetrics
from allclear.vendors.google_http import GoogleOptions
from tasks.cloud_run import evidence_sources
from tasks.cloud_run.evidence import EvidenceKind
from tasks.cloud_run.evidence_sources import CHECK_SECONDS, Place, ask_witnesses
from tests.contract.simulator_support import REPOSITORY
from tests.unit.fakes_context import FakeAround, FakeRecord
from tests.unit.fakes_http import Answer, FakeVendor

PLACE = Place("shop", "traffic:shop", "vintstreet-prod", "us-central1", "shop")
CANARY = "ya29.canary-of-a-token"


class Hangs(httpx.AsyncBaseTransport):
    """A vendor that takes the request and never answers."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Wait for ever."""
        _ = request
        return await asyncio.get_running_loop().create_future()


class BrokenRecord(FakeRecord):
    """A journal that is out of reach."""

    def baselines(self, *_: object) -> list[Baseline]:
        """Raise JournalError."""
        raise JournalError("The journal is locked.", "Close what holds it.")

    def onset(self, *_: object) -> None:
        """Raise JournalError."""
        raise JournalError("The journal is locked.", "Close what holds it.")


def token() -> str:
    """Return the canary."""
    return CANARY


def context(transport: Callable[[], httpx.AsyncBaseTransport]) -> FakeAround:
    """Return surroundings whose two Google systems answer by that transport."""
    return FakeAround(
        CloudMetrics("https://monitoring.test", GoogleOptions(), token, transport()),
        CloudLogs("https://logging.test", GoogleOptions(), token, transport()),
    )


async def test_without_any_witness_each_says_why_it_is_silent() -> None:
    """Nothing recorded, nothing configured: three sentences, and no error."""
    found = await ask_witnesses(FakeAround(), PLACE)
    assert found.evidence == ()
    assert found.unknown == (
        "Not known: what we saw healthy before (nothing is recorded).",
        "Not known: who answered requests before (systems.yaml has no `cloud_monitoring`).",
        "Not known: who had the traffic before (systems.yaml has no `cloud_logging`).",
    )


async def test_systems_that_hang_are_waited_for_together_and_two_seconds_at_most() -> None:
    """A rollback at 3 a.m. is held up for two seconds, not for two times ten."""
    began = time.perf_counter()
    found = await ask_witnesses(context(Hangs), PLACE)
    assert CHECK_SECONDS <= time.perf_counter() - began < CHECK_SECONDS + 1.5
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
async def test_a_system_that_refuses_is_silent_and_no_secret_is_told(answer: httpx.Response | Exception) -> None:
    """Its own words are told, without our token in them."""
    found = await ask_witnesses(context(lambda: FakeVendor(answer)), PLACE)
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
async def test_a_witness_that_answers_nonsense_is_silent(nonsense: Answer) -> None:
    """Whatever it says, the rollback goes on without it, and each silence has its reason."""
    found = await ask_witnesses(context(lambda: FakeVendor(nonsense)), PLACE)
    assert found.evidence == ()
    assert len(found.unknown) == 3
    if isinstance(nonsense, httpx.Response) and nonsense.is_success:
        assert [sentence.count("its answer cannot be read") for sentence in found.unknown] == [0, 1, 1]


async def test_what_was_let_through_and_nobody_can_read_is_silence_too() -> None:
    """A record of another make may hand on anything: it is not the approver's trouble."""

    class Careless(FakeRecord):
        def baselines(self, *_: object) -> Any:  # noqa: ANN401 - anything
            """Return a number."""
            return [7]

    here = FakeAround()
    here.record = Careless()
    found = await ask_witnesses(here, PLACE)
    assert found.evidence == ()
    assert found.unknown[0].startswith("Not known: what we saw healthy before (its answer cannot be read")


async def test_the_record_is_asked_for_the_time_before_the_onset() -> None:
    """A baseline that was seen after the trouble began is no word on what came before."""
    now = utc_now()
    record = [
        Baseline(resource=PLACE.resource, revision=name, at=now - timedelta(minutes=minutes), noted_by="VS-1")
        for name, minutes in (("before", 90), ("after", 5))
    ]
    here = FakeAround()
    here.record = FakeRecord(*record, onset=now - timedelta(minutes=10))
    found = await ask_witnesses(here, PLACE, now)
    assert [(one.kind, one.revision) for one in found.evidence] == [(EvidenceKind.OWN_RECORD, "before")]
    assert found.onset == now - timedelta(minutes=10)


async def test_an_onset_in_the_future_is_now() -> None:
    """A monitoring system's clock may be ahead of ours."""
    here, now = FakeAround(), utc_now()
    here.record = FakeRecord(onset=now + timedelta(hours=5))
    assert (await ask_witnesses(here, PLACE, now)).onset == now


async def test_a_journal_out_of_reach_silences_the_record_only() -> None:
    """The other witnesses are asked all the same."""
    here = FakeAround()
    here.record = BrokenRecord()
    found = await ask_witnesses(here, PLACE)
    assert "The journal is locked" in found.unknown[0]
    assert len(found.unknown) == 3


async def test_a_witness_gives_no_more_than_decides() -> None:
    """A state is journalled: a hundred old baselines would only fill it."""
    now = utc_now()
    here = FakeAround()
    here.record = FakeRecord(
        *(Baseline(resource=PLACE.resource, revision="a", at=now - timedelta(days=n), noted_by="x") for n in range(20))
    )
    assert len((await ask_witnesses(here, PLACE, now)).evidence) == evidence_sources.MOST


@pytest.mark.parametrize("option", ["", "    project: vintstreet-ops\n", "    page: x\n"])
def test_the_witnesses_systems_may_be_left_out_and_are_checked_where_they_stand(tmp_path: Path, option: str) -> None:
    """`allclear check` misses none of them, knows their names, and understands their options."""
    folder = tmp_path / "vintstreet"
    shutil.copytree(REPOSITORY / "runbooks" / "vintstreet", folder)
    file = folder / "systems.yaml"
    text = file.read_text()
    begins = text.index("  cloud_monitoring:")
    ends = text.index("  # Feature flags")
    logs = "  cloud_logging:\n    endpoint: https://logging.googleapis.com\n"
    file.write_text(text[:begins] + (logs + option if option else "") + text[ends:])
    found = [str(one) for one in check_company(folder, Registry.installed(), frozenset())]
    told = [one for one in found if "cloud_monitoring" in one or "cloud_logging" in one]
    assert ["page" in one for one in told] == ([True] if "page" in option else [])
