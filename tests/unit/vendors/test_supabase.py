"""The flag client: its requests, and how it distinguishes the three meanings of no row."""

# ruff: noqa: FBT003 - the values of a flag, as rows have them

from __future__ import annotations

import httpx
import pytest

from allclear.domain.errors import AnswerLost, Denied, NotFound, Refused, Unreachable, VendorRefused
from allclear.vendors.supabase import FlagWrite, SupabaseFlags, SupabaseOptions
from tests.unit.fakes_http import Answer, FakeVendor, Pauses

SECRET = "canary-2718281828"


def rows(*enabled: object) -> httpx.Response:
    """Return PostgREST's answer with these rows."""
    return httpx.Response(200, json=[{"enabled": value} for value in enabled])


def aimed_at(*answers: Answer) -> tuple[SupabaseFlags, FakeVendor]:
    """Return a client and the vendor behind it."""
    vendor = FakeVendor(*answers)
    return SupabaseFlags("https://x.supabase.co", SECRET, SupabaseOptions(), vendor, Pauses()), vendor


async def test_a_write_is_a_compare_and_set() -> None:
    """The query has the name and the old value; the body has only the new value."""
    flags, vendor = aimed_at(rows(False))
    assert await flags.set("live_streams", to=False, seen=True) is FlagWrite.CHANGED
    request = vendor.requests[0]
    assert request.method == "PATCH"
    assert request.url.path == "/rest/v1/feature_flags"
    assert dict(request.url.params)["name"] == "eq.live_streams"
    assert dict(request.url.params)["enabled"] == "eq.true"
    assert vendor.body() == {"enabled": False}
    assert request.headers["apikey"] == SECRET


async def test_table_and_columns_are_the_companys_own() -> None:
    """They come from systems.yaml."""
    vendor = FakeVendor(httpx.Response(200, json=[{"active": True}]))
    options = SupabaseOptions(table="switches", name_column="key", enabled_column="active")
    flags = SupabaseFlags("https://x.supabase.co", SECRET, options, vendor)
    assert await flags.enabled("a b,c")
    assert vendor.requests[0].url.path == "/rest/v1/switches"
    assert dict(vendor.requests[0].url.params) == {"select": "active", "key": "eq.a b,c"}


async def test_a_name_with_several_rows_is_refused_with_the_columns_that_tell_them_apart() -> None:
    """Which of them counts is not known: nothing is read as off, and nothing is written."""
    two = [
        {"name": "checkout", "environment": "staging", "enabled": False},
        {"name": "checkout", "environment": "production", "enabled": True},
    ]
    flags, vendor = aimed_at(rows(False, True), httpx.Response(200, json=two))
    with pytest.raises(Refused) as refused:
        await flags.enabled("checkout")
    assert refused.value.message == (
        "2 rows of feature_flags have the flag checkout, so it is not known which one counts. "
        "They differ in: environment, enabled."
    )
    assert "`key_columns: {environment: VALUE}`" in refused.value.next_step
    assert [request.method for request in vendor.requests] == ["GET", "GET"]


async def test_the_key_columns_of_systems_yaml_are_part_of_every_query() -> None:
    """The read and the write concern one row."""
    vendor = FakeVendor(rows(True), rows(False))
    options = SupabaseOptions(key_columns={"environment": "production", "tenant": 7})
    flags = SupabaseFlags("https://x.supabase.co", SECRET, options, vendor, Pauses())
    assert await flags.enabled("checkout")
    await flags.set("checkout", to=False, seen=True)
    for request in vendor.requests:
        assert dict(request.url.params)["environment"] == "eq.production"
        assert dict(request.url.params)["tenant"] == "eq.7"


@pytest.mark.parametrize(
    ("value", "kind"),
    [("true", "text"), ("false", "text"), (1, "a number"), ([], "a list"), ({"on": True}, "an object")],
)
async def test_a_value_that_is_no_boolean_is_refused_with_its_type(value: object, kind: str) -> None:
    """In text, "false" would read as on."""
    flags, _ = aimed_at(rows(value))
    with pytest.raises(Refused) as refused:
        await flags.enabled("f")
    assert refused.value.message == f"The flag f is not a boolean: feature_flags.enabled holds {kind}."


async def test_null_is_off_and_can_be_set() -> None:
    """The condition of the write is `is.null`: `eq.false` does not match NULL."""
    flags, vendor = aimed_at(rows(None), rows(True))
    assert await flags.enabled("f") is None
    assert await flags.set("f", to=True, seen=None) is FlagWrite.CHANGED
    assert dict(vendor.requests[1].url.params)["enabled"] == "is.null"


async def test_a_second_read_tells_why_no_row_was_written() -> None:
    """The flag is gone, was set by another person, or row security forbids the write."""
    gone, _ = aimed_at(rows())
    already, _ = aimed_at(rows(), rows(False))
    hidden, _ = aimed_at(rows(), rows(True))
    with pytest.raises(VendorRefused, match="does not exist"):
        await gone.set("f", to=False, seen=True)
    assert await already.set("f", to=False, seen=True) is FlagWrite.ALREADY
    with pytest.raises(Denied, match="row security"):
        await hidden.set("f", to=False, seen=True)


async def test_reading_an_absent_flag_is_not_found() -> None:
    """The next step mentions row security, which looks the same."""
    flags, _ = aimed_at(rows())
    with pytest.raises(NotFound) as missing:
        await flags.enabled("f")
    assert "row security" in missing.value.next_step


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (httpx.Response(401, json={"message": "Invalid API key"}), Denied),
        (httpx.Response(403, json={"code": "42501", "message": "permission denied"}), Denied),
        (httpx.Response(404, json={"code": "PGRST205", "message": "no table"}), VendorRefused),
        (httpx.Response(400, json={"code": "22P02", "message": "invalid input"}), VendorRefused),
        (httpx.Response(500, json={"message": "oh"}), AnswerLost),
        (httpx.Response(502, text="<html>"), AnswerLost),
        (httpx.Response(200, text="<html>"), AnswerLost),
        (httpx.ReadTimeout("slow"), AnswerLost),
        (httpx.ConnectError("no"), Unreachable),
    ],
)
async def test_refusals_of_a_write_keep_their_status(answer: Answer, expected: type[Exception]) -> None:
    """The library drops the HTTP status; our client keeps it, and sends the write once."""
    flags, vendor = aimed_at(answer)
    with pytest.raises(expected) as refused:
        await flags.set("f", to=False, seen=True)
    assert type(refused.value) is expected
    assert len(vendor.requests) == 1
    assert SECRET not in repr(refused.value) + repr(flags)


async def test_a_read_and_a_rate_limited_write_are_retried() -> None:
    """With our own pauses instead of the library's."""
    flags, vendor = aimed_at(httpx.Response(503, json={"message": "x"}), rows(True))
    assert await flags.enabled("f")
    limited, again = aimed_at(httpx.Response(429, json={"message": "x"}), rows(False))
    await limited.set("f", to=False, seen=True)
    assert (len(vendor.requests), len(again.requests)) == (2, 2)
