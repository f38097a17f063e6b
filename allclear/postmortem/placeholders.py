"""What a post-mortem's template may hold, where each value comes from, and which words only a person can give."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Field(NamedTuple):
    """A part of the post-mortem that a person writes."""

    placeholder: str
    about: str
    shape: Literal["text", "line", "list"]
    """`text` may have several paragraphs, `line` stands on one line, each line of a `list` is a point."""


FIELDS: dict[str, Field] = {
    "summary": Field("summary", "What happened, in a few sentences.", "text"),
    "root_cause": Field("root_cause", "What caused the incident.", "text"),
    "contributing_factors": Field("contributing_factors", "What made it likelier, longer or worse.", "list"),
    "impact_users": Field("users_affected", "How many users were affected, and how.", "line"),
    "impact_revenue": Field("revenue_impact", "What it cost.", "line"),
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
    "written": "When this document was written, in UTC.",
    "status": "How it stands: INVESTIGATING, IDENTIFIED (the cause), CONTAINED, RESOLVED or FALSE ALARM.",
    "incident_lead": "Who wears the hat of the incident commander; blank where nobody does.",
    "roles": "Who wore which hat last, a list.",
    "severity": "Its severity at the end.",
    "severity_history": "Each severity it had, since when and why, a list.",
    "duration": "From the beginning (or the detection) to recovery, in hours and minutes.",
    "detected_how": "How it became known, and how many alerts told of it.",
    "timeline": "The scribe's lines in UTC, each with its way in and its entry's number; silences are marked.",
    "gaps": "Where nothing was recorded for over ten minutes, a list.",
    "measured_impact": "What the looks at the service said: the trouble, the containment, the recovery.",
    "services_affected": "The service's name for people.",
    "mitigation": "What stopped the bleeding, apart from what fixed it.",
    "times": "Time to detect, acknowledge, contain and recover, a table; an unknown stays blank.",
    "kind": "The kind of incident, in the plan's words.",
    "targets": "The plan's own times: by when each thing was due and when it was, a table; what was missed is marked.",
    "acts": "Each act: before, after, who approved it, when, what became of it; a table.",
    "in_place": "What containment left behind and is still in place, a list.",
    "action_items": "The follow-ups with owner and date, a numbered list with boxes to tick.",
    "entries": "How many entries the record has.",
    "head_hash": "The hash of the record's last entry.",
} | {field.placeholder: f"A person's words: {field.about}" for field in FIELDS.values()}
"""Every placeholder of a post-mortem's template, and where its value comes from."""
