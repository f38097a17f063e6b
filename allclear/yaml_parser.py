"""Reads YAML with the quicker of two parsers: companies' files, and scenarios of simulated productions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode


def parse_yaml(text: str) -> Any:  # noqa: ANN401 - a file may hold any value
    """Return what `text` holds. Raises YAMLError, ValueError or RecursionError."""
    return _by_quicker_parser(lambda yaml: yaml.load(text))


def compose_yaml(text: str) -> Node:
    """Return the nodes of `text`, which know their positions. Raises YAMLError."""
    return _by_quicker_parser(lambda yaml: yaml.compose(text))


def part_of(node: Node, part: str | int) -> tuple[Node, int] | None:
    """Return a value of a mapping or a list, and the line of its key or of itself, counted from 0; None if none."""
    parts: Any = getattr(node, "value")  # noqa: B009 - ruamel's nodes are not typed
    if isinstance(node, MappingNode):
        return next(((value, key.start_mark.line) for key, value in parts if key.value == str(part)), None)
    if isinstance(node, SequenceNode) and isinstance(part, int) and part < len(parts):
        return parts[part], parts[part].start_mark.line
    return None


def _by_quicker_parser(work: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - what the parser returns
    """Return what `work` returns for a parser.

    The parser in C is five times as fast, but it refuses some valid YAML, such as `{url: https://x}`. So it is tried
    first. The parser in Python decides about what it refuses, so that errors are the same on every machine.
    """
    try:
        return work(YAML(typ="safe"))
    except MarkedYAMLError:
        return work(YAML(typ="safe", pure=True))
