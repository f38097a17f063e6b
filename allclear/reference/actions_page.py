"""Writes docs/actions.md: every action and probe of this package, from what its class declares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from allclear.engine.actions.registry import Registry
from allclear.reference.describe import DescribedAction, DescribedParam, described

_HEAD = """\
# Actions and probes

What allclear can do and look at, with what a person must know before using it. `allclear actions` prints the same, with
what other packages add. The risk of one change is worked out when it is proposed, and is shown to the person who
approves. Do not edit this page: change the class, then run `make reference`.
"""


def actions_page(registry: Registry, tests: Mapping[str, list[str]]) -> str:
    """Return the page; `tests` are the test files of each action or probe, by its name."""
    every = [one for one in described(registry) if one.origin.partition(" ")[0] == "allclear"]
    actions = [one for one in every if one.kind == "action"]
    probes = [one for one in every if one.kind == "probe"]
    lines = [_HEAD, *_index(actions), "", "## Actions", ""]
    lines += [line for one in actions for line in _section(one, tests.get(one.name, []))]
    lines += ["## Probes", ""]
    lines += [line for one in probes for line in _section(one, tests.get(one.name, []))]
    return "\n".join(lines).rstrip() + "\n"


def _index(actions: list[DescribedAction]) -> Iterator[str]:
    yield "| Action | What it does | Approval, if the plan does not say |"
    yield "|---|---|---|"
    for one in actions:
        yield f"| `{one.name}` | {one.title} | {one.approval} |"


def _section(one: DescribedAction, tests: list[str]) -> Iterator[str]:
    yield from (f"### `{one.name}`", "", f"{one.title}. {one.about}", "")
    yield from _params(one.params)
    if one.kind == "action":
        yield f"- Risk: {one.risk}"
        yield f"- Undo: {one.undo}"
        yield f"- Approval: {one.approval}"
    if one.leaves:
        by = " or ".join(f"`{name}`" for name in one.reversed_by)
        yield f"- Stays in place: {one.leaves}{f', until it is undone or settled by {by}' if by else ''}."
    for need in one.permissions:
        yield f"- Permission, `{need.system}`: {need.rights}. Role: {need.role}."
    if tests:
        links = [f"[{path.rpartition('/')[2]}](../{path})" for path in tests]
        yield f"- Tests: {', '.join(links)}"
    yield ""


def _params(params: list[DescribedParam]) -> Iterator[str]:
    if not params:
        return
    yield "| Parameter | Type | If left out | Meaning |"
    yield "|---|---|---|---|"
    for one in params:
        left_out = "required" if one.required else f"`{one.default}`" if one.default else "nothing"
        yield f"| `{one.name}` | {_cell(one.type)} | {left_out} | {_cell(one.about)} |"
    yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
