"""Lists what a plan assumes: every value that the company's own document does not state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from pydantic import BaseModel

from allclear.company.diagnostics import Diagnostic
from allclear.company.load import PLAN, Draft
from allclear.company.yaml_file import Place
from allclear.domain.plan import MayBeAssumed

_CONFIRM = "Confirm it, or change it."


def list_assumptions(draft: Draft) -> Iterator[Diagnostic]:
    """Yield each entry under `assumed`, and each part of the plan that is marked as assumed."""
    if draft.plan is None:
        return
    file = draft.files[PLAN]
    for index, assumption in enumerate(draft.plan.assumed):
        sentence = f"Assumed, {assumption.field}: {assumption.because.rstrip('.')}."
        yield file.assumed(("assumed", index), sentence, _CONFIRM)
    for place, part in _assumed_parts(draft.plan):
        name = ".".join(str(key + 1) if isinstance(key, int) else key for key in place)
        reason = f": {part.because.rstrip('.')}" if part.because else ""
        yield file.assumed(place, f"Assumed, {name}{reason}.", _CONFIRM)


def _assumed_parts(part: object, place: Place = ()) -> Iterator[tuple[Place, MayBeAssumed]]:
    if isinstance(part, MayBeAssumed) and part.assumed:
        yield place, part
    if isinstance(part, BaseModel):
        for name in type(part).model_fields:
            yield from _assumed_parts(getattr(part, name), (*place, name))
    elif isinstance(part, dict):
        for key, value in cast("dict[str, object]", part).items():
            yield from _assumed_parts(value, (*place, str(key)))
    elif isinstance(part, list):
        for index, value in enumerate(cast("list[object]", part)):
            yield from _assumed_parts(value, (*place, index))
