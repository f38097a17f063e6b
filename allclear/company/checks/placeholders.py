"""Checks the placeholders in a company's texts: each must have a source that fills it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from allclear.company.diagnostics import Diagnostic, display_path, suggestion
from allclear.company.load import PLAN, Draft
from allclear.company.yaml_file import Place, YamlFile
from allclear.domain.placeholders import INTERNAL, PLACEHOLDERS, render_all, unknown_placeholders
from allclear.domain.template_values import template_key

_BRACES = re.compile(r"\{[^{}\n]*\}")
_OPENED, _CLOSED = re.compile(r"\{([a-z][a-z0-9_]*)"), re.compile(r"([a-z][a-z0-9_]*)\}")
"""A placeholder with one brace. Other single braces are left alone, because a text may hold JSON."""
_NONE: Mapping[str, str] = {}

_TEMPLATE_MARK = "t_"
"""The prefix of placeholders that stand for a whole template."""


def texts(value: object, place: Place = ()) -> Iterator[tuple[Place, str]]:
    """Yield each string in `value` and its place."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for key, item in cast("dict[Any, object]", value).items():
            yield from texts(item, (*place, key))
    elif isinstance(value, list):
        for index, item in enumerate(cast("list[object]", value)):
            yield from texts(item, (*place, index))


def placeholders_of_steps(draft: Draft) -> dict[str, str]:
    """Return the placeholders that a step may hold: the fixed list, and one for each template of the plan."""
    names = draft.plan.templates if draft.plan else ()
    return PLACEHOLDERS | {template_key(name): f"The template {name}." for name in names}


def with_examples(draft: Draft, value: object, service: str) -> Any:  # noqa: ANN401 - the same shape as it came in
    """Return `value` with an example in place of each placeholder, so that its parameters can be validated."""
    plan = draft.plan
    examples = {
        "incident": f"{plan.short}-1" if plan else "XX-1",
        "severity": plan.severities[0].name if plan else "P0",
        "status": "INVESTIGATING",
        "service": service,
        "number": "1",
        "review_meeting": "2026-11-30T14:00:00+00:00",
        "review_people": "ana@example.com",
        "customers": ",".join(plan.customers) if plan else "customers@example.com",
        "status_page": (plan.status_page_url if plan else "") or "https://status.example.com",
    }
    named = {name for _, text in texts(value) for name in unknown_placeholders(text, _NONE)}
    return render_all(value, {name: f"some {name.replace('_', ' ')}" for name in named} | examples)


def check_step_placeholders(
    draft: Draft, file: YamlFile, place: Place, value: object, more: Mapping[str, str] = _NONE
) -> Iterator[Diagnostic]:
    """Yield what is wrong with the placeholders of a step; `more` holds further placeholders that are allowed."""
    known = {**placeholders_of_steps(draft), **more}
    for where, text in texts(value, place):
        for name in unknown_placeholders(text, known):
            if draft.plan is None and name.startswith(_TEMPLATE_MARK):
                continue
            yield file.error(where, f"The placeholder {{{name}}} has no source.", suggestion(name, known))
        for braces in _not_placeholders(text):
            yield file.warning(where, f"{braces} is not a placeholder, and is not replaced.", _HOW)
        for line in text.splitlines():
            yield from (file.error(where, sentence, next_step) for sentence, next_step in _unclosed(line))


def check_public_placeholders(draft: Draft, file: YamlFile, place: Place, value: object) -> Iterator[Diagnostic]:
    """Yield an error for each placeholder of a public text that may hold the words of strangers or of the team."""
    templates = {template_key(name): name for name in draft.templates}
    for where, text in texts(value, place):
        for name in unknown_placeholders(text, _NONE):
            inside = unknown_placeholders(draft.templates[templates[name]], _NONE) if name in templates else [name]
            for word in dict.fromkeys(inside):
                if word in INTERNAL:
                    within = f" in the template `{templates[name]}`" if name in templates else ""
                    yield file.error(
                        where,
                        f"The public would read {{{word}}}{within}: it may hold the words of an alert or of the team.",
                        "Write {impact} or {feature}, which hold the plan's own words.",
                    )


def check_plan_placeholders(draft: Draft) -> Iterator[Diagnostic]:
    """Yield what is wrong with the placeholders in the plan's duties and evidence, which people are asked for."""
    if draft.plan is None:
        return
    for field, lines in (("duties", draft.plan.duties), ("evidence", draft.plan.evidence)):
        for index, line in enumerate(lines):
            for name in ("title", "ask"):
                place = (field, index, name)
                yield from check_step_placeholders(draft, draft.files[PLAN], place, getattr(line, name))


def check_route_texts(draft: Draft) -> Iterator[Diagnostic]:
    """Yield a warning for braces in a route's `impact` or `feature`: both go into pages unchanged."""
    if draft.plan is None:
        return
    for index, route in enumerate(draft.plan.routes):
        for name in ("impact", "feature"):
            text = getattr(route, name)
            for braces in [*_BRACES.findall(text), *_lone_braces(text)]:
                yield draft.files[PLAN].warning(
                    ("routes", index, name),
                    f"{braces} is not replaced: `{name}` takes no placeholders.",
                    "Write it in words; only templates and steps take placeholders.",
                )


def check_template_placeholders(draft: Draft, post_mortem: Mapping[str, str] | None) -> Iterator[Diagnostic]:
    """Yield what is wrong with the placeholders of the templates, with the line in the template's own file.

    `post_mortem` holds the placeholders of the post-mortem's template; without them, that template is not checked.
    """
    if draft.plan is None:
        return
    for name, text in draft.templates.items():
        yield from _in_template(draft, draft.plan.templates[name], text, PLACEHOLDERS)
    if post_mortem is not None and draft.post_mortem is not None:
        yield from _in_template(draft, draft.plan.post_mortem.template, draft.post_mortem, post_mortem)


def _in_template(draft: Draft, file: str, text: str, known: Mapping[str, str]) -> Iterator[Diagnostic]:
    path = display_path(draft.folder / file)
    for number, line in enumerate(text.splitlines(), start=1):
        for name in unknown_placeholders(line, known):
            nested = name.startswith(_TEMPLATE_MARK)
            reason = "names a template, which a template must not contain" if nested else "has no source"
            yield Diagnostic("error", path, number, f"The placeholder {{{name}}} {reason}.", suggestion(name, known))
        for braces in _not_placeholders(line):
            yield Diagnostic("warning", path, number, f"{braces} is not a placeholder, and is not replaced.", _HOW)
        yield from (Diagnostic("error", path, number, *found) for found in _unclosed(line))


def _unclosed(line: str) -> Iterator[tuple[str, str]]:
    """Yield a sentence and the next step for each placeholder of one line that has only one of its braces."""
    rest = _BRACES.sub(" ", line)
    for name in _OPENED.findall(rest):
        yield f"The placeholder {{{name} is not closed, and is not replaced.", f"Write {{{name}}}."
    for name in _CLOSED.findall(rest):
        yield f"The placeholder {name}}} is not opened, and is not replaced.", f"Write {{{name}}}."


def _lone_braces(text: str) -> list[str]:
    rest = _BRACES.sub(" ", text)
    return [*(f"{{{name}" for name in _OPENED.findall(rest)), *(f"{name}}}" for name in _CLOSED.findall(rest))]


def _not_placeholders(text: str) -> list[str]:
    return [braces for braces in _BRACES.findall(text) if not unknown_placeholders(braces, _NONE)]


_HOW = "Write a placeholder in lower case without spaces, for example {severity}."


def check_unused_templates(draft: Draft) -> Iterator[Diagnostic]:
    """Yield a warning for each template without a use, and each file in `templates/` that the plan does not name."""
    if draft.plan is None:
        return
    plan = draft.files[PLAN]
    used: set[str] = set()
    for runbook in draft.runbooks.values():
        lines = texts(runbook.model_dump(mode="json"))
        used.update(name for _, text in lines for name in unknown_placeholders(text, _NONE))
    for name in draft.plan.templates:
        if template_key(name) not in used:
            yield plan.warning(
                ("templates", name),
                f"No runbook uses the template `{name}`.",
                f"Write {{{template_key(name)}}} in a step, or delete the template.",
            )
    named = {draft.folder / file for file in (*draft.plan.templates.values(), draft.plan.post_mortem.template)}
    for path in sorted((draft.folder / "templates").glob("*")):
        if path.is_file() and path not in named and not path.name.startswith("."):
            yield plan.warning(
                ("templates",),
                f"The plan does not name the file `templates/{path.name}`.",
                "Name it under `templates`, or delete it.",
            )
