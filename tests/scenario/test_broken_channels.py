"""The worst incident of each plan with each channel broken: who is reached by what, by the vendors' own logs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from allclear.domain.notify.notified import notified
from allclear.domain.proof import Proof
from allclear.reports.base import Reader
from allclear.reports.incident import Show
from allclear.responder.pages.sign_in import Viewer
from allclear.responder.pages.view import Source, incident_page
from tests.scenario.rehearsal_support import BREAKS, Rehearsal, detected, rehearsal

LEADERS = {"vintstreet": ["cto", "tech_lead", "ceo"], "retailgen": ["cto", "lead_engineer"]}
"""The people of the plan's `notifications`; VintStreet's name the on-call and the engineering address, too."""


@dataclass(frozen=True)
class Case:
    """A company, what is broken and how, and by which channel each audience must be reached then."""

    company: str
    broken: tuple[str, ...] = ()
    leaders: str = "email"
    on_call: str = "pagerduty"
    kind: str = "permission_denied"
    phones: dict[str, str] = field(default_factory=dict[str, str])
    """What becomes of each text and call that Twilio accepts."""
    repeat: str = ""
    """Who reads that the message may be a repeat: `leaders` or `on_call`. Else no message may say so."""

    def __str__(self) -> str:
        """Return the name of the test."""
        how = " ".join([self.kind, *(f"{name}={value}" for name, value in self.phones.items())])
        return f"{self.company}-{'+'.join(self.broken) or 'healthy'}-{how}"

    @property
    def wanted(self) -> dict[str, list[str]]:
        """Return audience -> the channels by which a message must arrive, in order."""
        found = dict.fromkeys(LEADERS[self.company], self.leaders.split("+"))
        if self.company == "vintstreet":
            found["on_call"] = [self.on_call]
            found |= {"engineering": ["email"]} if "email" not in self.broken or self.kind == "answer_lost" else {}
        return found

    @property
    def unreached(self) -> list[str]:
        """Return whom no other channel reaches: an address that several people read."""
        lost = "email" in self.broken and self.kind not in {"slow", "answer_lost"}
        return ["Engineering team"] if lost and self.company == "vintstreet" else []


LOST = {"text": "undelivered"}
CASES = [
    Case("vintstreet"),
    *(Case("vintstreet", (channel,)) for channel in ("slack", "sms", "phone", "status page")),
    Case("vintstreet", ("pagerduty",), on_call="phone"),
    Case("vintstreet", ("pagerduty", "phone"), on_call="sms"),
    Case("vintstreet", ("email",), leaders="sms"),
    Case("vintstreet", ("email", "sms"), leaders="phone"),
    Case("vintstreet", ("email", "sms", "phone"), leaders="slack"),
    # The vendor breaks down after it was asked: the mail server says that it took nothing, the pager does not.
    Case("vintstreet", ("pagerduty", "email"), leaders="sms", on_call="phone", kind="server_error", repeat="on_call"),
    # It does not answer.
    Case("vintstreet", ("email",), leaders="sms", kind="slow", repeat="leaders"),
    # It takes the message, and its answer is lost: a text is found again, a mail is not.
    Case("vintstreet", ("email", "sms"), leaders="email+sms", kind="answer_lost", repeat="leaders"),
    # It accepts the message, which never arrives; a mailbox may have taken it.
    Case("vintstreet", ("email",), leaders="phone", phones=LOST),
    Case("vintstreet", ("pagerduty",), on_call="sms", phones={"call": "no-answer"}),
    Case("vintstreet", ("pagerduty",), on_call="sms", phones={"call": "mailbox"}, repeat="on_call"),
    *(Case("retailgen", broken) for broken in ((), ("slack",), ("pagerduty",), ("sms",), ("status page",))),
    Case("retailgen", ("email",), leaders="sms"),
    Case("retailgen", ("email", "sms"), leaders="slack"),
    Case("retailgen", ("email",), leaders="slack", phones=LOST),
    Case("retailgen", ("email",), leaders="sms", kind="slow", repeat="leaders"),
]


ANA = Viewer("Ana Ruiz", Proof.LINK)


def in_time(it: Rehearsal) -> timedelta:
    """Return the time in which the plan wants a response: its first target."""
    severity = it.engine.company.plan.severity(it.incident.severity)
    assert severity is not None
    return severity.targets[0].within.length


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_each_audience_is_reached_once_by_the_first_channel_that_works(tmp_path: Path, case: Case) -> None:
    """In the plan's time; a second message says that it may be one, and is sent only if the first may have arrived."""
    answers = "phone" in (case.leaders, case.on_call)
    async with rehearsal(tmp_path, case.company, phones=case.phones, answers=answers) as it:
        for channel in case.broken:
            it.break_down(channel, case.kind)
        await detected(it)
        begun = it.watch.now
        await (hang(it, case) if case.kind == "slow" else it.rounds(6))
        for role, channels in case.wanted.items():
            arrived = it.reached(role)
            assert [one.channel for one in arrived] == channels, role
            assert all(one.at - begun <= in_time(it) for one in arrived)
            repeats = case.repeat == ("leaders" if role in LEADERS[case.company] else role)
            assert [one.repeat for one in arrived] == [*([False] * (len(arrived) - 1)), repeats], role
        rows = notified(it.engine.company.plan, it.incident, it.watch.now)
        lost = [row.audience for row in rows if "NOT NOTIFIED" in row.result]
        assert lost == case.unreached or case.kind == "answer_lost"


async def hang(it: Rehearsal, case: Case) -> None:
    """Let time pass until everyone was reached, while the broken channel holds each of its answers back."""
    for _ in range(int(in_time(it).total_seconds()) // 10):
        it.watch.now += timedelta(seconds=10)
        await it.engine.reminders.start_due()
        await asyncio.sleep(0.05)  # what is not held has an answer by then; if not, the next round finds it
        if all(it.reached(role) for role in case.wanted):
            return


@pytest.mark.parametrize("company", LEADERS)
async def test_with_every_channel_broken_everyone_reads_what_could_not_be_delivered(
    tmp_path: Path, company: str
) -> None:
    """The record, the page and `allclear show` name each audience, and whom to call at which number.

    The record and the terminal say what to run then; the page leads to the form instead.
    """
    async with rehearsal(tmp_path, company) as it:
        for channel in BREAKS:
            it.break_down(channel, "permission_denied")
        await detected(it)
        sentence = await no_way_left(it)
        assert it.arrived() == []
        engine, plan = it.engine, it.engine.company.plan
        shown = Show(incident=it.incident_id, width=1000).show(engine, Reader()).text
        source = Source(it.incident, engine.journal.entries(it.incident_id), plan, "App", ANA, it.watch.now)
        on_page = incident_page(source).notified
        for role in [*LEADERS[company], *(["on_call"] if company == "vintstreet" else [])]:
            (person,) = plan.holders(role)
            title, number = plan.role_title(role), person.contacts["phone"].address
            command = f"allclear told {it.incident_id} {role} "
            assert title in sentence
            assert command in sentence
            (line,) = [line for line in shown.splitlines() if f"{title}: NOT NOTIFIED" in line]
            assert all(part in line for part in (person.name, number, command))
            (row,) = [row for row in on_page if (row.audience, row.at) == (title, "")]
            assert (row.tone, row.tell) == ("bad", role)
            assert all(part in row.result for part in ("NOT NOTIFIED", person.name, number))
            assert "allclear " not in row.result
        assert "NO WAY IS LEFT to tell people" in shown
        assert "Call the person on call now." in shown


async def no_way_left(it: Rehearsal) -> str:
    """Let time pass until the record says that no way is left to tell people who was not notified."""
    for _ in range(100):
        await it.rounds(1)
        states = [state for some in it.incident.reminders.values() for state in some]
        found = [state.reminder.sentence for state in states if state.reminder.topic.startswith("no-way-left")]
        if told := [sentence for sentence in found if "NOT NOTIFIED" in sentence and "CTO (" in sentence]:
            return told[-1]
    return pytest.fail("the record never says it")
