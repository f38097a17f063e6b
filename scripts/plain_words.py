"""Find words that this project replaces by a plain term, in docstrings, comments, log lines and Markdown.

Usage: python scripts/plain_words.py [PATH ...]   (default: everything that git tracks)
Exit code 1 and one line a finding: file:line: "word": what to write instead.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
WORDS = Path(__file__).with_suffix(".txt")
SKIPPED = ("LICENSE", "tests/golden/", "docs/style.md", "scripts/plain_words", "runbooks/", "docs/traceability.md")
"""Files whose words are not ours, or that have to name the words."""
LOG_METHODS = {"debug", "info", "warning", "error", "exception", "critical"}

Text = tuple[int, str]
"""The line that a text begins in, and the text."""


def read_words() -> list[tuple[re.Pattern[str], str]]:
    """Return each pattern of the word list with what to write instead."""
    lines = [line for line in WORDS.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    pairs = (line.split(" = ", 1) for line in lines)
    return [(re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE), instead) for pattern, instead in pairs]


def python_texts(source: str) -> Iterator[Text]:
    """Yield the docstrings, the strings that document a name, the log lines and the comments of a module."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.value.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LOG_METHODS:
            texts = [part for part in node.args[:1] if isinstance(part, ast.Constant) and isinstance(part.value, str)]
            yield from ((part.lineno, str(part.value)) for part in texts)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def markdown_texts(source: str) -> Iterator[Text]:
    """Yield the lines of a page that are outside code blocks, without inline code."""
    in_code = False
    for number, line in enumerate(source.splitlines(), start=1):
        if line.lstrip().startswith("```"):
            in_code = not in_code
        elif not in_code:
            yield number, re.sub(r"`[^`]*`", "", line)


def findings(path: Path, words: list[tuple[re.Pattern[str], str]]) -> Iterator[str]:
    """Yield one line for each word of the list in a file."""
    source = path.read_text(encoding="utf-8")
    texts = python_texts(source) if path.suffix == ".py" else markdown_texts(source)
    for first_line, text in texts:
        for pattern, instead in words:
            for match in pattern.finditer(text):
                line = first_line + text.count("\n", 0, match.start())
                yield f'{path.relative_to(ROOT)}:{line}: "{match[0]}": {instead}'


def tracked() -> list[str]:
    """Return the Python files and pages that git tracks."""
    listed = subprocess.run(
        ["git", "ls-files", "*.py", "*.md"],  # noqa: S607 - git is on the path
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    return listed.stdout.split()


def main() -> int:
    """Print every finding and return 1 if there is one."""
    words = read_words()
    names = sys.argv[1:] or tracked()
    paths = [(ROOT / name).resolve() for name in names if not name.startswith(SKIPPED)]
    found = [line for path in paths if path.is_file() for line in findings(path, words)]
    print("\n".join(found) or "No word of the list is used.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
