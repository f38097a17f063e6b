"""The placeholders of a post-mortem's template, where each value comes from, and the fields that people write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from allclear.domain.review.post_mortem import PostMortemField


class Field(NamedTuple):
    """A part of the post-mortem that a person writes."""

    placeholder: str
    about: str
    shape: Literal["text", "line", "list"]
    """`text` may have several paragraphs, `line` stands on one line, each line of a `list` is a point."""


FIELDS: Mapping[PostMortemField, Field] = {
    "summary": Field("summary", "What happened, in a few sentences.", "text"),
    "root_cause": Field("root_cause", "What caused the incident.", "text"),
    "contributing_factors": Field("contributing_factors", "What made it likelier, longer or worse.", "list"),
    "impact_users": Field("users_affected", "How many users were affected, and how.", "line"),
    "impact_revenue": Field("revenue_impact", "What it cost.", "line"),
    "customer_data": Field("customer_data", "What is known about customers' data: touched, leaked, or not.", "line"),
    "resolution": Field("resolution", "How it was fixed.", "text"),
    "went_well": Field("went_well", "What went well; a line for each point.", "list"),
    "could_improve": Field("could_improve", "What could be improved; a line for each point.", "list"),
    "got_lucky": Field("got_lucky", "Where luck helped; a line for each point.", "list"),
    "preventive": Field("preventive", "What prevents it from happening again; a line for each measure.", "list"),
}
"""The fields of `allclear postmortem ID --write FIELD "..."`, in the order in which they are asked for."""

PLACEHOLDERS: dict[str, str] = {
    "incident": "The incident's id, as VS-12.",
    "title": "Its title.",
    "company": "The company's name.",
    "simulated": "A banner in a drill, nothing in production.",
    "date": "The day it was detected, as YYYY-MM-DD.",
    "written": "When this document was written, in the plan's zone.",
    "status": "How it stands: INVESTIGATING, IDENTIFIED (the cause), CONTAINED, RESOLVED, FALSE ALARM or ABANDONED.",
    "incident_lead": "Who leads the incident; if no one does, the document says so.",
    "roles": "Who had which role last, a list.",
    "severity": "Its severity at the end.",
    "severity_history": "Each severity it had, since when and why, a list.",
    "duration": "From the beginning (or the detection) to recovery, in hours and minutes.",
    "detected_how": "How it became known, and the number of alerts.",
    "timeline": "The key events, twelve at most: the turns, decisions, and the notes that people marked.",
    "chart": "Failed requests over time with what was done about them: as text, and in HTML as a drawing.",
    "full_timeline": "Every entry that is not routine, in the plan's zone with its channel and number; gaps are shown.",
    "gaps": "Where nothing was recorded for over ten minutes, a list.",
    "affected_for": "How long users were affected: from the beginning (or the detection) until containment.",
    "requests_affected": "How many requests failed, and who counted them; a line.",
    "measured_impact": "What the health checks measured at detection, containment and recovery, and users' requests.",
    "services_affected": "The service's name for people.",
    "mitigation": "What stopped the impact, apart from the fix.",
    "times": "When it began, was detected, acknowledged, contained, had recovered and ended, and what the plan allows.",
    "kind": "The kind of incident, in the plan's words.",
    "targets": "The plan's targets and duties, when each was due and met, a table; missed ones are marked.",
    "acts": "Each act on production with before, after, approvals, time and outcome, a table.",
    "messages": "Messages and pages with their outcome, a list.",
    "notified": "Who was notified by the plan: audience, person, way, when and how far it got, a table.",
    "in_place": "What containment left in place, a list.",
    "action_items": "The follow-ups with owner and date, a numbered list with boxes to tick.",
    "entries": "How many entries the record has.",
    "head_hash": "The hash of the record's last entry.",
} | {field.placeholder: f"A person's words: {field.about}" for field in FIELDS.values()}
"""Every placeholder of a post-mortem's template, and where its value comes from."""
