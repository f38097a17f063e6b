"""Every placeholder of a message has a value."""

from __future__ import annotations

from typing import Any

import pytest

from allclear.domain.approval import ONE_PERSON, Ask, AskKind
from allclear.domain.errors import ConfigError, Refused
from allclear.domain.placeholders import PLACEHOLDERS
from allclear.domain.records import AskAnswered, AskOpened, AudienceTold, Entry, IncidentEnded, NoteAdded
from allclear.domain.template_values import UPDATES, TemplateValues, impact_words, status, values
from tests.unit.domain.reminders.deadlines_support import opened, plan_with
from tests.unit.domain.stories import ANA, BEN, Story, plan


def _values(story: Story, **more: Any) -> TemplateValues:  # noqa: ANN401 - templates and the like
    return values(
        story.incident,
        lambda: story.entries,
        plan(),
        service_title="VintStreet shop",
        impact="Payment processing down",
        now=story.now,
        **more,
    )


def test_every_placeholder_has_a_value_and_nothing_else_does() -> None:
    """The values have exactly the names of the list of placeholders, and one for each template."""
    templates = {"internal": "{title}", "status-page": "{status}"}
    filled = _values(Story().opened(), templates=templates)
    assert set(filled) == set(PLACEHOLDERS) | {"t_internal", "t_status_page"}


def test_an_internal_message_is_written_as_in_the_plan() -> None:
    """A template with the words of the plan's own example is filled."""
    template = "[{severity}] {company} Incident\nStatus: {status}\nImpact: {impact}\nStarted: {began}\n{updates}"
    filled = _values(Story().opened(), templates={"internal": template})["t_internal"]
    assert filled == (
        "[P1] VintStreet Incident\nStatus: INVESTIGATING\nImpact: Payment processing down\n"
        "Started: 2026-11-22 14:28 UTC\n14:30 - Opened as P1: Payment processing down (alert from alertmanager)."
    )


def test_an_unknown_value_is_called_unknown() -> None:
    """A value that is not known yet is not invented. The plan's holder of the role leads until a person takes it."""
    filled = _values(Story().opened())
    assert filled["lead"] == "Ben"
    unnamed = plan().model_copy(update={"people": []})
    filled = values(
        Story().opened().incident, list[Entry], unnamed, service_title="Shop", impact="", now=Story().now, templates={}
    )
    assert (filled["lead"], filled["resolved"], filled["waiting"], filled["in_place"]) == (
        "not yet named",
        "not yet",
        "nothing",
        "nothing",
    )


def test_a_line_of_a_template_without_its_fact_is_left_out() -> None:
    """No one reads "Started: unknown"; the line returns with the fact, and the blank lines around it are one."""
    template = "{title}\n\nStarted: {began}\nResolved: {resolved}\n\n{data_statement}\n\nThank you."
    assert _values(opened(), templates={"mail": template})["t_mail"] == "Trouble\n\nThank you."
    known = _values(Story().whole(), templates={"mail": template})["t_mail"]
    assert "Started: 2026-11-22 14:28 UTC\nResolved: 2026-11-22" in known
    assert "unknown" not in known


def test_a_text_whose_first_line_lacks_its_fact_is_refused() -> None:
    """It would say nothing, or claim that the cause is known."""
    with pytest.raises(Refused, match="`public` cannot be written yet: its first line needs the brief cause"):
        _values(Story().opened(), templates={"public": "The cause is {brief_cause}.\nWe work on it."})["t_public"]
    with pytest.raises(Refused, match="needs the brief cause"):
        _values(Story().opened(), templates={"public": "{if_brief_cause}We know the cause."})["t_public"]


def test_a_claim_needs_the_proof_that_it_is_about() -> None:
    """`{if_resolved}` holds a line back until recovery is proven."""
    template = {"public": "It is over.\n{if_resolved}All systems work."}
    assert _values(Story().opened(), templates=template)["t_public"] == "It is over."
    assert _values(Story().whole(), templates=template)["t_public"] == "It is over.\nAll systems work."


def test_the_public_never_reads_a_strangers_words() -> None:
    """An alert's title becomes the impact in the plan's words, and what only the team may read is left out."""
    template = {"public": "{title}: {impact}.\n{updates}\nThank you."}
    filled = _values(Story().opened("<b>stranger</b>"), templates=template)
    assert "stranger" in filled["t_public"]
    public = filled.public()
    assert public["t_public"] == "Payment processing down: Payment processing down.\nThank you."
    assert public["problem"] == "Payment processing down"
    assert "stranger" in filled["problem"]


def test_an_impact_is_never_an_alerts_title() -> None:
    """Without an impact in the route stands what is affected; a person's own title counts as an impact."""
    assert impact_words(Story().opened("<b>stranger</b>").incident, "VintStreet shop") == "VintStreet shop"
    assert impact_words(opened(by=ANA).incident, "VintStreet shop") == "Trouble"
    assert impact_words(opened(impact="Payments fail").incident, "VintStreet shop") == "Payments fail"


def test_only_what_a_person_noted_is_said_about_data() -> None:
    """The note of the step `data-statement`; an answer of no says nothing."""
    ask = Ask(
        id="VS-12/resolve/data-statement",
        kind=AskKind.STEP,
        phase="resolve",
        step="data-statement",
        title="Data?",
        text="?",
        yes="Known.",
        no="Not known.",
        policy=ONE_PERSON,
    )
    sentence = "No customer data was compromised."
    template = {"mail": "Dear users\n{data_statement}"}
    story = Story().opened().record(AskOpened(ask=ask))
    assert _values(story, templates=template)["t_mail"] == "Dear users"
    story.record(AskAnswered(ask=ask.id, yes=True, reason=sentence), by=ANA)
    assert _values(story, templates=template)["t_mail"] == f"Dear users\n{sentence}"


def test_only_those_who_were_not_told_are_still_to_be_notified() -> None:
    """A person who records that an audience is informed takes it off the list."""
    lines = plan_with(notifications=[{"audience": "cto"}, {"audience": "customers"}])
    story = opened()

    def to_notify() -> str:
        filled = values(story.incident, lambda: story.entries, lines, service_title="s", impact="i", now=story.now)
        return filled["to_notify"]

    assert to_notify() == "CTO; customers"
    story.record(AudienceTold(audience="cto"), by=ANA)
    assert to_notify() == "customers"
    story.record(AudienceTold(audience="customers"), by=ANA)
    assert to_notify() == "no one any more"


def test_an_open_question_names_the_command_that_answers_it() -> None:
    """After the approval, `in_place` lists what the act left."""
    story = Story().opened().verified().paged().roll_back_proposed()
    assert _values(story)["waiting"] == (
        "Send 100 % of vintstreet's traffic to vintstreet-00041-wex: allclear approve VS-12/contain/roll-back --as NAME"
    )
    assert _values(story.contained())["in_place"].startswith("traffic pinned to one revision (run:vintstreet)")


def test_the_status_depends_on_what_is_proven() -> None:
    """Investigating, identified (the cause is known), contained, resolved once recovered, or a false alarm."""
    story = Story().opened()
    assert status(story.incident) == "INVESTIGATING"
    ask = Ask(
        id="VS-12/investigate/root-cause",
        kind=AskKind.STEP,
        phase="investigate",
        step="root-cause",
        title="Why?",
        text="?",
        yes="Known.",
        no="Not known.",
        policy=ONE_PERSON,
    )
    known = (
        Story().opened().record(AskOpened(ask=ask), AskAnswered(ask=ask.id, yes=True, reason="an empty key"), by=ANA)
    )
    assert status(known.incident) == "IDENTIFIED"
    assert status(story.verified().paged().roll_back_proposed().contained().incident) == "CONTAINED"
    assert status(story.resolved().incident) == "RESOLVED"
    alarm = Story().opened().record(IncidentEnded(ending="false-alarm", reason="healthy"), by=BEN)
    assert status(alarm.incident) == "FALSE ALARM"


def test_the_duration_ends_with_recovery() -> None:
    """It grows while the trouble lasts, and does not change afterwards."""
    assert _values(Story().opened().after(5))["duration"] == "7m"
    assert _values(Story().whole().after(600))["duration"] == "32m 12s"


def test_a_long_list_of_updates_is_shortened() -> None:
    """A long incident shows its beginning, its latest lines, and where the rest is."""
    story = Story().opened().record(*(NoteAdded(text=f"note {number}") for number in range(100)), by=ANA)
    lines = _values(story)["updates"].splitlines()
    assert len(lines) == UPDATES
    assert lines[0].startswith("14:30 - Opened as P1")
    assert lines[1] == "(82 more lines: allclear show VS-12)"
    assert lines[-1] == "14:30 - Note by Ana (Tech Lead): note 99."


def test_a_placeholder_in_a_title_is_not_filled() -> None:
    """An alert with the title {status} is shown as it is."""
    filled = _values(Story().opened("{status} \x1b[31m{t_x}"), templates={"internal": "{title}"})
    assert filled["t_internal"] == "{status} {t_x}"


def test_a_template_with_another_template_in_it_is_refused() -> None:
    """Templates do not nest; the error names both."""
    with pytest.raises(ConfigError, match=r"`outer` refers to another template, \{t_inner\}"):
        _values(Story().opened(), templates={"inner": "x", "outer": "{t_inner}"})["t_outer"]


def test_only_the_template_that_is_read_is_rendered() -> None:
    """A broken template stops only the message that uses it."""
    filled = _values(Story().opened(), templates={"internal": "{title}", "public": "Issue - {colour}"})
    assert filled["t_internal"] == "Payment processing down"


def test_an_unknown_placeholder_is_refused() -> None:
    """A placeholder without a value is an error, so that no message to customers has a blank."""
    with pytest.raises(ConfigError, match=r"\{colour\} has no source"):
        _values(Story().opened(), templates={"public": "Issue - {colour}"})["t_public"]
