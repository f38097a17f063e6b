"""Find fields of a plan, a runbook or systems.yaml that no code reads: a plan would promise what nothing does.

Usage: python scripts/unread_fields.py
Exit code 1 and one line for each field without a reader. A reader is code outside the checks of
`allclear check` and outside the model's own validators.

The type checker finds the readers. In a copy of the code each field becomes a deprecated property of the same type, and
each use of it is then reported with its place.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import shutil
import subprocess
import sys
import tempfile
import typing
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import BaseModel

from allclear.domain.plan import Plan
from allclear.domain.runbook import Runbook
from allclear.domain.systems import Systems

ROOT = Path(__file__).parents[1]
PACKAGES = ("allclear", "tasks", "flows", "deployments")
MARK = "field:"
CHECKED_ONLY = {
    "Assumption.because": "`allclear check` lists the assumptions with their reasons",
    "Assumption.field": "as above",
    "MayBeAssumed.assumed": "`allclear check` lists each part that is marked",
    "MayBeAssumed.because": "as above",
    "Plan.assumed": "as above",
}
"""Fields that only `allclear check` reads, with the reason why that is right."""


def models(root: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """Yield `root` and each model that its fields can hold, with their base classes."""
    seen: set[type[BaseModel]] = set()
    waiting: list[object] = [root]
    while waiting:
        kind = waiting.pop()
        waiting += typing.get_args(kind)
        if isinstance(kind, type) and issubclass(kind, BaseModel) and kind is not BaseModel and kind not in seen:
            seen.add(kind)
            yield kind
            waiting += kind.__bases__
            waiting += [field.annotation for field in kind.model_fields.values()]


def own_fields(kinds: Iterable[type[BaseModel]]) -> dict[Path, dict[str, set[str]]]:
    """Return file -> class -> the fields that the class itself defines."""
    found: dict[Path, dict[str, set[str]]] = {}
    for kind in kinds:
        names = {name for name in inspect.get_annotations(kind) if name in kind.model_fields}
        file = Path(inspect.getsourcefile(kind) or "")
        if names and file.is_relative_to(ROOT):
            found.setdefault(file.relative_to(ROOT), {})[kind.__name__] = names
    return found


def with_properties(source: str, classes: dict[str, set[str]]) -> str:
    """Return the module with each of these fields as a deprecated property of the field's type."""
    lines = source.splitlines()
    changes: list[tuple[int, int, str]] = []
    for node in ast.parse(source).body:
        if not isinstance(node, ast.ClassDef) or node.name not in classes:
            continue
        for line in node.body:
            if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
                name = line.target.id
                if name in classes[node.name]:
                    mark = f'@property\n    @deprecated("{MARK}{node.name}.{name}")'
                    text = f"    {mark}\n    def {name}(self) -> {ast.unparse(line.annotation)}: ..."
                    changes.append((line.lineno, line.end_lineno or line.lineno, text))
    for first, last, text in sorted(changes, reverse=True):
        lines[first - 1 : last] = [text]
    at = next(number for number, line in enumerate(lines) if line.startswith("from __future__"))
    return "\n".join([*lines[: at + 1], "from typing_extensions import deprecated", *lines[at + 1 :], ""])


def in_validator(source: str, line: int) -> bool:
    """Return whether that line, counted from 1, is in a function that pydantic calls to validate."""
    return any(
        isinstance(node, ast.FunctionDef)
        and node.lineno <= line <= (node.end_lineno or node.lineno)
        and any("validator" in ast.unparse(decorator) for decorator in node.decorator_list)
        for node in ast.walk(ast.parse(source))
    )


def read_fields(fields: dict[Path, dict[str, set[str]]], root: Path = ROOT) -> dict[str, list[str]]:
    """Return `Class.field` -> the places below `root` that read it, as file:line.

    Raises RuntimeError if the type checker fails.
    """
    readers: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for package in (package for package in PACKAGES if (root / package).exists()):
            shutil.copytree(root / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
        for file, classes in fields.items():
            (copy / file).write_text(with_properties((root / file).read_text(encoding="utf-8"), classes), "utf-8")
        settings = {"include": list(PACKAGES), "typeCheckingMode": "off", "reportDeprecated": "error"}
        (copy / "pyrightconfig.json").write_text(json.dumps(settings), "utf-8")
        done = subprocess.run(  # noqa: S603 - our own type checker
            [Path(sys.executable).with_name("basedpyright"), "--outputjson", "--pythonpath", sys.executable],
            cwd=copy,
            capture_output=True,
            text=True,
            check=False,
        )
        if not done.stdout.lstrip().startswith("{"):
            msg = f"basedpyright failed: {done.stderr or done.stdout}"
            raise RuntimeError(msg)
        for finding in json.loads(done.stdout)["generalDiagnostics"]:
            file = Path(finding["file"]).relative_to(copy.resolve())
            line = finding["range"]["start"]["line"] + 1
            if file.is_relative_to("allclear/company/checks"):
                continue
            if file in fields and in_validator((copy / file).read_text(encoding="utf-8"), line):
                continue
            for field in re.findall(rf"{MARK}(\S+)", finding["message"]):
                readers.setdefault(field, []).append(f"{file}:{line}")
    return readers


def main() -> int:
    """Print the fields without a reader; return how many there are, at most 1."""
    fields = own_fields({kind for root in (Plan, Runbook, Systems) for kind in models(root)})
    readers = read_fields(fields)
    names = sorted(f"{kind}.{field}" for classes in fields.values() for kind, own in classes.items() for field in own)
    unread = [name for name in names if name not in readers and name not in CHECKED_ONLY]
    for name in unread:
        print(f"{name}: no code reads it. Act on it, show it to people, or remove it.")
    for name in sorted(CHECKED_ONLY):
        if name in readers or name not in names:
            print(f"{name}: it has a reader, or is gone. Take it out of CHECKED_ONLY.")
            unread.append(name)
    print(f"{len(names)} fields, {len(unread)} findings")
    return min(len(unread), 1)


if __name__ == "__main__":
    sys.exit(main())
