"""Every drill of every company goes as planned: a new file under `drills/` is played here, too."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import icalendar
import pytest
import vobject

from allclear.company import find_company, load_company
from allclear.domain.action import ActStatus
from allclear.domain.approval import AskKind
from allclear.domain.proof import Proof
from allclear.domain.pseudo_phases import TICKET
from allclear.domain.records import (
    Acknowledged,
    ActFinished,
    AskAnswered,
    AskOpened,
    Contained,
    IncidentEnded,
    LedgerHandedOver,
    Recovered,
)
from allclear.domain.review.incident_ticket import is_own_ticket
from allclear.drill.director import Played
from allclear.drill.script import scripts
from tests.contract.simulator_support import REPOSITORY
from tests.scenario.drill_support import play_in_one_process

COMPANIES = ("vintstreet", "retailgen")
DRILLS = [f"{company}/{name}" for company in COMPANIES for name in scripts(find_company(company))]


ORDER = ["evidence-before-containment", "rotate", "revoke", "block", "stopped"]
"""What people are asked in a security incident, one after the other."""


def writes(played: Played, *apis: str) -> list[dict[str, Any]]:
    """Return what the simulated production's log has about writes, those of some APIs if they are named."""
    found = [line for line in played.event_log if line["kind"] == "write"]
    return [line for line in found if line["api"] in apis] if apis else found


def happened(played: Played, kind: str) -> list[dict[str, Any]]:
    """Return the lines of that kind in the simulated production's log."""
    return [line for line in played.event_log if line["kind"] == kind]


def every_text_is_marked(played: Played) -> None:
    """Every text is marked as simulated."""
    told = [line for line in played.event_log if line["kind"] in {"message", "status_post"}]
    assert [line for line in told if "SIMULATED" not in str(line)] == []


def broken_feature(played: Played) -> None:
    """The flag stays off, and the ledger names its owner and the date."""
    [handed_over] = [entry.record for entry in played.entries if isinstance(entry.record, LedgerHandedOver)]
    assert handed_over.to == "Ben Okafor"
    assert [line["result"] for line in writes(played, "supabase")] == ["done"]


def healthy(played: Played) -> None:
    """No system is written to, and the incident ends as a false alarm."""
    assert writes(played) == []
    [ended] = [entry.record for entry in played.entries if isinstance(entry.record, IncidentEnded)]
    assert ended.ending == "false-alarm"


def notice(line: dict[str, Any]) -> bool:
    """Return whether the mail server's line is a notice of the plan, of the incident or of its end."""
    return "-notice-" in line["message_id"]


def each_was_mailed_once(played: Played, *addresses: str) -> None:
    """The mail server took one message of the incident to each address, and the record calls each accepted."""
    notices = [act for act in played.incident.acts.values() if act.proposed.notice]
    ids = tuple(f"<{act.proposed.params['message'].lower()}@" for act in notices)
    mails = [line for line in writes(played, "email") if line["message_id"].startswith(ids)]
    assert sorted(address for mail in mails for address in mail["to"]) == sorted(addresses)
    assert {act.proposed.notice.way for act in notices if act.proposed.notice} == {"email"}
    assert all(act.outcome and act.outcome.good for act in notices)
    assert "not-told" not in played.incident.reminders


def in_time_by_phone(played: Played, texts: list[str], keys: list[str]) -> None:
    """Twilio's log has one text that was delivered to each number, and one call in which the key was pressed.

    Another text says how the incident ended, to those who were notified of it; it may follow the drill's end.
    """
    keys_of = [act.proposed.params["message"] for act in played.incident.acts.values() if act.proposed.notice]
    ours = tuple(f"({key})" for key in keys_of)
    assert sorted(line["to"] for line in happened(played, "text") if line["body"].endswith(ours)) == texts
    assert {(line["to"], line["status"]) for line in happened(played, "text_status")} == {
        (number, "delivered") for number in texts
    }
    assert [(line["to"], line["key"], line["status"]) for line in happened(played, "key_pressed")] == [
        (number, "1", 200) for number in keys
    ]
    mailed = [line for line in writes(played, "email") if line["result"] == "done"]
    ids = tuple(f"<{key.lower()}@" for key in keys_of)
    assert [line for line in mailed if line["message_id"].startswith(ids)] == []


def pager_and_mail_down(played: Played) -> None:
    """The on-call is called and acknowledges by a key, three people get a text, and the customers are mailed later."""
    in_time_by_phone(played, ["+15005550001", "+15005550004", "+15005550005"], ["+15005550000"])
    [acknowledged] = [entry for entry in played.entries if isinstance(entry.record, Acknowledged)][:1]
    assert (acknowledged.by.actor, acknowledged.by.proof) == ("Ana Ruiz", Proof.PHONE)
    assert [line["action"] for line in happened(played, "page") if line["action"] == "trigger"] == []
    assert "Engineering team |  |  |  | NOT NOTIFIED" in played.post_mortem
    mailed = [line["message_id"] for line in writes(played, "email") if line["result"] == "done"]
    assert any(one.startswith("<vs-1-customers@") for one in mailed)


def site_and_mail_down(played: Played) -> None:
    """The CTO and the lead engineer get a text each, and no mail; everything else goes as with a mail server."""
    in_time_by_phone(played, ["+15005550002", "+15005550003"], [])
    assert writes(played, "email") == []


def site_down(played: Played) -> None:
    """Vercel received one rollback and one promotion of the fix, and the public posts have the plan's texts."""
    moved = [(line["method"], line["name"], line["result"]) for line in writes(played, "vercel")]
    assert moved == [("rollback", "retailgen-d4e7k1p", "done"), ("promote", "retailgen-k2v9fix", "done")]
    posts = [line for line in played.event_log if line["kind"] == "status_post"]
    assert [post["status"] for post in posts] == ["investigating", "identified", "resolved"]
    assert posts[0]["name"].endswith("Service Issue - RetailGen AI")
    assert "a release that could not read existing sessions" in posts[1]["body"]
    assert posts[2]["name"].endswith("Resolved - Service Issue - RetailGen AI")
    assert played.post_mortem.startswith("# Post-Incident Review: ")
    each_was_mailed_once(played, "kim-sato@drill.example", "omar-reyes@drill.example")


def data_leak(played: Played) -> None:
    """Typed addresses are blocked and unblocked, attack mode goes on and off, a feature off; Google is not called."""
    on_vercel = [(line["method"], line.get("change") or line.get("on")) for line in writes(played, "vercel")]
    assert on_vercel == [
        ("update_firewall", "ip.insert"),
        ("update_firewall", "ip.insert"),
        ("attack_mode", True),
        ("update_flag", None),
        ("attack_mode", False),
        ("update_firewall", "ip.remove"),
        ("update_firewall", "ip.remove"),
    ]
    assert not any(line["api"].startswith(("cloud_", "supabase")) for line in writes(played))


def ai_generation_down(played: Played) -> None:
    """The feature of the alert's route names the flag; the drill leaves it off, with an owner and a date."""
    assert [(line["method"], line["flag"]) for line in writes(played, "vercel")] == [("update_flag", "ai-generation")]


def bad_migration(played: Played) -> None:
    """Users are kept out by the revision, a restore point comes first, and the migration is gone when they are back."""
    made = [(line["method"], line["result"]) for line in writes(played, "supabase_management")]
    assert made == [("mark", "done"), ("restore", "done")]
    [restored] = happened(played, "database_restored")
    assert writes(played, "supabase") == []
    answers = [entry.record for entry in played.entries if isinstance(entry.record, AskAnswered)]
    assert len([answer for answer in answers if answer.ask.endswith("resolve/restore")]) == 2
    assert happened(played, "operation_finished")[-1]["seq"] > restored["seq"]


def bad_deployment_reverted(played: Played) -> None:
    """GitHub received one revert, one merge and one dispatch; what was deployed then contains, and no traffic moved."""
    written = [line for line in writes(played, "github") if not line["method"].endswith("_issue")]
    made = [(line["method"], line["result"]) for line in written]
    assert made == [("revert_pull", "done"), ("merge_pull", "done"), ("dispatch", "done")]
    assert writes(played, "cloud_run") == []
    [contained] = [entry.record for entry in played.entries if isinstance(entry.record, Contained)]
    assert contained.act == "contain/redeploy"
    ends = [entry.record for entry in played.entries if isinstance(entry.record, ActFinished)]
    [undone] = [end.outcome for end in ends if end.act == "resolve/undo-contain-open-revert"]
    assert (undone.good, undone.changed) == (True, False)


def every_channel_was_tested(played: Played) -> None:
    """Each way to each of the six people was tested, and the vendors' logs have each marked test."""
    people = {one.person for one in played.channel_tests if one.person}
    wanted = {("pagerduty", "")} | {(way, name) for way in ("sms", "phone", "email", "slack") for name in people}
    assert len(people) == 6
    assert {(one.way, one.person) for one in played.channel_tests} == wanted
    marked = [line for line in played.event_log if "[TEST] [SIMULATED]" in str(line)]
    by = [str(line["api"]) for line in marked if line["kind"] == "write" and line["result"] == "done"]
    counts = {name: by.count(name) for name in set(by)}
    assert counts == {"pagerduty": 1, "twilio": 12, "email": 6, "slack": 6}


def payment_processing_down(played: Played) -> None:
    """The customers' mail went to the plan's list, and both parsers read the invitation to the post-mortem."""
    leaders = [f"{name}@drill.example" for name in ("kim-sato", "ben-okafor", "eve-lang")]
    each_was_mailed_once(played, *leaders, "engineering@vintstreet.com")
    every_channel_was_tested(played)
    mails = [line for line in writes(played, "email") if line["result"] == "done" and not notice(line)]
    [customers, review] = [
        one for one in mails if one["message_id"].startswith(("<vs-1-customers@", "<vs-1-review-0@"))
    ]
    assert customers["to"] == ["customers@vintstreet.com"]
    assert customers["subject"] == "[SIMULATED] Service Update - VintStreet"
    assert "No customer data was compromised during this incident." in customers["text"]
    one: Any = icalendar.Calendar.from_ical
    libraries: Any = vobject
    other = libraries.readOne
    [event], theirs = one(review["invitation"]).walk("VEVENT"), other(review["invitation"]).vevent
    start = event.decoded("DTSTART")
    [recovered] = [entry.at for entry in played.entries if isinstance(entry.record, Recovered)]
    assert timedelta(hours=24) <= start - recovered <= timedelta(hours=47)
    assert (start, str(event["UID"])) == (theirs.dtstart.value, theirs.uid.value)
    assert start.utcoffset() == timedelta(0)
    invited = {line.value.removeprefix("mailto:") for line in theirs.attendee_list}
    assert invited == set(review["to"])
    assert "engineering@vintstreet.com" in invited


def database_down(played: Played) -> None:
    """The maintenance page comes without the database, and nothing is restored, because no data is damaged."""
    assert len(happened(played, "database_restarted")) == 1
    assert writes(played, "supabase_management", "supabase") == []


def credentials_compromised(played: Played) -> None:
    """The storefront is healthy all along; evidence comes first, and no message or page says what it is about."""
    asked = [entry.record.ask for entry in played.entries if isinstance(entry.record, AskOpened)]
    assert [ask for ask in asked if ask.kind is AskKind.FALSE_ALARM] == []
    steps = [ask.step for ask in asked if ask.phase == "contain" and ask.kind is AskKind.STEP]
    assert [step for step in steps if step in ORDER] == ORDER
    blocked, unblocked = writes(played, "cloud_armor")
    assert blocked["ranges"] == ["203.0.113.7/32", "198.51.100.24/32"]
    assert (blocked["method"], unblocked["method"]) == ("add_rule", "remove_rule")
    told = [str(line) for kind in ("message", "page", "status_post") for line in happened(played, kind)]
    assert any("a private incident" in text for text in told)
    for word in ("Supabase", "redentials", "key of"):
        assert [text for text in told if word in text] == []
    assert happened(played, "status_post") == []


def vendor_down(played: Played) -> None:
    """One variable of Convex is set, and stays so with an owner; no deployment is moved, and no value is recorded."""
    [written] = writes(played, "convex", "vercel")
    assert (written["method"], written["variables"]) == ("update_variables", ["AI_GENERATION"])
    left = [entry.record for entry in played.entries if isinstance(entry.record, LedgerHandedOver)]
    assert [one.act for one in left] == ["contain/disable-switch"]


def export_failing(played: Played) -> None:
    """The rollback comes before any switch, and the fix is promoted."""
    assert [line["method"] for line in writes(played, "vercel", "convex")] == ["rollback", "promote"]


MORE = {
    "vintstreet/bad-deployment-reverted": bad_deployment_reverted,
    "vintstreet/bad-migration": bad_migration,
    "vintstreet/database-down": database_down,
    "vintstreet/credentials-compromised": credentials_compromised,
    "vintstreet/broken-feature": broken_feature,
    "vintstreet/healthy": healthy,
    "vintstreet/payment-processing-down": payment_processing_down,
    "vintstreet/pager-and-mail-down": pager_and_mail_down,
    "retailgen/site-down": site_down,
    "retailgen/site-and-mail-down": site_and_mail_down,
    "retailgen/data-leak": data_leak,
    "retailgen/ai-generation-down": ai_generation_down,
    "retailgen/vendor-down": vendor_down,
    "retailgen/export-failing": export_failing,
}
"""What else is asserted of a drill."""

WITHOUT_TICKET = frozenset({"vintstreet/healthy", "vintstreet/credentials-compromised"})
"""A false alarm, and a private incident."""


@pytest.mark.parametrize("drill", DRILLS)
async def test_the_drill_goes_as_planned(drill: str, tmp_path: Path) -> None:
    """The incident ends as expected, the expected acts are verified, and nothing is left in place."""
    company, _, name = drill.partition("/")
    played = await play_in_one_process(find_company(company), name, tmp_path)
    assert played.misses == []
    every_text_is_marked(played)
    tickets = [act for act in played.incident.acts.values() if act.proposed.phase == TICKET and is_own_ticket(act)]
    own = [(act.proposed.step, act.status) for act in tickets]
    ticketed = company == "vintstreet" and drill not in WITHOUT_TICKET
    assert own == ([("open", ActStatus.VERIFIED), ("close", ActStatus.VERIFIED)] if ticketed else [])
    if drill in MORE:
        MORE[drill](played)


DENIED = "- ask: contain/roll-back\n    yes: false"
AGAIN = """\
answers:
  - {ask: contain/open-revert, yes: false, reason: No.}
  - {ask: contain/redeploy, yes: false, reason: No.}
  - {ask: contain/maintenance, yes: false, reason: No.}
  - {ask: contain/contained-manually, after: 2s, reason: Once more.}
"""


async def test_a_drill_whose_people_always_say_again_ends_at_its_own_limit(tmp_path: Path) -> None:
    """It fails, is ended long before the people would stop, and says how far it came."""
    folder = tmp_path / "vintstreet"
    shutil.copytree(REPOSITORY / "runbooks" / "vintstreet", folder)
    script = folder / "drills" / "payment-processing-down.yaml"
    text = script.read_text(encoding="utf-8")
    text = text.replace("answers:\n", AGAIN, 1).replace("- ask: contain/roll-back\n", f"{DENIED}\n", 1)
    script.write_text(text, encoding="utf-8")
    company = load_company(folder)
    limit, slow = timedelta(seconds=20), "contain/contained-manually"
    played = await play_in_one_process(company, "payment-processing-down", tmp_path / "home", limit, slow)
    [stopped] = [miss for miss in played.misses if miss.startswith("It was stopped at its limit of 20s")]
    assert "VS-1 is not contained, in the phase contain" in stopped
    assert "Waiting for people: " in stopped
    opened = [entry.record.ask.step for entry in played.entries if isinstance(entry.record, AskOpened)]
    assert opened.count("contained-manually") > 1
    assert played.post_mortem.startswith("# ")
    assert not any(isinstance(entry.record, IncidentEnded) for entry in played.entries)
