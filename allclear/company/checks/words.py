"""Checks which English words and sentences would fill the templates of a plan in another language."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from allclear.company.diagnostics import Diagnostic
from allclear.company.load import PLAN, Draft
from allclear.company.yaml_file import Place
from allclear.domain.placeholders import unknown_placeholders
from allclear.domain.plan import Plan
from allclear.domain.plan.words import ENGLISH_SENTENCES, WORDS, WORDS_OF

_NONE: Mapping[str, str] = {}


def check_words(draft: Draft) -> Iterator[Diagnostic]:
    """Yield a warning for each template that English would fill, if the plan has another language or own words."""
    plan = draft.plan
    if plan is None or (plan.in_english and not plan.words):
        return
    texts: dict[Place, str] = {("templates", name): text for name, text in draft.templates.items()}
    if draft.post_mortem is not None:
        texts["post_mortem", "template"] = draft.post_mortem
    for place, text in texts.items():
        used = list(dict.fromkeys(unknown_placeholders(text, _NONE)))
        yield from _missing(draft, plan, place, used)
        english = [f"{{{name}}}" for name in used if name in ENGLISH_SENTENCES]
        if english:
            yield draft.files[PLAN].warning(
                place,
                f"{_named(place)} holds {', '.join(english)}, whose sentences are English.",
                "Leave them out of texts that must not be English.",
            )


def _missing(draft: Draft, plan: Plan, place: Place, used: list[str]) -> Iterator[Diagnostic]:
    """Yield a warning that lists the words of a template that the plan does not give."""
    wanted = dict.fromkeys(word for name in used for word in WORDS_OF.get(name, ()))
    missing = [word for word in wanted if word not in plan.words]
    if missing:
        listed = ", ".join(f'{word} ("{WORDS[word]}")' for word in missing)
        yield draft.files[PLAN].warning(
            place,
            f"{_named(place)} is filled with English words that `words` does not give: {listed}.",
            f"Give each under `words`, as `{missing[0]}: ...`.",
        )


def _named(place: Place) -> str:
    return f"The template `{place[-1]}`" if place[0] == "templates" else "The post-mortem's template"
