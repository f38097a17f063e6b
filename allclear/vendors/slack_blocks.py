"""What a message in Slack is built of: plain text, mentions, and the card of a question with its buttons.

Source: `slack_sdk.models.blocks` 3.48, which checks the limits when a block becomes a dictionary (section 3,000
characters, button 75, value 2,000, address 3,000), and docs.slack.dev/reference/block-kit (2026-11): about 13,000
characters over all blocks fail. Everything from outside is `plain_text`, which needs no escaping and shows no markup;
only mentions are `mrkdwn`. The library is imported when a card is built, because its import takes a while.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, cast

from allclear.domain.base import JsonDict
from allclear.domain.notify.channel import Card
from allclear.domain.plan.slack_ids import slack_user_id
from allclear.vendors.lengths import in_parts, shortened

if TYPE_CHECKING:
    from slack_sdk.models.blocks import InteractiveElement

ANSWER, OPEN_PAGE = "answer", "open-page"
"""The beginnings of the `action_id` of our buttons and inputs."""

_LONGEST_BLOCK = 2_800
"""Characters of one block. Slack counts some signs twice, and its limit is 3,000."""
_LONGEST_PART, _LONGEST_WORDS, _MOST_ROWS = 600, 70, 8
_LONGEST_ADDRESS = 3_000


def mentions(people: Iterable[str]) -> str:
    """Return the mentions of the people whose address is a user id, as Slack writes them; empty without any."""
    return " ".join(f"<@{user}>" for user in dict.fromkeys(map(slack_user_id, people)) if user)


def text_blocks(text: str) -> list[JsonDict]:
    """Return a text in blocks of plain text, so that it is shown as it is."""
    return [
        {"type": "section", "text": {"type": "plain_text", "text": part, "emoji": False}, "expand": True}
        for part in in_parts(text, _LONGEST_BLOCK)
        if part.strip()
    ]


def message_blocks(text: str, people: Iterable[str], card: Card | None, href: str, *, buttons: bool) -> list[JsonDict]:
    """Return the blocks of a message: its text, whom it mentions, and its card.

    `href` is the address of the incident's page, `buttons` whether Slack sends us what is pressed.
    """
    blocks = text_blocks(text)
    if called := mentions(people):
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": called}})
    if card is None:
        return blocks
    blocks += [block for line in _lines(card, buttons=buttons) for block in text_blocks(line)]
    elements = list(_elements(card, href, buttons=buttons))
    return [*blocks, *_actions(elements)]


def _lines(card: Card, *, buttons: bool) -> Iterator[str]:
    yield from (_row(row.name, row.before, row.after) for row in card.rows[:_MOST_ROWS])
    if len(card.rows) > _MOST_ROWS:
        yield f"… and {len(card.rows) - _MOST_ROWS} more, on the incident's page."
    named = (("Why", card.why), ("Risk", card.risk), ("Undo", card.undo))
    yield from (shortened(f"{name}: {words}", _LONGEST_PART) for name, words in named if words)
    if card.closed:
        yield shortened(card.closed, _LONGEST_PART)
        return
    yield shortened(card.who, _LONGEST_PART)
    if not buttons and card.commands:
        yield shortened(f"Answer with: {card.commands}", _LONGEST_PART)


def _row(name: str, before: str, after: str) -> str:
    label = f"{name}: " if name else ""
    return shortened(f"{label}{before}\n→ {after}", _LONGEST_PART)


def _elements(card: Card, href: str, *, buttons: bool) -> Iterator[InteractiveElement]:
    from slack_sdk.models.blocks import ButtonElement, LinkButtonElement  # noqa: PLC0415 - see above

    for number, button in enumerate(card.buttons if buttons and not card.closed else []):
        style = ("primary" if button.yes else "danger") if len(card.buttons) <= 2 else None  # noqa: PLR2004 - yes, no
        yield ButtonElement(
            text=shortened(button.words, _LONGEST_WORDS),
            action_id=f"{ANSWER}-{number}",
            value=button.value,
            style=style,
        )
    if href and len(href) <= _LONGEST_ADDRESS:
        yield LinkButtonElement(text="Open the page", url=href, action_id=OPEN_PAGE)


def _actions(elements: list[InteractiveElement]) -> list[JsonDict]:
    from slack_sdk.models.blocks import ActionsBlock  # noqa: PLC0415 - see above

    if not elements:
        return []
    block = ActionsBlock(elements=list(elements))
    return [cast("JsonDict", block.to_dict())]  # pyright: ignore[reportUnknownMemberType]
