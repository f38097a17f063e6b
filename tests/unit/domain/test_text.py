"""Titles of alerts are untrusted: no line of ours passes on their control characters or their markup."""

from __future__ import annotations

import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.console import Console

from allclear.domain.base import JsonDict
from allclear.domain.records import NoteAdded
from allclear.domain.text import differences, emphasised, markdown_safe, plain, printable
from allclear.domain.timeline import timeline
from allclear.postmortem.acts_table import markdown_acts
from allclear.postmortem.document import PostMortem, write_post_mortem
from allclear.postmortem.timeline_list import markdown_timeline
from allclear.reports.incident_summary import show
from tests.unit.domain.stories import ANA, START, Story, plan

_TRICKS = st.sampled_from(
    [
        "\x1b[31m",
        "\x1b]0;owned\x07",
        "\x9b2J",
        "\u202e",
        "\u2066",
        "\u200b",
        "\r\n",
        "\n# ",
        "\n\n- ",
        "| a |",
        "`",
        "**",
        "__",
        "[x](javascript:1)",
        "![x](https://evil.example/p.png)",
        "<script>",
        "</td>",
        "<!--",
        "&lt;",
        "&#60;",
        "\\",
        "https://evil.example",
        "www.evil.example",
        "~~",
        "1. ",
        "12) ",
        "- ",
        "+ ",
        "===",
        "---",
        "{title}",
        "[red]",
        "[/]",
        "\ud800",
        "$x$",
        "#",
        ">",
        "\x00",
        "\u2028",
        "\t",
        "😀",
        "ä",
    ]
)
HOSTILE = st.lists(st.one_of(_TRICKS, st.text(max_size=8)), max_size=12).map("".join)
STORED = HOSTILE.map(lambda text: text.encode(errors="ignore").decode())
"""Texts that the journal can store: a lone surrogate is not valid UTF-8."""
_MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def _inline(markdown: str) -> list[Token]:
    return [child for token in _MARKDOWN.parse(markdown) for child in token.children or []]


def _invisible(text: str) -> list[str]:
    return [sign for sign in text if unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp")]


@given(HOSTILE, st.integers(min_value=1, max_value=60))
def test_plain_text_is_one_short_line_without_invisible_characters(text: str, limit: int) -> None:
    """No escape, no bidi override and no line break reaches a terminal; a second call changes nothing."""
    shown = plain(text, limit)
    assert not _invisible(shown)
    assert len(shown) <= limit
    assert plain(shown, limit) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m alert", "red alert"),
        ("\x1b]0;title\x07shown", "shown"),
        ("left\u202etfel", "lefttfel"),
        ("two\r\nlines\tand  spaces", "two lines and spaces"),
        ("Störung in Köln 😀", "Störung in Köln 😀"),
    ],
)
def test_visible_text_stays(text: str, shown: str) -> None:
    """Only escapes and invisible characters are removed; umlauts, symbols and words stay."""
    assert plain(text) == shown


@given(HOSTILE)
def test_markdown_shows_hostile_text_as_it_is(text: str) -> None:
    """A Markdown parser finds only text: no markup, no HTML, no link, in a paragraph, a list or a heading."""
    for markdown in (markdown_safe(text), f"- {markdown_safe(text)}", f"# {markdown_safe(text)}"):
        tokens = _inline(markdown)
        assert {token.type for token in tokens} <= {"text"}
        assert "".join(token.content for token in tokens) == plain(text, 1000)


@given(HOSTILE.filter(lambda text: plain(text) != ""))
def test_hostile_text_in_italics_stays_in_them(text: str) -> None:
    """It ends its italics at no sign of its own, beside another hostile text."""
    tokens = _inline(f"{emphasised(markdown_safe(text))} {markdown_safe(text)}")
    kinds = [token.type for token in tokens if token.type != "text" or token.content]
    assert kinds == ["em_open", "text", "em_close", "text"]
    assert "".join(token.content for token in tokens) == f"{plain(text, 1000)} {plain(text, 1000)}"


@pytest.mark.parametrize(
    "text",
    [
        "Payments fail for [all] users",
        "[P0] checkout (EU)",
        "The key is empty_",
        "payment_token of shop_eu is missing",
        "12 * 3 of 40 in #incidents",
        "Who? ana@example.com: 60 % (12 of 20), $5, ~3 s",
    ],
)
def test_a_text_that_needs_no_escape_has_none(text: str) -> None:
    """It reads in a plain viewer as it was written, in the title and in the timeline of a post-mortem, too."""
    assert markdown_safe(text) == text
    story = Story().opened(text).after(1).record(NoteAdded(text=text, post_mortem="timeline"), by=ANA)
    template = "# {title}\n\n{timeline}\n\n{full_timeline}"
    document = write_post_mortem(PostMortem(story.incident, story.entries, plan(), "Shop", template, story.now))
    assert document.count(text) >= 4
    assert "\\" not in document


@given(HOSTILE)
def test_hostile_text_stays_in_its_table_cell(text: str) -> None:
    """It ends neither its cell nor its row."""
    tokens = _MARKDOWN.parse(f"| a | b |\n|---|---|\n| {markdown_safe(text)} | x |")
    assert [token.type for token in tokens].count("td_open") == 2
    assert not any(token.type == "html_block" for token in tokens)


@given(STORED)
def test_a_hostile_alert_changes_nothing_in_the_artifacts(title: str) -> None:
    """An alert's title cannot add a line, a row or a link to what Prefect shows."""
    hostile, harmless = _artifacts(title), _artifacts("calm")
    assert [token.type for token in _MARKDOWN.parse(hostile)] == [token.type for token in _MARKDOWN.parse(harmless)]
    assert not _invisible(hostile.replace("\n", ""))
    assert "<" not in hostile


def _artifacts(title: str) -> str:
    story = Story().opened(title).roll_back_proposed()
    story.ask(story.incident.acts["contain/roll-back"].proposed.model_copy(update={"act": title, "title": title}))
    incident = story.incident
    return f"{markdown_timeline(incident, story.entries, plan())}\n\n{markdown_acts(incident, plan())}"


@given(STORED)
def test_a_hostile_alert_changes_nothing_in_the_terminal(title: str) -> None:
    """`allclear show` prints no title as rich's markup, and no escape."""
    story = Story().opened(title).roll_back_proposed()
    out = io.StringIO()
    Console(file=out, width=400, color_system=None).print(
        show(story.incident, story.entries, plan(), START, routine=True)
    )
    assert not _invisible(out.getvalue().replace("\n", ""))
    assert plain(title) in " ".join(out.getvalue().split()) or len(plain(title)) > 60
    assert all(not _invisible(line.text) for line in timeline(story.entries))


def test_differences_are_shown_in_words() -> None:
    """An approver reads fields and values, not JSON; unchanged fields and etags are left out."""
    before: JsonDict = {"traffic": {"web-42": 100}, "enabled": True, "etag": "a", "allowed_hosts": [], "same": 1}
    after: JsonDict = before | {"traffic": {"web-41": 90, "web-42": 10}, "enabled": False, "etag": "b"}
    after["allowed_hosts"] = ["a|b"]
    assert differences(before, after) == [
        ("traffic", "web-42 100", "web-41 90, web-42 10"),
        ("enabled", "yes", "no"),
        ("allowed hosts", "nothing", "a\\|b"),
    ]


def test_what_is_printed_keeps_its_lines_and_loses_what_controls_a_terminal() -> None:
    """Texts of an older record may hold escapes."""
    assert printable("one [x]\n  two") == "one [x]\n  two"
    assert printable("Eve\x1b[31m red\x07 \u202eevil\n  Zoë") == "Eve red evil\n  Zoë"
