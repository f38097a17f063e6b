"""Lists on the command line: commands are whole, times have their zone, and columns have headings."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from allclear.bootstrap import Engine
from allclear.cli import alerts, incidents, overview  # each adds its commands
from allclear.cli.root import app
from allclear.domain.action import ActStatus, Outcome
from allclear.domain.approval import ONE_PERSON
from allclear.domain.errors import NotAllowed, NotFound
from allclear.domain.records import ActFinished, ActProposed, AskOpened, By, IncidentEnded, RoleOffered
from allclear.engine.actions.approval_requests import check_again_ask
from tests.scenario.response_support import ALERT, MACHINE, OPENED, engine_on, new_journal, received
from tests.scenario.test_damaged_records import damage

COMMANDS = (alerts, incidents, overview)


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An engine on the journal that the command line uses, in a window of 80 columns."""
    for name in [name for name in os.environ if name.startswith("ALLCLEAR_")]:
        monkeypatch.delenv(name)
    url = new_journal(tmp_path)
    monkeypatch.setenv("ALLCLEAR_JOURNAL_URL", url)
    monkeypatch.setenv("COLUMNS", "80")
    engine = engine_on(url, None)
    yield engine
    asyncio.run(engine.close())


def printed(*words: str) -> str:
    """Run a command, which must succeed, and return its output."""
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == 0, done.output
    return done.output


def opened(engine: Engine) -> str:
    """Open an incident with an open question that a long command answers."""
    incident = engine.intake.take(ALERT, "d1").incident
    assert incident is not None
    state = engine.conductor.incident(incident)
    ask = check_again_ask(state, "investigate", "a-step-with-a-rather-long-name-indeed", "t", "f", ONE_PERSON)
    ask = ask.model_copy(update={"policy": ask.policy.model_copy(update={"reason_needed": True})})
    engine.journal.append(incident, [AskOpened(ask=ask)], MACHINE)
    return incident


def test_a_command_can_be_copied_from_a_narrow_window(engine: Engine) -> None:
    """`allclear show` at 80 columns prints each command whole and on one line."""
    incident = opened(engine)
    lines = [line.strip() for line in printed("show", incident).splitlines()]
    (command,) = [line for line in lines if line.startswith("allclear try-again")]
    assert len(command) > 80
    assert command.endswith('--reason "..."')


def test_the_list_of_incidents_has_a_heading_with_the_time_zone(engine: Engine) -> None:
    """Times are UTC. An open question is below its incident, with its whole id."""
    incident = opened(engine)
    heading, line, ask = printed("incidents").splitlines()
    assert "Opened (UTC)" in heading
    assert line.index(f"{engine.conductor.incident(incident).opened_at:%Y-%m-%d %H:%M}") == heading.index("Opened")
    assert ask.strip() == f"{incident}/investigate/a-step-with-a-rather-long-name-indeed"


def test_one_damaged_record_hides_no_other_incident(engine: Engine) -> None:
    """The others are in the list, in its JSON, and in the list of what is in place."""
    damaged = engine.intake.take(ALERT, "d1").incident
    assert damaged is not None
    other, _ = engine.journal.open_incident(
        "VS", engine.conductor.incident(damaged).opened.model_copy(update={"title": "other"}), MACHINE
    )
    damage(engine.settings.journal_url, damaged)
    assert other in printed("incidents")
    assert [row["id"] for row in json.loads(CliRunner().invoke(app, ["incidents", "--json"]).stdout)] == [other]
    assert "Nothing is left in place" in printed("in-place")


def test_an_ended_incident_stands_below_the_open_ones_under_a_heading_of_its_own(engine: Engine) -> None:
    """What is open is said first, so that "No incident is open" is not below an incident."""
    incident, _ = engine.journal.open_incident("VS", OPENED, MACHINE)
    ask = check_again_ask(engine.conductor.incident(incident), "review", "meeting", "Hold it", "f", ONE_PERSON)
    ended = IncidentEnded(ending="resolved", reason="All is well.")
    engine.journal.append(incident, [RoleOffered(role="on_call", to="Ben"), ended, AskOpened(ask=ask)], MACHINE)
    none_open, blank, heading, over, since, *asked = printed().splitlines()
    assert (none_open, blank) == ("No incident is open. Declare one: allclear respond --help", "")
    assert heading == "Ended, but questions are still open:"
    assert over.startswith(f"{incident}  P0  RESOLVED")
    assert since.startswith("  ended ")
    assert since.endswith(f" ago. allclear show {incident}")
    assert "take-role" not in "".join(asked)  # after the end it would be refused

    other, _ = engine.journal.open_incident("VS", OPENED, MACHINE)
    lines = printed().splitlines()
    assert lines[0].startswith(f"{other}  P0  INVESTIGATING")
    assert "no one leads; open for " in lines[1]
    assert lines.index(heading) < lines.index(over)
    assert not any("No incident is open" in line for line in lines)


def test_the_list_of_alerts_has_a_heading(engine: Engine) -> None:
    """Each alert has its time in UTC, its source, its state, and the id that `retry` takes."""
    kept = received(engine.journal, "json", {}, b"{", "1")[0]
    engine.journal.set_delivery_state(kept, "quarantined", "It cannot be read.")
    heading, line, reason = printed("alert", "list").splitlines()
    assert heading.split()[:4] == ["Received", "(UTC)", "Source", "State"]
    assert line.split()[2:] == ["json", "quarantined", kept]
    assert line.index(kept) == heading.index("ID")
    assert reason.strip() == "It cannot be read."


def test_what_is_in_place_are_changes_and_each_command_works_as_printed(engine: Engine) -> None:
    """A page is only counted: the incident's end closes it. The commands carry the role that an unknown name needs."""
    incident = engine.intake.take(ALERT, "d1").incident
    assert incident is not None
    for act, pages in (("contain/roll-back", False), ("detect/page", True)):
        proposed = ActProposed(
            act=act,
            phase="contain",
            step=act.partition("/")[2],
            action="pagerduty.page" if pages else "cloud_run.rollback_traffic",
            title=act,
            params={},
            change=None,
            leaves="page open" if pages else "traffic pinned",
            resource="run:web",
            pages=pages,
        )
        outcome = Outcome(status=ActStatus.VERIFIED, changed=True, sentence="Done.")
        engine.journal.append(incident, [proposed, ActFinished(act=act, outcome=outcome)], MACHINE)
    out = printed("in-place")
    assert f"allclear undo {incident} contain/roll-back --as NAME --role on_call" in out
    assert "detect/page" not in out
    assert f"pages are open in {incident}. The end of the incident closes them." in out
    shown = printed("show", incident).split("Still in place")[1].split("Due")[0]
    assert "page open" not in shown
    assert "1 page is open; the end of the incident closes it" in shown
    assert [row["page"] for row in json.loads(printed("in-place", "--json"))] == [False, True]
    with pytest.raises(NotAllowed, match="a change is in place: contain/roll-back") as refused:
        engine.people.resolve(incident, "over", By(actor="Ana", role="on_call", via="cli"))
    assert f"allclear undo {incident} contain/roll-back --as NAME --role on_call" in refused.value.next_step
    assert f"allclear supersede {incident} contain/roll-back --reason WHY --as NAME --role" in refused.value.next_step


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("incidents",),
        ("show", "VS-1"),
        ("verify", "VS-1"),
        ("in-place",),
        ("postmortem", "VS-1"),
        ("alert", "list"),
        ("alert", "retry", "d1"),
    ],
)
def test_a_command_that_reads_makes_no_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """The path was mistyped: "no incidents" would be a wrong answer."""
    missing = tmp_path / "nope" / "x.db"
    monkeypatch.setenv("ALLCLEAR_JOURNAL_URL", f"sqlite:///{missing}")
    done = CliRunner().invoke(app, list(words))
    assert isinstance(done.exception, NotFound)
    assert done.exception.message == f"There is no journal at {missing}."
    assert "ALLCLEAR_JOURNAL_URL" in done.exception.next_step
    assert not missing.parent.exists()
