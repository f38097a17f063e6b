"""E-mail over the simulated mail server: what is written, whom it refuses, and each fault of a conversation."""

# ruff: noqa: ANN401 - parameters of an action

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import aiosmtplib
import pytest
from pydantic import SecretStr

from allclear.domain.action import ActStatus, AnyAction, Change, Outcome, Verdict
from allclear.domain.approval import SPEAKERS
from allclear.domain.errors import AllclearError, AnswerLost, ConfigError, Denied, Refused, Unreachable, VendorRefused
from allclear.domain.links import LinkTo
from allclear.domain.notify.delivery import MAY_BE_REPEAT, Delivery
from allclear.domain.systems import Access
from allclear.engine.actions.loaded_act import LoadedAct
from allclear.engine.actions.registry import read_params
from allclear.engine.actions.write_retries import Write
from allclear.simulator.mailbox import Mail
from allclear.vendors.smtp import Smtp
from tasks.email.actions import SendEmail, WriteToCustomers
from tasks.email.compose import message_id
from tasks.email.delivery import EmailPreflight, EmailState
from tests.contract.actions_support import SimulatedContext, carried_out, dumped, production, worked_out
from tests.contract.simulator_support import Simulated, fault, recorded
from tests.unit.fakes_context import FakeRecord

ANA, BEN, CHI = "ana@vintstreet.com", "ben@vintstreet.com", "chi@vintstreet.com"
SENDER = "incidents@vintstreet.com"
EMAIL: dict[str, Any] = {
    "message": "VS-1-stakeholders",
    "people": [ANA, BEN],
    "subject": "[P0] VS-1: payments fail",
    "text": "Payments have failed since 02:10 UTC.\n\nÜber 40 % der Käufe.",
}
FAILED = {ANA: Delivery.FAILED, BEN: Delivery.ACCEPTED}


class Links:
    """Makes links that a test can find."""

    def href(self, to: LinkTo) -> str:
        """Return an address with the incident in it."""
        return f"https://allclear.test/l/{to.incident}"

    def from_outside(self, path: str) -> str:
        """Return an address of the responder."""
        return f"https://allclear.test{path}"


@asynccontextmanager
async def mailing() -> AsyncGenerator[tuple[Simulated, SimulatedContext, FakeRecord]]:
    """Run a production, and yield it with a context whose client sends through its mail server, and its record."""
    async with production() as (sim, context):
        record = FakeRecord()
        context.options["email"] = {"from_address": SENDER, "from_name": "VintStreet incidents"}
        context.record, context.links = record, Links()
        yield sim, context, record


def impatient(context: SimulatedContext) -> None:
    """Let the client give up an answer at once, as if its time were over."""
    context.client(Smtp)._seconds = 0.05  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - only tests choose the moment


async def issued(action: AnyAction, record: FakeRecord, **raw: Any) -> tuple[Outcome, Change[Any]]:
    """Carry an act out with the executor's own write, note what was seen, and return its outcome and its change."""
    params, change = await worked_out(action, **raw)
    change = change.model_copy(update={"deadline": timedelta(milliseconds=300)})
    outcome = await Write(LoadedAct(action, params, change), change, "VS-1/contain/mail").issue()
    if outcome.after is not None:
        record.states[change.resource] = outcome.after
    return outcome, change


def only(sim: Simulated) -> Mail:
    """Return the one message that the server took."""
    [mail] = sim.world.mails
    return mail


async def test_a_message_has_our_id_and_asks_for_no_answer() -> None:
    """Its text arrives as it was, its thread is named, and no secret is stored."""
    async with mailing() as (sim, context, _):
        link = LinkTo(incident="VS-1")
        done = await carried_out(SendEmail(context), **EMAIL, thread="VS-1-first", link=link)
        mail = only(sim)
        message = mail.message
        assert (mail.sender, mail.recipients) == (SENDER, (ANA, BEN))
        assert str(message["From"]) == f"VintStreet incidents <{SENDER}>"
        assert str(message["Subject"]) == EMAIL["subject"]
        assert str(message["Message-ID"]) == "<vs-1-stakeholders@vintstreet.com>"
        assert str(message["In-Reply-To"]) == str(message["References"]) == "<vs-1-first@vintstreet.com>"
        assert str(message["Auto-Submitted"]) == "auto-generated"
        assert str(message["X-Auto-Response-Suppress"]) == "All"
        assert message["Date"].datetime is not None
        assert mail.text.splitlines() == [*EMAIL["text"].splitlines(), "", "https://allclear.test/l/VS-1"]
        assert done.params.text == EMAIL["text"]
        assert sim.secrets["email"] not in dumped(done) + repr(context.client(Smtp))
        assert SendEmail.approval is None
        [write] = recorded(sim, "write", api="email")
        assert (write["method"], write["to"], write["result"]) == ("data", [ANA, BEN], "done")


async def test_what_was_accepted_is_not_sent_again_and_no_one_claims_that_it_was_read() -> None:
    """The record holds the server's answer, because no read shows it."""
    async with mailing() as (sim, context, record):
        action = SendEmail(context)
        outcome, _ = await issued(action, record, **EMAIL)
        assert outcome.status is ActStatus.VERIFIED
        assert f"accepted the message for {ANA} and {BEN}" in outcome.sentence
        assert outcome.after is not None
        assert outcome.after["deliveries"] == {ANA: "accepted", BEN: "accepted"}
        params, change = await worked_out(action, **EMAIL)
        assert action.target_reached(change, await action.observe(params))
        with pytest.raises(Refused, match="with another content"):
            await worked_out(action, **(EMAIL | {"text": "Another text."}))
        with pytest.raises(Refused, match="cannot be taken back"):
            action.undo(params, change, change.after)
        only(sim)


async def test_a_partial_refusal_names_the_person_and_only_that_person_gets_it_later() -> None:
    """One of two addresses is refused: the act is not good, and says for whom."""
    async with mailing() as (sim, context, record):
        action = SendEmail(context)
        await fault(sim, "email", "rcpt", "permission_denied")
        outcome, _ = await issued(action, record, **EMAIL)
        assert outcome.status is ActStatus.UNVERIFIED
        assert f"did not accept the message for {ANA} (550" in outcome.sentence
        assert f"accepted the message for {BEN}." in outcome.sentence
        assert outcome.after is not None
        assert outcome.after["deliveries"] == FAILED
        assert only(sim).recipients == (BEN,)
        again, change = await issued(action, record, **EMAIL)
        assert again.status is ActStatus.VERIFIED
        assert change.summary == f"Send an e-mail to {ANA}: {EMAIL['subject']}"
        first, second = sim.world.mails
        assert second.recipients == (ANA,)
        assert MAY_BE_REPEAT not in second.text
        assert str(first.message["Message-ID"]) == str(second.message["Message-ID"])


async def test_after_a_lost_answer_the_outcome_is_not_known_and_a_repeat_says_so() -> None:
    """Nothing waits, because nothing can be read. A repeat has the same id and says that it may be one."""
    async with mailing() as (sim, context, record):
        action = SendEmail(context)
        await fault(sim, "email", "data", "answer_lost")
        outcome, _ = await issued(action, record, **EMAIL)
        assert outcome.status is ActStatus.INDETERMINATE
        assert outcome.after is not None
        assert outcome.after["deliveries"] == {ANA: "unknown", BEN: "unknown"}
        again, _ = await issued(action, record, **EMAIL)
        assert again.status is ActStatus.VERIFIED
        first, second = sim.world.mails
        assert first.text in second.text.replace(MAY_BE_REPEAT, "")
        assert second.text.startswith(MAY_BE_REPEAT)
        assert str(first.message["Message-ID"]) == str(second.message["Message-ID"])


FAULTS: list[tuple[str, str, int, type[AllclearError], str, int]] = [
    ("connect", "unavailable", 1, Unreachable, "nothing was changed", 0),
    ("connect", "rate_limited", 1, VendorRefused, "421", 0),
    ("login", "permission_denied", 9, Denied, "does not allow our key", 0),
    ("login", "unavailable", 1, Unreachable, "the connection broke", 0),
    ("mail", "permission_denied", 1, Denied, "not allowed to send as this sender", 0),
    ("mail", "unavailable", 1, Unreachable, "the connection broke", 0),
    ("rcpt", "permission_denied", 2, VendorRefused, rf"accepts no recipient: {ANA} \(550 .*{BEN} \(550", 0),
    ("rcpt", "rate_limited", 2, VendorRefused, "450", 0),
    ("rcpt", "unavailable", 1, Unreachable, "the connection broke", 0),
    ("data", "permission_denied", 1, VendorRefused, "rejected by policy", 0),
    ("data", "rate_limited", 1, VendorRefused, "451", 0),
    ("data", "server_error", 1, VendorRefused, "554", 0),
    ("data", "unavailable", 1, AnswerLost, "gave no clear answer", 0),
    ("data", "answer_lost", 1, AnswerLost, "gave no clear answer", 1),
]


@pytest.mark.parametrize(("method", "kind", "times", "error", "words", "sent"), FAULTS)
async def test_each_fault_has_its_sentence(
    method: str, kind: str, times: int, error: type[AllclearError], words: str, sent: int
) -> None:
    """Before the text nothing was sent; after it, it may have been. 4xx passes, 5xx does not."""
    async with mailing() as (sim, context, _):
        action = SendEmail(context)
        params, change = await worked_out(action, **EMAIL)
        await fault(sim, "email", method, kind, times=times)
        with pytest.raises(error, match=words) as failed:
            await action.apply(params, change, "key")
        assert type(failed.value) is error
        assert failed.value.next_step
        assert sim.secrets["email"] not in str(failed.value)
        assert len(sim.world.mails) == sent
        if isinstance(failed.value, VendorRefused):
            assert failed.value.passes is (kind == "rate_limited")


@pytest.mark.parametrize(("method", "error"), [("connect", Unreachable), ("rcpt", Unreachable), ("data", AnswerLost)])
async def test_a_server_that_hangs_is_given_up(method: str, error: type[AllclearError]) -> None:
    """Before the text nothing was sent; after it, no one knows."""
    async with mailing() as (sim, context, _):
        action = SendEmail(context)
        params, change = await worked_out(action, **EMAIL)
        impatient(context)
        await fault(sim, "email", method, "slow", seconds=30)
        with pytest.raises(error, match="no answer in time"):
            await action.apply(params, change, "key")


async def test_a_wrong_password_and_a_server_that_is_away_have_their_sentences() -> None:
    """The preflight finds both before an incident does, and sends nothing."""
    async with mailing() as (sim, context, _):
        [check] = EmailPreflight(context).checks({}, [])
        assert f"accepts the login, and {SENDER} as the sender" in str(await check.run())
        await fault(sim, "email", "mail", "permission_denied")
        with pytest.raises(Denied, match=f"accept {SENDER} as the sender"):
            await check.run()
        access: dict[str, Any] = {"name": "email", "options": {"from_address": SENDER}, "simulated": True}
        wrong = Smtp.connect(Access(endpoint=sim.endpoints["email"], secret=SecretStr("canary-271828"), **access))
        with pytest.raises(Denied, match="535") as denied:
            await wrong.check()
        assert "canary-271828" not in str(denied.value)
        away = Smtp.connect(Access(endpoint="smtp://127.0.0.1:1", secret=SecretStr("x"), **access))
        with pytest.raises(Unreachable, match="no connection"):
            await away.check()
        assert sim.world.mails == []


@pytest.mark.parametrize("form", ["{secret}", "\0{user}\0{secret}"])
async def test_a_server_that_repeats_the_login_shows_no_password(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    """A login sends it in base64, which anyone can read."""
    async with mailing() as (sim, context, _):
        secret = sim.secrets["email"]
        sent = base64.b64encode(form.format(user=SENDER, secret=secret).encode()).decode()

        async def refuse(*_: object) -> None:
            raise aiosmtplib.SMTPAuthenticationError(535, f"cannot read AUTH {sent}")

        monkeypatch.setattr(aiosmtplib.SMTP, "login", refuse)
        with pytest.raises(Denied, match="cannot read AUTH") as denied:
            await context.client(Smtp).check()
        assert sent not in str(denied.value)


@pytest.mark.parametrize("endpoint", ["https://mail.acme.com", "smtp://", "mail.acme.com:25", "smtp://h:99999"])
def test_an_endpoint_that_is_no_mail_server_has_one_sentence(endpoint: str) -> None:
    """And the two forms that work."""
    access = Access(name="email", endpoint=endpoint, secret=SecretStr("x"), options={"from_address": SENDER})
    with pytest.raises(ConfigError, match="is not the address of a mail server") as wrong:
        Smtp.connect(access)
    assert "smtps://host:465" in wrong.value.next_step


async def test_a_server_without_encryption_is_never_given_the_password() -> None:
    """On this machine too: only a simulated server is trusted without TLS."""
    async with mailing() as (sim, _, __):
        options = {"from_address": SENDER}
        plain = Access(
            name="email", endpoint=sim.endpoints["email"], secret=SecretStr("canary-271828"), options=options
        )
        with pytest.raises(Unreachable, match="offers no encryption with STARTTLS"):
            await Smtp.connect(plain).check()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"people": []}, "the list of people is empty"),
        ({"people": ["ana"]}, "'ana' is not an e-mail address"),
        ({"people": ["ana@x.com\r\nBcc: eve@x.com"]}, "is not an e-mail address"),
        ({"people": ["Ana <ana@x.com>"]}, "is not an e-mail address"),
        ({"people": ["änna@x.com"]}, "is not an e-mail address"),
        ({"people": [ANA, ANA.upper()]}, "stands in the list twice"),
        ({"subject": "Trouble\nBcc: eve@x.com"}, "must be one line"),
        ({"subject": "\u202e\u200b"}, "nothing of it can be seen"),
        ({"text": "\x00\u200b\n"}, "nothing of it can be seen"),
    ],
)
def test_bad_input_is_one_sentence(change: dict[str, Any], words: str) -> None:
    """Nothing is sent to half of a list."""
    with pytest.raises(ConfigError, match=words):
        read_params(SendEmail, EMAIL | change)


def test_signs_that_no_reader_sees_are_taken_out() -> None:
    """Some of them end a header or cannot be encoded, so that nothing was sent and no one knew it."""
    odd = {"subject": "Pay\u2028ments\x0b fail\u202e", "text": "Pay\x00ments\nfail\u2066"}
    params = read_params(SendEmail, EMAIL | odd).model_dump()
    assert (params["subject"], params["text"]) == ("Pay ments fail", "Payments\nfail")


async def test_no_customer_reads_the_address_of_another() -> None:
    """Each is named to the server only, and in no header."""
    async with mailing() as (sim, context, _):
        await carried_out(WriteToCustomers(context), **EMAIL)
        mail = only(sim)
        assert mail.recipients == (ANA, BEN)
        assert not {one for one in (ANA, BEN) if one in mail.content.decode()}
        assert str(mail.message["To"]) == "undisclosed-recipients:;"


async def test_a_corrected_list_gets_the_message_to_those_who_lack_it_only() -> None:
    """An address was refused and corrected in the plan: the others do not get it twice, and not another text either."""
    async with mailing() as (sim, context, record):
        action = WriteToCustomers(context)
        await fault(sim, "email", "rcpt", "permission_denied")
        await issued(action, record, **EMAIL)
        corrected = EMAIL | {"people": [CHI, BEN]}
        again, _ = await issued(action, record, **corrected)
        assert again.status is ActStatus.VERIFIED
        assert [mail.recipients for mail in sim.world.mails] == [(BEN,), (CHI,)]
        with pytest.raises(Refused, match="with another content"):
            await worked_out(action, **(EMAIL | {"people": [CHI], "text": "Another text."}))
        shorter, _ = await issued(action, record, **(EMAIL | {"people": [ANA]}))
        assert shorter.status is ActStatus.VERIFIED
        _, change = await issued(action, record, **corrected)
        assert change.before.still_to_send([ANA, BEN, CHI]) == []


async def test_a_conversation_that_drags_on_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each answer comes in its time, but not all of them: the next way must not wait for it."""
    async with mailing() as (sim, context, _):
        action = SendEmail(context)
        params, change = await worked_out(action, **EMAIL)
        monkeypatch.setattr("allclear.vendors.smtp._IN_ALL", 0.0)
        context.client(Smtp)._seconds = 1.0  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - only tests choose the moment
        await fault(sim, "email", "rcpt", "slow", seconds=30)
        with pytest.raises(Unreachable, match="no answer in time"):
            await action.apply(params, change, "key")


def test_keys_with_other_letters_have_ids_of_their_own() -> None:
    """Two keys never share an id, however a program reads capitals, and an id is a legal one."""
    keys = ("VS-1-a", "VS-1/a", "VS-1 a", "VS-1..a", "VS-1.a", "ü", "é", "VS-1-A", "vs-1-a", "Vs-1-a", "VS-T1", "vs-t1")
    ids = [message_id(key, "x.com") for key in keys]
    assert len({one.lower() for one in ids}) == len(ids)
    assert (ids[0], ids[-2]) == ("<vs-1-a@x.com>", "<vs-t1@x.com>")
    assert message_id("VS-1-a", "X.Com") == ids[0]
    assert not [one for one in ids if one.startswith("<.") or ".." in one]


async def test_without_an_answer_nothing_is_claimed() -> None:
    """A read alone shows nothing; with the server's answer the state has words for people."""
    async with mailing() as (_, context, record):
        action = SendEmail(context)
        params, change = await worked_out(action, **(EMAIL | {"people": [CHI]}))
        now = action.state_after(change, await action.observe(params), None)
        finding = action.verify(change, now, None)
        assert (finding.verdict, finding.final) == (Verdict.INCONCLUSIVE, True)
        outcome, _ = await issued(action, record, **EMAIL)
        state = EmailState.model_validate(outcome.after)
        assert state.in_words() == f"accepted for {ANA} and {BEN}"


async def test_customers_get_the_text_that_was_approved_without_a_link_to_our_page() -> None:
    """Those who speak for the company see the whole of it; a template's last line break does not matter."""
    async with mailing() as (sim, context, _):
        raw = EMAIL | {"people": "customers@vintstreet.com", "subject": "Service Update\n"}
        done = await carried_out(WriteToCustomers(context), **raw)
        assert done.change.becomes == f"Service Update\n\n{EMAIL['text']}"
        assert "link" not in WriteToCustomers.params.model_fields
        assert WriteToCustomers.approval == SPEAKERS
        mail = only(sim)
        assert mail.recipients == ("customers@vintstreet.com",)
        assert mail.text.splitlines() == EMAIL["text"].splitlines()
