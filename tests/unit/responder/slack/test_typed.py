"""Which command a text after `/incident` means, with each field in its place."""

from __future__ import annotations

from typing import Any

import pytest

from allclear.commands.base import Command
from allclear.commands.catalog import COMMANDS
from allclear.domain.errors import NotAllowed
from allclear.responder.slack.typed import Given, meaning

PEOPLE = {"U0BEN00001": "Ben Okafor"}


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("follow-up VS-3 <@U0BEN00001|ben> Add an alert", {"owner": "Ben Okafor", "text": "Add an alert"}),
        ("follow-up-done VS-3 2 merged and live", {"number": 2, "note": "merged and live"}),
        ("told VS-3 customers we mailed them", {"audience": "customers", "text": "we mailed them"}),
        ("told VS-3 customers", {"audience": "customers", "text": ""}),
        ("release VS-3", {"reason": ""}),
        ("release VS-3 the fix is live", {"reason": "the fix is live"}),
        ("severity VS-3 P1 the checkout works", {"severity": "P1", "reason": "the checkout works"}),
        ("hand-over VS-3 cto <@U0BEN00001>", {"role": "cto", "to": "Ben Okafor"}),
        ("post-mortem VS-3 got_lucky It was noon.", {"field": "got_lucky", "text": "It was noon."}),
    ],
)
def test_each_field_has_its_own_words(text: str, fields: dict[str, Any]) -> None:
    """The last field has the rest of the text, with its spaces."""
    given = meaning(text, PEOPLE)
    assert isinstance(given, Given)
    assert given.command.name == text.split(maxsplit=1)[0]
    assert fields.items() <= given.command.model_dump().items()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_typed_command_gives_every_field_that_is_needed(command: type[Command]) -> None:
    """Else it could never be sent. A command that is not typed says where it is done."""
    if command.typed is None:
        with pytest.raises(NotAllowed, match="is not typed in Slack") as refused:
            meaning(f"{command.name} VS-3", {})
        assert "page" in refused.value.next_step
        return
    needed = {name for name, field in command.model_fields.items() if field.is_required()}
    assert needed <= set(command.typed) <= set(command.model_fields)
    assert list(command.typed[: len(needed)]) == [name for name in command.typed if name in needed]
