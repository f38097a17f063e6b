"""The post-mortem as HTML: one file that loads nothing, runs nothing, and shows strangers' texts as text."""

from __future__ import annotations

from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from hypothesis import given
from typing_extensions import override

from allclear.postmortem.document import PostMortem
from allclear.postmortem.html_page import post_mortem_page
from tests.unit.domain.stories import Story, plan
from tests.unit.domain.test_text import STORED

PLAN = plan()
TEMPLATE = (Path(__file__).parents[3] / "runbooks/vintstreet/templates/post-mortem.md").read_text()


class _Reader(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.title = ""
        self.feed(page)

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    @override
    def handle_data(self, data: str) -> None:
        if self.tags[-1:] == ["title"]:
            self.title += data


def _page(story: Story, **changes: Any) -> str:  # noqa: ANN401 - parts of the source
    source = PostMortem(story.incident, story.entries, PLAN, "VintStreet shop", TEMPLATE, story.now)
    return post_mortem_page(source._replace(**changes))


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    """No script, link, image or frame, and a policy that forbids them."""
    read = _Reader(_page(Story().whole()))
    assert not {"script", "link", "img", "iframe", "object", "embed", "base", "form", "a"} & set(read.tags)
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in read.attributes
    assert not {"src", "href", "srcset", "action"} & {name for name, _ in read.attributes}
    assert not any(name.startswith("on") for name, _ in read.attributes)


def test_the_page_has_the_chart_in_place_of_its_text() -> None:
    """One drawing, with the numbers of its lines in words below it."""
    page = _page(Story().whole())
    assert page.count("<svg") == 1
    assert "<b>2</b> 14:34 Roll back traffic" in page
    assert "############" not in page
    assert "<svg" not in _page(Story().opened())


def test_a_drill_is_marked_and_boxes_are_shown() -> None:
    """A drill is marked in the title and in the text; an action item has a box."""
    page = _page(Story("VS-13").opened(simulated=True).verified())
    assert _Reader(page).title.strip() == "[SIMULATED] VS-13: Payment processing down"
    assert '<p class="drill"><strong>SIMULATED' in page
    assert "☐ Refuse to start without a key" in _page(Story().whole())


@cache
def _calm() -> _Reader:
    return _Reader(_page(Story().opened("c").verified()))


@given(STORED)
def test_a_hostile_title_changes_nothing_in_the_page(title: str) -> None:
    """With any title the page has the same elements and attributes."""
    hostile = _Reader(_page(Story().opened(title).verified()))
    assert (hostile.tags, hostile.attributes) == (_calm().tags, _calm().attributes)


def test_a_percentage_stays_on_one_line() -> None:
    """A title as `1 % of requests` does not break between the number and its sign."""
    assert "1\u00a0% of requests" in _page(Story().opened(title="More than 1 % of requests fail"))
