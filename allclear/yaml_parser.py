"""Reads YAML with the quicker of two parsers: companies' files, and scenarios of simulated productions."""

from __future__ import annotations

from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError


def parse_yaml(text: str) -> Any:  # noqa: ANN401 - a file may hold any value
    """Return what `text` holds. Raises YAMLError, ValueError or RecursionError.

    The parser in C is five times as fast, but it refuses some valid YAML, such as `{url: https://x}`. So it is tried
    first. The parser in Python decides about what it refuses, so that errors are the same on every machine.
    """
    fast: Any = YAML(typ="safe")
    try:
        return fast.load(text)
    except MarkedYAMLError:
        whole: Any = YAML(typ="safe", pure=True)
        return whole.load(text)
