"""Writes docs/systems.md: a row for every system that the companies' documents name.

The rows are the `systems` of each company's lines.yaml. What works comes from the installed actions, probes and alert
sources, the least-privilege role from what they declare, the tests from the files that import them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from allclear.company.capabilities import ActionType, ProbeType
from allclear.company.traceability import NamedSystem
from allclear.company.traceability_page import TracedCompany
from allclear.domain.permission import Permission
from allclear.engine.actions.registry import Registry

_HEAD = """\
# Systems

Every system that the two plans name, what allclear does with it, the smallest role that its key needs, and the tests
behind that. *In the plan* names steps and data that use the system, beside its own actions. Do not edit this page:
change `systems` in `runbooks/*/lines.yaml` or what the classes declare, then run `make reference`.

| System | Named by | What works | Least-privilege role | Tests |
|---|---|---|---|---|
"""
SOURCES_TEST = "tests/unit/responder/sources/test_every_source.py"
"""The test that runs on every alert source."""


def systems_page(companies: Iterable[TracedCompany], registry: Registry, tests: Mapping[type, list[str]]) -> str:
    """Return the page: the rows sorted by the system's name. `tests` are the test files of each class."""
    named: dict[str, list[tuple[TracedCompany, NamedSystem]]] = {}
    for company in companies:
        for system in company.lines.systems:
            named.setdefault(system.name, []).append((company, system))
    rows = [_row(name, named[name], registry, tests) for name in sorted(named, key=str.casefold)]
    return _HEAD + "\n".join(rows) + "\n"


def kinds_of(registry: Registry, systems: Iterable[str]) -> list[ActionType | ProbeType]:
    """Return the actions and probes that talk to one of these systems."""
    wanted = set(systems)
    every: list[ActionType | ProbeType] = [*registry.actions.values(), *registry.probes.values()]
    return [kind for kind in every if wanted & {client.system for client in (*kind.needs, *kind.uses)}]


def _row(
    name: str,
    named: list[tuple[TracedCompany, NamedSystem]],
    registry: Registry,
    tests: Mapping[type, list[str]],
) -> str:
    """Return the row of one system. Raises NotFound for an action that is not installed."""
    systems = list(dict.fromkeys(one for _, system in named for one in system.systems))
    alerts = list(dict.fromkeys(one for _, system in named for one in system.alerts))
    kinds = kinds_of(registry, systems)
    some = [registry.action(one) for one in dict.fromkeys(one for _, system in named for one in system.actions)]
    kinds += [kind for kind in some if kind not in kinds]
    paths = [path for kind in kinds for path in tests.get(kind, [])] + ([SOURCES_TEST] if alerts else [])
    cells = [
        name,
        "<br>".join(f"{company.company}: “{system.words}”" for company, system in named),
        "<br>".join([*_works(kinds, alerts), *_asked(named)]),
        "<br>".join(_roles(kinds, [*systems, *(client.system for kind in some for client in kind.needs)])) or "none",
        "<br>".join(f"[{path.rpartition('/')[2]}](../{path})" for path in dict.fromkeys(paths)) or "none",
    ]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _works(kinds: list[ActionType | ProbeType], alerts: list[str]) -> Iterator[str]:
    if kinds:
        yield ", ".join(f"`{kind.name}`" for kind in kinds)
    if alerts:
        yield f"alerts are received: {', '.join(f'`{name}`' for name in alerts)}"


def _asked(named: list[tuple[TracedCompany, NamedSystem]]) -> Iterator[str]:
    """Yield the steps and data of each company that lines.yaml names for the system."""
    for company, system in named:
        if system.runs:
            yield f"in the plan of {company.company}: {', '.join(f'`{reference}`' for reference in system.runs)}"


def _roles(kinds: list[ActionType | ProbeType], systems: list[str]) -> Iterator[str]:
    """Yield each permission once; one that another contains, as reading beside writing, is left out."""
    every: dict[Permission, None] = {one: None for kind in kinds for one in kind.permissions if one.system in systems}
    for one in every:
        if not any(other is not one and _contains(other, one) for other in every):
            yield f"`{one.system}`: {one.role} ({one.rights})"


def _contains(wide: Permission, narrow: Permission) -> bool:
    rights = {right.strip() for right in wide.rights.split(",")}
    return wide.system == narrow.system and {right.strip() for right in narrow.rights.split(",")} < rights
