"""Texts at the simulated Twilio: whom they reached, whom not and why, and no text twice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from allclear.domain.action import ActStatus, Verdict
from allclear.domain.base import utc_now
from allclear.domain.errors import AllclearError, Denied, NotFound, Refused
from allclear.domain.links import LinkTo
from allclear.domain.preflight import PlannedUse
from allclear.vendors.twilio import LONGEST_TEXT, Twilio
from tasks.twilio.messages import PhoneParams
from tasks.twilio.preflight import TwilioPreflight
from tasks.twilio.text import SendText, body_of
from tests.contract.actions_support import (
    READ_TROUBLES,
    SimulatedContext,
    carried_out,
    dumped,
    each_write_fault,
    worked_out,
)
from tests.contract.simulator_support import fault, recorded
from tests.contract.twilio_support import ANA, BEN, CHI, NUMBERS, at_twilio, issued, phone, phones

TEXT: dict[str, Any] = {"message": "VS-1/told/1", "text": "P0: checkout is down.", "people": [ANA]}


class OneLink:
    """Makes a link that can be recognised."""

    def href(self, to: LinkTo) -> str:
        """Return the link."""
        return f"https://ic.example/l/signed-for-{to.person}"

    def from_outside(self, path: str) -> str:
        """Return the address of a path."""
        return f"https://ic.example{path}"


async def test_a_person_was_told_when_twilio_says_delivered() -> None:
    """The text ends with our key, no approval is needed, and no secret is stored."""
    async with phones() as (sim, context):
        done = await carried_out(SendText(context), **TEXT)
        [text] = at_twilio(sim).texts
        assert (text.to, text.body) == ("+4915111111111", "P0: checkout is down.\n(VS-1/told/1)")
        assert (done.finding.verdict, done.finding.sentence) == (Verdict.SUCCESS, f"It was delivered to {ANA}.")
        assert done.after.deliveries == {ANA: "delivered"}
        assert (SendText.approval, SendText.reaches, SendText.personal) == (None, "phone", True)
        assert sim.secrets["twilio"] not in dumped(done) + repr(context.client(Twilio))


async def test_the_same_message_is_not_sent_twice() -> None:
    """Also by a process that knows nothing of the first one: Twilio's list has it."""
    async with phones() as (sim, context):
        await carried_out(SendText(context), **TEXT)
        _, again = await worked_out(SendText(context), **TEXT)
        assert SendText(context).target_reached(again, again.before)
        await SendText(context).apply(PhoneParams.model_validate(TEXT), again, "key")
        assert len(at_twilio(sim).texts) == 1
        _, other = await worked_out(SendText(context), **TEXT | {"message": "VS-1/told/11"})
        assert other.before.deliveries == {}


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("kind", ["answer_lost", "cut_off", "other_shape"])
async def test_a_text_whose_answer_was_lost_is_found_and_not_sent_again(kind: str, times: int) -> None:
    """Its outcome is proven by the list."""
    async with phones() as (sim, context):
        await fault(sim, "twilio", "send_message", kind, times=times)
        outcome = await issued(SendText(context), **TEXT)
        assert outcome.status is ActStatus.VERIFIED
        assert len(at_twilio(sim).texts) == 1


async def test_an_unanswered_text_that_the_list_does_not_show_is_unknown() -> None:
    """Nothing was taken; the act stays open, and nothing is sent a second time by itself."""
    async with phones() as (sim, context):
        await fault(sim, "twilio", "send_message", "server_error")
        outcome = await issued(SendText(context), **TEXT)
        assert outcome.status is ActStatus.INDETERMINATE
        assert at_twilio(sim).texts == []
        assert len(recorded(sim, "write", method="send_message")) == 1


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("sent", "the carrier has it, and has not confirmed that it arrived"),
        ("queued", "Twilio shows it as queued"),
    ],
)
async def test_a_text_that_is_not_confirmed_by_the_deadline_is_no_success(status: str, words: str) -> None:
    """Accepted and never delivered: people are not told, and the sentence says what is known."""
    async with phones(phone(ANA, text=status)) as (sim, context):
        outcome = await issued(SendText(context), **TEXT)
        assert (outcome.status, outcome.changed) == (ActStatus.UNVERIFIED, True)
        assert outcome.sentence == f"It is not known whether it reached {ANA}: {words}."
        assert outcome.after is not None
        assert outcome.after["deliveries"] == {ANA: "accepted"}
        assert len(at_twilio(sim).texts) == 1


async def test_a_text_is_read_until_it_was_delivered() -> None:
    """It is on its way for a while."""
    async with phones(takes="200ms") as (_, context):
        outcome = await issued(SendText(context), deadline=20, **TEXT)
        assert outcome.status is ActStatus.VERIFIED


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        ("undelivered", 30034, "not registered for texts to the United States"),
        ("undelivered", 30007, "the carrier filtered it as spam (30007)"),
        ("failed", 30003, "the phone is off or out of reach"),
        ("undelivered", 39999, "error 39999"),
        ("failed", None, "Twilio gives no reason"),
    ],
)
async def test_a_text_that_was_taken_and_did_not_arrive_has_failed(status: str, code: int | None, words: str) -> None:
    """US carriers drop unregistered texts after Twilio took them. The next way is used at once."""
    async with phones(phone(ANA, text=status, text_error=code)) as (_, context):
        outcome = await issued(SendText(context), deadline=60, **TEXT)
        assert (outcome.status, outcome.changed) == (ActStatus.FAILED, False)
        assert outcome.sentence.startswith(f"It did not reach {ANA}: ")
        assert words in outcome.sentence
        assert outcome.after is not None
        assert outcome.after["deliveries"] == {ANA: "failed"}


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (21211, "it is no valid number (21211). Correct this person's `phone` in plan.yaml."),
        (21610, "this person has stopped our texts (21610). This person must send START to our number."),
        (21608, "a trial account, or one without an approved compliance profile, reaches verified numbers only"),
        (21999, "The request was refused (21999)"),
    ],
)
async def test_a_refusal_says_what_to_do(code: int, words: str) -> None:
    """Twilio answers 400 with its code; nothing was sent."""
    async with phones(phone(ANA, refuses_with=code)) as (sim, context):
        outcome = await issued(SendText(context), **TEXT)
        assert (outcome.status, outcome.changed) == (ActStatus.FAILED, False)
        assert words in f"{outcome.sentence} {outcome.next_step}"
        assert at_twilio(sim).texts == []


async def test_one_person_who_cannot_be_reached_stops_no_other() -> None:
    """The sentence names each; the act is no success, and only the missing one is sent again."""
    async with phones(phone(BEN, refuses_with=21610), phone(CHI, text="undelivered", text_error=30005)) as (
        sim,
        context,
    ):
        people = [BEN, ANA, "0151 999", CHI]
        action = SendText(context)
        outcome = await issued(action, deadline=60, **TEXT | {"people": people})
        assert outcome.status is ActStatus.UNVERIFIED
        assert outcome.after is not None
        assert outcome.after["deliveries"] == {BEN: "failed", ANA: "delivered", "0151 999": "failed", CHI: "failed"}
        for words in (
            f"It was delivered to {ANA}.",
            f"It did not reach {BEN}: Twilio refused to text {BEN}: this person has stopped our texts",
            "It did not reach 0151 999: `0151 999` is no phone number in international form.",
            f"It did not reach {CHI}: the number does not exist",
        ):
            assert words in outcome.sentence
        await issued(action, 0.3, **TEXT | {"people": people})
        assert [text.to for text in at_twilio(sim).texts] == [NUMBERS[ANA], CHI, CHI]


async def test_a_lost_answer_to_one_of_several_is_looked_up() -> None:
    """The others' texts are known by their ids."""
    async with phones() as (sim, context):
        await fault(sim, "twilio", "send_message", "answer_lost")
        outcome = await issued(SendText(context), deadline=20, **TEXT | {"people": [ANA, BEN]})
        assert outcome.status is ActStatus.VERIFIED
        assert sorted(text.to for text in at_twilio(sim).texts) == sorted([NUMBERS[ANA], BEN])


async def test_a_number_that_is_none_is_refused_with_one_sentence() -> None:
    """`allclear check` says the same of one that stands in the plan."""
    async with phones() as (sim, context):
        with pytest.raises(Refused, match="`0151 123` is no phone number in international form"):
            await worked_out(SendText(context), **TEXT | {"people": "0151 123"})
        params = PhoneParams.model_validate(TEXT | {"people": [ANA, "0151 123"]})
        [problem] = SendText.check_params(params, {})
        assert (problem.param, problem.next_step) == ("people", "Write it with the country, as +4915112345678.")
        assert recorded(sim, "write") == []


def test_a_long_text_keeps_its_beginning_the_link_and_the_key() -> None:
    """A text has at most 1,600 characters."""
    body = body_of("P0: checkout is down. " + "x" * 3_000, "VS-1/told/1", "https://ic.example/l/abc")
    assert len(body) == LONGEST_TEXT
    assert body.startswith("P0: checkout is down. xxx")
    assert body.endswith("…\nhttps://ic.example/l/abc\n(VS-1/told/1)")


async def test_the_link_is_in_the_text_and_in_no_record() -> None:
    """It signs in the one person who reads the text."""
    async with phones() as (sim, context):
        context.links = OneLink()
        link = LinkTo(incident="VS-1", person="Ana")
        done = await carried_out(SendText(context), **TEXT | {"link": link.model_dump()})
        assert at_twilio(sim).texts[0].body.splitlines()[1:] == ["https://ic.example/l/signed-for-Ana", "(VS-1/told/1)"]
        assert "signed-for" not in dumped(done)


async def test_a_text_of_an_earlier_journal_is_not_this_one() -> None:
    """Its incidents had the same ids."""
    async with phones() as (sim, context):
        old = at_twilio(sim).send(NUMBERS[ANA], "Old\n(VS-1/told/1)")
        old.at -= timedelta(days=2)
        outcome = await issued(SendText(context), **TEXT)
        assert outcome.status is ActStatus.VERIFIED
        assert len(at_twilio(sim).texts) == 2


async def test_how_old_a_text_is_is_told_by_the_engines_clock() -> None:
    """A rehearsal has a time of its own: its texts are found again, and those of the day before yesterday are not."""
    async with phones() as (sim, context):
        long_ago = utc_now() - timedelta(days=400)
        context.clock = lambda: long_ago
        known = at_twilio(sim).send(NUMBERS[ANA], "P0\n(VS-1/told/1)")
        known.at = long_ago - timedelta(hours=1)
        assert (await SendText(context).observe(PhoneParams.model_validate(TEXT))).deliveries == {ANA: "delivered"}
        context.clock = lambda: long_ago + timedelta(days=2)
        assert (await SendText(context).observe(PhoneParams.model_validate(TEXT))).deliveries == {}


async def test_a_rate_limit_is_not_waited_for() -> None:
    """The next way is used instead."""
    async with phones() as (sim, context):
        await fault(sim, "twilio", "send_message", "rate_limited", times=50)
        outcome = await issued(SendText(unhurried(context)), deadline=60, **TEXT)
        assert outcome.status is ActStatus.FAILED
        assert "limiting our requests" in outcome.sentence


@each_write_fault("text")
async def test_each_fault_has_its_sentence(kind: str, error: type[AllclearError], words: str) -> None:
    """A refusal sent nothing; everything else may have."""
    async with phones() as (sim, context):
        action = SendText(unhurried(context))
        params, change = await worked_out(action, **TEXT)
        await fault(sim, "twilio", "send_message", kind, times=10)
        with pytest.raises(error, match=words):
            await action.apply(params, change, "key")


@pytest.mark.parametrize("trouble", READ_TROUBLES)
async def test_a_read_that_fails_has_a_sentence(trouble: str) -> None:
    """An answer that is cut off or of another shape is never taken for an empty list."""
    async with phones() as (sim, context):
        await fault(sim, "twilio", "*", trouble, times=50)
        with pytest.raises(AllclearError) as failed:
            await worked_out(SendText(context), **TEXT)
        assert "Twilio" in failed.value.message
        assert failed.value.next_step


async def test_the_preflight_reads_our_number() -> None:
    """The key is right, the account has the number, and the number can do what the plan uses."""
    uses = [PlannedUse("twilio.text", {}, writes=True)]
    async with phones() as (_, context):
        [check] = TwilioPreflight(context).checks({}, uses)
        assert "our number can send texts and place calls" in str(await check.run())
        context.options["twilio"] |= {"number": "+15005550001"}
        await context.close()
        context.clients.clear()
        [check] = TwilioPreflight(context).checks({}, uses)
        with pytest.raises(NotFound, match=r"The account has no number \+15005550001"):
            await check.run()
    async with phones(sms=False) as (_, context):
        [check] = TwilioPreflight(context).checks({}, uses)
        with pytest.raises(Denied, match="cannot send texts"):
            await check.run()
    async with phones() as (sim, context):
        await fault(sim, "twilio", "list_numbers", "permission_denied")
        [check] = TwilioPreflight(context).checks({}, uses)
        with pytest.raises(Denied, match=r"Authenticate \(20003\)"):
            await check.run()


def unhurried(context: SimulatedContext) -> SimulatedContext:
    """Return a context whose client does not wait between its tries."""

    async def at_once(_: float) -> None:
        pass

    client = context.client(Twilio)
    client._http._pause = at_once  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    return context
