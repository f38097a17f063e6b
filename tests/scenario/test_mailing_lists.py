"""A mailing list of the plan gets the notice by e-mail, is shown as a list, and is never a person who acts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from allclear.company import Company
from allclear.domain.errors import NotAllowed
from allclear.domain.notify.notified import notified as rows_of
from allclear.domain.plan import MailingList, MessageAction
from allclear.domain.runbook import Phase
from tests.scenario.notice_support import fault, later, line, notified, sent
from tests.scenario.response_support import ALERT, broken
from tests.scenario.scenes import scene
from tests.scenario.test_notices import ANA

TEAM = "engineering@vintstreet.com"
EMAIL = MessageAction.model_validate(
    {
        "action": "email.send",
        "with": {
            "message": "{incident}-notice-{number}",
            "subject": "{incident}: {audience}",
            "text": "{name}: {notice}",
        },
    }
)


def company() -> Company:
    """Return a company that notifies its CTO in Slack, and a mailing list."""
    known = notified(line("cto"), line("engineering"))
    ways = known.plan.ways | {"email": EMAIL}
    lists = {"engineering": MailingList(title="Engineering team", address=TEAM)}
    return replace(known, plan=known.plan.model_copy(update={"ways": ways, "mailing_lists": lists}))


async def test_a_mailing_list_is_notified_once_and_at_the_end(tmp_path: Path) -> None:
    """One e-mail each; the row shows a list, and the list has acknowledged nothing."""
    async with scene(tmp_path, company(), broken(), ALERT) as it:
        await it.to(Phase.DETECT)
        await later(it)
        assert sorted(sent(it.incident)) == [("Cara", "slack"), (TEAM, "email")]
        (mail,) = it.simulated.world.mails
        assert mail.message["To"] == TEAM
        assert mail.message["Subject"] == "[SIMULATED] VS-1: Engineering team"
        assert "Engineering team: VS-1 (P0): Payment processing down" in mail.text
        (row,) = [
            one
            for one in rows_of(it.engine.company.plan, it.incident, it.watch.now)
            if one.audience == "Engineering team"
        ]
        assert (row.person, row.way, row.result) == (f"{TEAM} (mailing list)", "email", "accepted")
        assert it.incident.acknowledged_by is None
        it.engine.people.false_alarm(it.incident_id, "The probe was wrong.", ANA)
        await later(it)
        _, end = it.simulated.world.mails
        assert end.message["To"] == TEAM
        assert "FALSE ALARM" in end.text


async def test_a_refused_list_is_said_and_no_one_is_notified_instead(tmp_path: Path) -> None:
    """Its people are not known, so no one takes its place; a person is asked to tell them."""
    async with scene(tmp_path, company(), broken(), ALERT) as it:
        fault(it, "email", "rcpt")
        await it.to(Phase.DETECT)
        await later(it)
        assert sorted(sent(it.incident)) == [("Cara", "slack"), (TEAM, "email")]
        (said,) = [one.reminder for states in it.incident.reminders.values() for one in states]
        assert said.sentence.startswith("Engineering team could not be notified: engineering@vintstreet.com: email: ")
        assert "allclear told VS-1 engineering" in said.sentence
        assert not said.urgent  # no one is woken for a list


@pytest.mark.parametrize(
    "name", [TEAM, "Engineering team", "ENGINEERING@vintstreet.com", "engineering", "\uff25ngineering\u200b  team"]
)
async def test_a_mailing_list_is_no_person_who_acts(tmp_path: Path, name: str) -> None:
    """Also where the plan names no people for a role, so that any person may claim it."""
    async with scene(tmp_path, company(), broken(), ALERT) as it:
        with pytest.raises(NotAllowed, match="is a mailing list, and no person"):
            it.engine.people.who(name, "devops", "cli")
