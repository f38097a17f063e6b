"""The simulated flow of Teams' Workflows app: what it posts in its channel, and what fails inside it, unseen."""

from __future__ import annotations

from typing import Any, cast

from allclear.simulator.event_log import Clock, EventLog

CARD_KIND = "application/vnd.microsoft.card.adaptive"
LARGEST = 28 * 1024
"""Bytes of a message that Teams' connector takes."""
Card = dict[str, Any]
_VERSIONS = {"1.0", "1.1", "1.2", "1.3", "1.4", "1.5"}
_ELEMENTS = {"FactSet", "Container", "ColumnSet", "Image"}
_ACTIONS = {"Action.OpenUrl", "Action.Submit", "Action.ShowCard", "Action.ToggleVisibility"}


class TeamsFlow:
    """One flow: it posts each card of a message in its channel."""

    def __init__(self, clock: Clock, event_log: EventLog) -> None:
        self._clock, self._event_log = clock, event_log
        self.is_on = True
        self.owner_is_there = True
        """Whether the person whose flow it is still is in the team; without that person nothing is posted."""
        self.cards: list[Card] = []
        """The cards in the channel, oldest first."""
        self.failures: list[str] = []
        """Why runs of the flow failed, oldest first; only the flow's owner sees this."""

    def run(self, message: Card, size: int) -> None:
        """Run the flow: post what the message holds, or fail as a flow does, after it was started."""
        attachments = message.get("attachments")
        problem = self._problem(message, attachments, size)
        if problem:
            self.failures.append(problem)
            self._event_log.record("teams_flow_failed", why=problem)
            return
        for attachment in _objects(attachments):
            card = cast("Card", attachment["content"])
            self.cards.append(card)
            self._event_log.record("teams_post", text=text_of(card))

    def _problem(self, message: Card, attachments: object, size: int) -> str:
        if not self.owner_is_there:
            return "Forbidden: the owner of the flow is not a member of the team"
        if size > LARGEST:
            return "RequestEntityTooLarge"
        if message.get("type") != "message" or not _objects(attachments):
            return "The message has no attachments"
        return next((problem for one in _objects(attachments) if (problem := _attachment_problem(one))), "")


def _attachment_problem(attachment: Card) -> str:
    card = attachment.get("content")
    if attachment.get("contentType") != CARD_KIND or not isinstance(card, dict):
        return "The attachment is no Adaptive Card"
    return card_problem(cast("Card", card))


def card_problem(card: Card) -> str:
    """Return why Teams does not show a card; empty if it does."""
    if card.get("type") != "AdaptiveCard" or card.get("version") not in _VERSIONS:
        return "Only Adaptive Cards up to version 1.5 are shown"
    problems = [_element_problem(element) for element in _objects(card.get("body"))]
    problems += [_action_problem(action) for action in _objects(card.get("actions"))]
    return next((problem for problem in [*problems, _mention_problem(card)] if problem), "")


def _element_problem(element: Card) -> str:
    match element.get("type"):
        case "TextBlock":
            return "" if isinstance(element.get("text"), str) else "A TextBlock has no text"
        case "RichTextBlock":
            runs = _objects(element.get("inlines"))
            good = runs and all(run.get("type") == "TextRun" and run.get("text") for run in runs)
            return "" if good else "A RichTextBlock has no text"
        case kind:
            return "" if kind in _ELEMENTS else f"Unknown element {kind}"


def _action_problem(action: Card) -> str:
    if action.get("type") not in _ACTIONS:
        return f"Unknown action {action.get('type')}"
    opens = action["type"] == "Action.OpenUrl"
    address = str(action.get("url"))
    return "Action.OpenUrl has no address" if opens and not address.startswith(("https://", "http://")) else ""


def _mention_problem(card: Card) -> str:
    shown = [str(one.get("text")) for one in _objects(card.get("body")) if one.get("type") == "TextBlock"]
    extension = card.get("msteams")
    for entity in _objects(cast("Card", extension).get("entities")) if isinstance(extension, dict) else []:
        mentioned = cast("Card", entity.get("mentioned") or {})
        if entity.get("type") != "mention" or not mentioned.get("id") or not mentioned.get("name"):
            return "A mention names no one"
        if not any(str(entity.get("text")) in text for text in shown):
            return "A mention is not in the text"
    return ""


def text_of(card: Card) -> str:
    """Return the text of a card as people read it, one line a block."""
    lines: list[str] = []
    for element in _objects(card.get("body")):
        runs = "".join(str(run["text"]) for run in _objects(element.get("inlines")))
        lines.append(str(element.get("text") or runs))
    return "\n".join(lines)


def _objects(value: object) -> list[Card]:
    """Return a list of JSON objects; an entry of another kind is an empty object."""
    entries = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("Card", entry) if isinstance(entry, dict) else {} for entry in entries]
