"""Find tests that depend on how fast the machine is: assertions on the wall clock, and short time limits.

Usage: python scripts/wall_clock.py [PATH ...]   (default: the folder tests, without the benchmarks)
Exit code 1 and one line a finding: file:line: what is wrong.

A limit must be `HUNG` of `tests/patience.py` or longer, so that it only ends a test that hangs. If a test shows what
happens when a limit runs out, its line says so in a comment that begins with `runs out:`. The event loop of the unit
tests skips pauses, so its own limits pass in no time and may have any length.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
SHARED = ROOT / "tests" / "patience.py"
"""The one file that reads the wall clock to wait."""
CLOCKS = {"time", "monotonic", "perf_counter", "process_time", "time_ns", "monotonic_ns", "perf_counter_ns"}
LOOP_LIMITS = {"asyncio.timeout", "asyncio.timeout_at", "asyncio.wait_for", "asyncio.wait"}
"""Limits of the event loop; in the unit tests its clock skips pauses."""
ALLOWED = re.compile(r"# runs out: \w")
CONCERNED = re.compile(
    r"\b(?:timeout|wait_for|from time import|time\.time|timedelta\(seconds|monotonic|perf_counter|process_time)"
)
"""What a file has whose syntax is worth reading."""
_FACTORS = {"milliseconds": 0.001, "seconds": 1, "minutes": 60, "hours": 3600, "days": 86400}

Finding = tuple[int, str]
"""A line, and what is wrong there."""


@dataclass
class Module:
    """One parsed file of tests."""

    path: Path
    tree: ast.Module
    lines: list[str]
    clocks: set[str] = field(default_factory=set[str])
    """The names under which functions of the module `time` were imported."""

    @staticmethod
    def of(path: Path, source: str) -> Module:
        """Return the parsed file."""
        tree = ast.parse(source)
        clocks = {
            name.asname or name.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module == "time"
            for name in node.names
            if name.name in CLOCKS
        }
        return Module(path, tree, source.splitlines(), clocks)

    def reads_clock(self, node: ast.AST) -> bool:
        """Return whether the wall clock is read in `node`: by the module `time`, or as the time now."""
        return any(isinstance(part, ast.Call) and self._is_clock(part.func) for part in ast.walk(node))

    def _is_clock(self, function: ast.expr) -> bool:
        match function:
            case ast.Name(id=name):
                return name in self.clocks
            case ast.Attribute(value=ast.Name(id="time"), attr=name):
                return name in CLOCKS
            case _:
                return False


@cache
def module_at(path: Path) -> Module:
    """Return the parsed file at `path`."""
    return Module.of(path, path.read_text(encoding="utf-8"))


def seconds(node: ast.expr | None, module: Module) -> float | None:
    """Return the number that an expression has before the tests run, in seconds; None if it is not known."""
    match node:
        case ast.Constant(value=int() | float() as value):
            return float(value)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            factors = seconds(left, module), seconds(right, module)
            return None if None in factors else (factors[0] or 0) * (factors[1] or 0)
        case ast.Call(func=ast.Name(id="timedelta"), args=[], keywords=keywords):
            parts = [(_FACTORS.get(word.arg or ""), seconds(word.value, module)) for word in keywords]
            known = [timedelta(seconds=factor * value) for factor, value in parts if factor and value is not None]
            return sum(known, timedelta()).total_seconds() if len(known) == len(parts) else None
        case ast.Name(id=name):
            return _constant(name, module)
        case _:
            return None


def _constant(name: str, module: Module) -> float | None:
    """Return the value of a module's constant, followed through imports from other files of tests."""
    for node in module.tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=found)], value=value) if found == name:
                return seconds(value, module)
            case ast.ImportFrom(module=str() as origin, names=names) if origin.startswith("tests."):
                for one in names:
                    if (one.asname or one.name) == name:
                        path = ROOT / f"{origin.replace('.', '/')}.py"
                        return _constant(one.name, module_at(path)) if path.exists() else None
            case _:
                pass
    return None


def limits_of(call: ast.Call) -> Iterator[tuple[str, ast.expr]]:
    """Yield the limits that a call sets, each with the name of what it limits."""
    limits = [word.value for word in call.keywords if word.arg == "timeout"]
    match call.func:
        case ast.Attribute(value=ast.Name(id="asyncio"), attr="timeout" | "wait_for" as name):
            limits += call.args[0 if name == "timeout" else 1 :][:1]
        case _:
            pass
    for limit in limits:
        yield ast.unparse(call.func), limit


def short_limits(module: Module, hung: float) -> Iterator[Finding]:
    """Yield the limits that a busy machine may reach."""
    unit = module.path.is_relative_to(ROOT / "tests" / "unit")
    for call in (node for node in ast.walk(module.tree) if isinstance(node, ast.Call)):
        for name, limit in limits_of(call):
            length = seconds(limit, module)
            written = module.lines[limit.lineno - 1]
            if length is None or length >= hung or ALLOWED.search(written) or (unit and name in LOOP_LIMITS):
                continue
            yield limit.lineno, f"a limit of {length:g} s ({name}): use HUNG of tests/patience.py, or say `runs out:`"


def asserted_clocks(module: Module) -> Iterator[Finding]:
    """Yield the comparisons with the wall clock, also through a name in the same function.

    Everything in `tests/end_to_end` runs in real time, so that a comparison with a length of time is one, too.
    """
    real = module.path.is_relative_to(ROOT / "tests" / "end_to_end")
    for scope in (node for node in ast.walk(module.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
        read = {
            target.id
            for node in ast.walk(scope)
            if isinstance(node, ast.Assign) and module.reads_clock(node.value)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in (one for one in ast.walk(scope) if isinstance(one, ast.Compare)):
            names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
            length = real and "timedelta" in names and not isinstance(node.ops[0], ast.Eq)
            if length or names & read or module.reads_clock(node):
                yield node.lineno, "a comparison with the wall clock: wait for a condition, or inject a clock"


def findings(module: Module, hung: float) -> list[Finding]:
    """Return what is wrong in one file, each line once."""
    return sorted({*short_limits(module, hung), *asserted_clocks(module)})


def main(words: list[str]) -> int:
    """Print the findings of the files, and return the exit code."""
    hung = _constant("HUNG", module_at(SHARED)) or 0
    chosen = [Path(word).resolve() for word in words] or sorted((ROOT / "tests").rglob("*.py"))
    ours = [path for path in chosen if path != SHARED and "benchmarks" not in path.parts]
    files = [path for path in ours if CONCERNED.search(path.read_text(encoding="utf-8"))]
    found = [(path, *one) for path in files for one in findings(module_at(path), hung)]
    for path, line, wrong in found:
        print(f"{path.relative_to(ROOT)}:{line}: {wrong}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
