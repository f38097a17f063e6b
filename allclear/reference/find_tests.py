"""Finds the tests of an action, a probe or an alert source: the test files that import its class."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_CONTRACT = "tests/contract/"


def find_tests(root: Path, kinds: Iterable[type[Any]]) -> dict[type[Any], list[str]]:
    """Return class -> the test files that import it, relative to `root`: its contract tests, or else all others."""
    importing: dict[tuple[str, str], list[str]] = {}
    for path in sorted((root / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    importing.setdefault((node.module, alias.name), []).append(path.relative_to(root).as_posix())
    return {kind: _nearest(importing.get((kind.__module__, kind.__name__), [])) for kind in kinds}


def _nearest(paths: list[str]) -> list[str]:
    contract = [path for path in paths if path.startswith(_CONTRACT)]
    return list(dict.fromkeys(contract or paths))
