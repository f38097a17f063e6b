"""What differs between two states, in words a person can compare at a glance."""

from __future__ import annotations

from typing import Any, cast

from allclear.domain.base import JsonDict


def differences(before: JsonDict, after: JsonDict) -> list[tuple[str, str, str]]:
    """Returns (name, before, after) for each field that differs; names in plain words, values as short text."""
    names = [*before, *(name for name in after if name not in before)]
    return [
        (name.replace("_", " "), say(before.get(name)), say(after.get(name)))
        for name in names
        if before.get(name) != after.get(name)
    ]


def say(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Returns a JSON value as a person would write it: `on`, `none`, `vintstreet-00041: 100`."""
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return "; ".join(say(item) for item in cast("list[Any]", value)) or "none"
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return ", ".join(f"{name.replace('_', ' ')} {say(item)}" for name, item in fields.items() if item not in (None, ""))
    return str(value)
