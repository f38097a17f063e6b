"""The post-mortem, compared with golden files.

The golden files are written again by `ALLCLEAR_GOLDEN=write pytest tests/golden/test_postmortem.py`; read the
difference before you commit it.
"""

from __future__ import annotations

import os
import re
import sys
from functools import cache
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Literal

import pytest
from hypothesis import given
from markdown_it import MarkdownIt

from allclear.company import load_company
from allclear.domain.action import ActStatus, Outcome
from allclear.domain.errors import ConfigError
from allclear.domain.placeholders import unknown_placeholders
from allclear.domain.records import (
    ActFinished,
    By,
    Contained,
    IncidentEnded,
    IncidentOpened,
    NoteAdded,
    PostMortemWritten,
    Recovered,
    StepDone,
)
from allclear.domain.review.post_mortem import TITLES
from allclear.domain.text import plain
from allclear.postmortem.document import PostMortem, gaps, write_post_mortem
from allclear.postmortem.html_page import post_mortem_page
from allclear.postmortem.placeholders import FIELDS, PLACEHOLDERS
from tests.unit.domain.stories import ANA, BEN, HEALTH, TROUBLE, Story, plan
from tests.unit.domain.test_text import STORED
from tests.unit.postmortem.test_measurements import counted
from tests.unit.postmortem.test_suggestions import answered, step

if TYPE_CHECKING:
    from _typeshed import TraceFunction

HERE = Path(__file__).parent
TEMPLATE = (HERE.parents[1] / "runbooks/vintstreet/templates/post-mortem.md").read_text()
PLAN = plan()
_MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def _written(story: Story, template: str = TEMPLATE) -> str:
    return write_post_mortem(_source(story, template))


def _source(story: Story, template: str = TEMPLATE) -> PostMortem:
    return PostMortem(story.incident, story.entries, PLAN, "VintStreet shop", template, story.now)


def _drill() -> Story:
    story = Story("VS-13").opened("Checkout <slow> | *again*", simulated=True).verified().paged().roll_back_proposed()
    story.answered("contain/roll-back", "that is the wrong revision", yes=False)
    denied = Outcome(status=ActStatus.REJECTED, changed=False, sentence="Ana said no: that is the wrong revision.")
    return story.record(ActFinished(act="contain/roll-back", outcome=denied))


def _retailgen() -> Story:
    """Return an incident of RetailGen AI in which people answered the cause, the fix and the impact as it went on."""
    story = Story("RG-7").opened("Payments fail", severity="SEV-1", service="app").paged().roll_back_proposed()
    story.contained().after(20)
    story.record(step("investigate", "logs", "Analyze the logs", "contributing_factors", "RG-7"))
    story.record(step("investigate", "root-cause", "Find the root cause", incident="RG-7"))
    story.record(answered("investigate/logs", "Sentry shows expired sessions", incident="RG-7"), by=ANA)
    story.record(
        answered("investigate/root-cause", "The release could not read existing sessions", incident="RG-7"), by=ANA
    )
    story.record(NoteAdded(text="All 40 shops of the pilot", post_mortem="impact_users"), by=BEN)
    return story.resolved()


def _unattended() -> Story:
    """Return an incident that no one took: the service was found healthy again before anyone answered the page."""
    story = Story("VS-14").opened("Payments fail for [all] users").verified().after(6)
    check = StepDone(phase="contain", step="health", title="Health", finding=HEALTH, health_check=True)
    story.record(check, Contained(by="Found healthy again", finding=HEALTH)).after(5)
    story.record(check, Recovered(finding=HEALTH)).after(1)
    return story.record(IncidentEnded(ending="resolved", reason="All alerts are over and the service is healthy."))


COMPANIES = {name: load_company(HERE.parents[1] / "runbooks" / name) for name in ("vintstreet", "retailgen")}
GOLDEN = {
    "vintstreet-p0": ("vintstreet", Story().whole().record(counted([2400] * 33, [2] * 5 + [1450] * 6 + [3] * 22))),
    "vintstreet-unwritten": ("vintstreet", _drill()),
    "vintstreet-no-lead": ("vintstreet", _unattended()),
    "retailgen-sev1": ("retailgen", _retailgen()),
}


@pytest.mark.parametrize("ending", ["md", "html"])
@pytest.mark.parametrize("name", list(GOLDEN))
def test_the_post_mortem_equals_its_golden_file(name: str, ending: str) -> None:
    """A whole P0 with every field written, a drill with no field written, one without a lead, one with many words."""
    company, story = COMPANIES[GOLDEN[name][0]], GOLDEN[name][1]
    title = company.systems.services[next(iter(company.systems.services))].title
    source = PostMortem(story.incident, story.entries, company.plan, title, company.post_mortem, story.now)
    golden, document = HERE / f"{name}.{ending}", (write_post_mortem if ending == "md" else post_mortem_page)(source)
    # A new optional field of any record changes every hash, and says nothing about the document.
    document = document.replace(story.incident.head, "0" * 64)
    if os.environ.get("ALLCLEAR_GOLDEN") == "write":
        golden.write_text(document)
    assert document == golden.read_text()


@pytest.mark.parametrize("name", list(GOLDEN))
def test_a_manager_finds_what_matters_on_the_first_screen(name: str) -> None:
    """Lead, severity, duration, summary, key times and impact come before everything else, in forty lines."""
    company, story = COMPANIES[GOLDEN[name][0]], GOLDEN[name][1]
    source = PostMortem(story.incident, story.entries, company.plan, "Shop", company.post_mortem, story.now)
    first = write_post_mortem(source).splitlines()[:40]
    for words in (
        "**Severity:**",
        "**Duration:**",
        "## Summary",
        "| Detected |",
        "**Users affected:**",
        "**Requests:**",
    ):
        assert any(words in line for line in first), words
    timeline = write_post_mortem(source).split("## Timeline")[1].split("## ")[0].split("**Failed requests")[0]
    assert sum(line.startswith("- ") for line in timeline.splitlines()) <= 12


def test_every_placeholder_has_a_value() -> None:
    """A template may use each placeholder of the list."""
    document = _written(Story().whole(), "\n".join(f"{name}: {{{name}}}" for name in PLACEHOLDERS))
    assert not unknown_placeholders(document, {})


def test_the_template_has_the_plans_headings_in_order() -> None:
    """VintStreet's template begins with the headings of the plan's own post-mortem."""
    document = (HERE.parents[1] / "runbooks/vintstreet/templates/post-mortem.md").read_text()
    headings = re.findall(r"^## (.+)$", document, re.MULTILINE)
    assert headings[:7] == [
        "Summary",
        "Timeline",
        "Root Cause",
        "Impact",
        "Resolution",
        "Action Items",
        "Lessons Learned",
    ]


def test_an_unknown_placeholder_is_refused() -> None:
    """A placeholder without a source is an error."""
    with pytest.raises(ConfigError, match=r"\{cause\}, which has no source"):
        _written(Story().opened(), "{cause}")


def test_the_last_line_names_who_completes_the_document_where() -> None:
    """It lists every field that no one wrote. Managers read the document: only its annex names a command."""
    story = Story().opened()
    text, _, last = _written(story).rpartition("\n---\n")
    assert "allclear " not in text.partition("## Annex")[0] + last
    assert "Ben is asked to write them on the page of VS-12, under Post-mortem." in last
    for name in set(FIELDS) - {"went_well", "could_improve"}:  # the record tells these
        assert TITLES[name] in last
    written = [PostMortemWritten(field=name, text="one") for name in FIELDS]
    assert "Still missing" not in _written(story.record(*written, by=BEN))


@pytest.mark.parametrize("ending", ["false-alarm", "abandoned"])
def test_no_one_is_asked_to_write_about_an_incident_that_ended_unresolved(
    ending: Literal["false-alarm", "abandoned"],
) -> None:
    """It is not reviewed, and it is not said that it was resolved."""
    ended = IncidentEnded(ending=ending, reason="So it is.")
    text = _written(Story().opened().verified().after(20).record(ended), "{mitigation}")
    assert text == "Not contained before it ended.\n"


def test_a_text_of_a_drill_s_script_is_marked() -> None:
    """It was written before the drill, so that a reader must not take it for what happened. A person's text is not."""
    scripted = By(actor="Dana", role="scribe", via="drill")
    story = Story().opened().record(PostMortemWritten(field="summary", text="Traffic went back."), by=scripted)
    story.record(PostMortemWritten(field="impact_users", text="All."), by=scripted)
    document = _written(story)
    assert "Traffic went back.\n\n_From the drill's script._" in document
    assert "All. _From the drill's script._" in document
    again = story.record(PostMortemWritten(field="summary", text="We went back."), by=BEN)
    assert "We went back.\n\n_From" not in _written(again)


def test_writing_a_field_again_replaces_it() -> None:
    """The last text counts."""
    story = Story().opened().record(*(PostMortemWritten(field="summary", text=text) for text in ("one", "two")), by=BEN)
    assert "## Summary\n\ntwo\n\n|" in _written(story)


def test_an_unknown_time_is_not_invented() -> None:
    """If no source knew when the trouble began, there is no time to detect."""
    opened = IncidentOpened(
        company="VintStreet", title="Slow", severity="P1", service="vintstreet", runbook="slow", reported="by Ana"
    )
    document = _written(Story().record(opened))
    assert "Trouble began" not in document
    assert "| Detected | 14:30:00 |  |" in document
    assert "| Contained | not yet |  |" in document


def test_gaps_are_marked_until_the_end() -> None:
    """More than ten minutes without an entry is a gap; the time between the end and the review is none."""
    story = Story().whole()
    assert [(end - start).total_seconds() / 60 for start, end in gaps(story.incident, story.entries)] == [14]
    assert "- 14:34 - _nothing was recorded for 14m_\n- 14:48 - Note by Ana" in _written(story)


@cache
def _calm_shape() -> list[str]:
    return [token.type for token in _MARKDOWN.parse(_written(Story().opened("calm")))]


@given(STORED)
def test_a_hostile_title_changes_nothing_in_the_document(title: str) -> None:
    """With any title, the document keeps its structure and has no HTML and no invisible character."""
    document = _written(Story().opened(title))
    shape = [token.type for token in _MARKDOWN.parse(document)]
    assert shape == _calm_shape()
    assert "<" not in document
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", document)
    heading = next(token for token in _MARKDOWN.parse(document) if token.type == "inline")
    shown = "".join(child.content for child in heading.children or [])
    assert shown.strip() == f"Post-Mortem: {plain(title, 1000)}".strip()


@given(STORED)
def test_a_persons_text_adds_no_markup(text: str) -> None:
    """A person's text may have lines and list items, but no headings, tables, HTML or links."""
    story = Story().opened().record(*(PostMortemWritten(field=name, text=text) for name in FIELDS), by=BEN)
    document = _written(story)
    tokens = _MARKDOWN.parse(document)
    assert [t.tag for t in tokens].count("h2") == [t.tag for t in _MARKDOWN.parse(TEMPLATE)].count("h2")
    inline = {child.type for token in tokens for child in token.children or []}
    assert not inline & {"html_inline", "link_open", "image"}
    assert not any(token.type in ("html_block", "blockquote_open", "fence") for token in tokens)


def _long(rounds: int) -> PostMortem:
    """Return the source of a very long incident: four entries in each round."""
    story, check = Story().opened(), StepDone(phase="contain", step="look", title="Look", finding=TROUBLE)
    for _ in range(rounds):
        story.after(0.1).record(check, NoteAdded(text="Still <b>failing</b>, und \u202ekeiner weiß warum"), by=ANA)
        story.record(check, check)
    return _source(story)


def _lines_run(source: PostMortem) -> int:
    """Write the document and return how many lines of Python that ran."""
    lines, before = 0, sys.gettrace()

    def count(_frame: FrameType, event: str, _argument: object) -> TraceFunction:
        nonlocal lines
        lines += event == "line"
        return count

    sys.settrace(count)
    try:
        write_post_mortem(source)
    finally:
        sys.settrace(before)
    return lines


def test_twice_as_many_entries_are_twice_the_work() -> None:
    """The work grows with the number of entries and not with its square, so a very long incident has its document."""
    write_post_mortem(_long(1))  # what is worked out once in a process is not counted
    less, more = _lines_run(_long(100)), _lines_run(_long(200))
    assert less > 1_000
    assert more < 2.2 * less


def test_ten_thousand_entries_become_a_document_with_every_note() -> None:
    """Nothing of a very long incident is cut off."""
    source = _long(2_500)
    document = write_post_mortem(source)
    assert document.count("\n") > len(source.entries)
    assert document.count("failing") == 2_500
