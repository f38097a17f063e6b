"""Kubernetes' label selectors, as lists in v1 take them: `app = shop, tier in (web, api), !old`.

*Source:* kubernetes.io/docs/concepts/overview/working-with-objects/labels, "Label selectors"
(November 2026).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from allclear.simulator.run_service import RunError

Selector = Callable[[Mapping[str, str]], bool]

_KEY = r"(?P<key>[A-Za-z0-9][-A-Za-z0-9_./]*)"
_VALUE = r"[-A-Za-z0-9_.]*"
_EQUAL = re.compile(rf"{_KEY}\s*(?P<sign>==?|!=)\s*(?P<value>{_VALUE})")
_AMONG = re.compile(rf"{_KEY}\s+(?P<sign>in|notin)\s*\((?P<values>[^()]*)\)")
_THERE = re.compile(rf"(?P<sign>!?)\s*{_KEY}")
_COMMA = re.compile(r",(?![^()]*\))")


def selector(text: str) -> Selector:
    """Return what says whether an object's labels match; an empty text matches everything.

    Raises RunError: INVALID_ARGUMENT for a text that is no selector.
    """
    asked = [_requirement(part.strip()) for part in _COMMA.split(text)] if text.strip() else []
    return lambda labels: all(matches(labels) for matches in asked)


def _requirement(text: str) -> Selector:
    if found := _EQUAL.fullmatch(text):
        key, value, wanted = found["key"], found["value"], found["sign"] != "!="
        return lambda labels: (labels.get(key) == value) is wanted
    if found := _AMONG.fullmatch(text):
        key, wanted = found["key"], found["sign"] == "in"
        values = {value.strip() for value in found["values"].split(",")}
        return lambda labels: (labels.get(key) in values) is wanted
    if found := _THERE.fullmatch(text):
        key, wanted = found["key"], not found["sign"]
        return lambda labels: (key in labels) is wanted
    raise RunError("INVALID_ARGUMENT", f"labelSelector: unable to parse requirement '{text}'.")
