"""The forms that open in Slack: one for the reason of an answer, one to declare an incident."""

from __future__ import annotations

import json
from typing import Any, cast

from allclear.company import Company
from allclear.domain.approval import Ask
from allclear.domain.base import JsonDict
from allclear.domain.decisions import Decision
from allclear.domain.plan import UNKNOWN
from allclear.domain.text import plain
from allclear.vendors.lengths import shortened

REASON, DECLARE = "allclear-reason", "allclear-declare"
"""Which form it is: Slack's `callback_id`."""
TITLE, SEVERITY, SERVICE, RUNBOOK, WHY = "title", "severity", "service", "runbook", "why"
"""The inputs of the forms."""
FACT = "fact:"
"""The inputs of the facts that the plan's severities and notifications depend on begin with it."""
BY_RULES = "by-the-rules"
"""The choice of severity that leaves it to the plan's rules."""
_NOT_KNOWN = {UNKNOWN: "not known yet"}
_MOST_FACTS = 50
"""Slack shows at most 100 blocks in a form."""
_LONGEST_TITLE, _LONGEST_LABEL, _MOST_OPTIONS, _LONGEST_OPTION = 24, 140, 100, 74


def reason_form(ask: Ask, decision: Decision, remembered: JsonDict) -> JsonDict:
    """Return the form that asks why; `remembered` comes back with it."""
    label = shortened(f"{decision.word.capitalize()}: {plain(ask.title)}", _LONGEST_LABEL)
    return _form(REASON, "Give a reason", decision.word.capitalize(), [_text(WHY, label, long=True)], remembered)


def declare_form(company: Company, title: str, remembered: JsonDict) -> JsonDict:
    """Return the form that declares an incident."""
    plan = company.plan
    by_rules = {BY_RULES: "by the plan's rules"} if plan.assess else {}
    severities = {one.name: one.name for one in plan.severities} | by_rules
    services = {name: service.title for name, service in company.systems.services.items()}
    runbooks = {name: runbook.title for name, runbook in company.runbooks.items()}
    blocks = [
        _text(TITLE, "What do users notice?", value=title),
        _select(SEVERITY, "Severity", severities),
        _select(SERVICE, "Service", services),
        _select(RUNBOOK, "Runbook", runbooks),
        *(
            _select(f"{FACT}{name}", facet.title, {value: value for value in facet.values} | _NOT_KNOWN, optional=True)
            for name, facet in list(plan.facets.items())[:_MOST_FACTS]
        ),
    ]
    return _form(DECLARE, "Declare an incident", "Declare", blocks, remembered)


def remembered_in(metadata: str) -> dict[str, str]:
    """Return what a form was opened with; empty for a form that is not ours."""
    try:
        fields = json.loads(metadata)
    except ValueError:
        return {}
    known = cast("dict[str, object]", fields) if isinstance(fields, dict) else {}
    return {name: str(value) for name, value in known.items()}


def _form(kind: str, title: str, submit: str, blocks: list[Any], remembered: JsonDict) -> JsonDict:
    from slack_sdk.models.views import View  # noqa: PLC0415 - its import takes a while

    view = View(
        type="modal",
        callback_id=kind,
        title=shortened(title, _LONGEST_TITLE),
        submit=shortened(submit, _LONGEST_TITLE),
        close="Cancel",
        blocks=blocks,
        private_metadata=json.dumps(remembered),
    )
    return cast("JsonDict", view.to_dict())  # pyright: ignore[reportUnknownMemberType]


def _text(name: str, label: str, value: str = "", *, long: bool = False) -> Any:  # noqa: ANN401 - a block
    from slack_sdk.models.blocks import InputBlock, PlainTextInputElement  # noqa: PLC0415 - as above

    element = PlainTextInputElement(
        action_id=name, multiline=long, max_length=3000 if long else 150, initial_value=value or None
    )
    return InputBlock(block_id=name, label=label, element=element)


def _select(name: str, label: str, options: dict[str, str], *, optional: bool = False) -> Any:  # noqa: ANN401 - a block
    from slack_sdk.models.blocks import InputBlock, Option, StaticSelectElement  # noqa: PLC0415 - as above

    listed = [
        Option(value=value, text=shortened(plain(text) or value, _LONGEST_OPTION))
        for value, text in list(options.items())[:_MOST_OPTIONS]
    ]
    element = StaticSelectElement(
        action_id=name, options=listed, initial_option=listed[0] if len(listed) == 1 else None
    )
    return InputBlock(block_id=name, label=shortened(label, _LONGEST_LABEL), element=element, optional=optional)
