"""Checks that the names which one part of a plan uses for another exist: severities, kinds, facets, roles, people."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from allclear.company.diagnostics import Diagnostic, suggestion
from allclear.company.load import PLAN, Draft
from allclear.company.yaml_file import Place, YamlFile
from allclear.domain.plan import EVERYONE, UNKNOWN, Plan
from allclear.domain.plan.notifications import Applies

_SECRECY = re.compile(r"secure|security|breach|leak|attack|credential|privacy|datenschutz|sicherheit")
"""Words in the name of a kind of incident that does not show in a health check."""


def check_references(draft: Draft) -> Iterator[Diagnostic]:
    """Yield every name in the plan that refers to nothing, and every order or number that cannot work."""
    if draft.plan is not None:
        yield from _PlanReferences(draft.plan, draft.files[PLAN]).diagnostics()
        for name, runbook in draft.runbooks.items():
            if runbook.kind not in draft.plan.kinds:
                yield draft.files[name].error(
                    ("kind",),
                    f"The plan has no kind of incident `{runbook.kind}`.",
                    suggestion(runbook.kind, draft.plan.kinds),
                )


class _PlanReferences:
    """The names that the parts of one plan use for each other."""

    def __init__(self, plan: Plan, file: YamlFile) -> None:
        self._plan = plan
        self._file = file

    def diagnostics(self) -> Iterator[Diagnostic]:
        plan = self._plan
        yield from self._scale()
        if not plan.storm.enabled:
            sentence = "The storm policy is off: each new alert opens an incident, also in an alert storm."
            yield self._file.warning(("storm", "enabled"), sentence, "Delete the line, unless you measure load.")
        for place, line in self._lines():
            yield from self._applies(place, line)
        for index, rule in enumerate(plan.assess):
            yield from self._severity(("assess", index, "severity"), rule.severity)
            yield from self._when(("assess", index, "when"), rule.when)
        for index, route in enumerate(plan.routes):
            yield from self._when(("routes", index, "facets"), dict(route.facets))
            yield from self._known(
                ("routes", index), [route.kind] if route.kind else [], plan.kinds, "kind of incident"
            )
            known = [threshold.name for threshold in plan.thresholds]
            if route.threshold and route.threshold not in known:
                sentence = f"The plan has no threshold `{route.threshold}`."
                yield self._file.error(("routes", index, "threshold"), sentence, suggestion(route.threshold, known))
        yield from self._thresholds()
        yield from self._kinds_for_people()
        yield from self._roles_of_roles()
        yield from self._roles_elsewhere()
        yield from self._readers()
        yield from self._audiences()

    def _kinds_for_people(self) -> Iterator[Diagnostic]:
        """Yield a warning for a kind that sounds as if a healthy service proved nothing about it."""
        for name, kind in self._plan.kinds.items():
            if kind.verified_by == "probe" and _SECRECY.search(f"{name} {kind.title}".casefold()):
                yield self._file.warning(
                    ("kinds", name),
                    f"A healthy service ends an incident of the kind `{name}` as a false alarm, and delays its page.",
                    "Add `verified_by: people` to it, because a leak or an attack does not show in a health check.",
                )

    def _thresholds(self) -> Iterator[Diagnostic]:
        """Yield a warning for a rate without a window or samples: one failed request at night would exceed it."""
        for index, threshold in enumerate(self._plan.thresholds):
            missing = [name for name in ("window", "samples") if getattr(threshold, name) is None]
            if threshold.above is not None and missing:
                lacks = " and no ".join(f"`{name}`" for name in missing)
                yield self._file.warning(
                    ("thresholds", index),
                    f"The threshold `{threshold.name}` has `above` and no {lacks}.",
                    "Add the window and the samples that it needs, for example `window: 5m` and `samples: 100`.",
                )

    def _lines(self) -> Iterator[tuple[Place, Applies]]:
        plan = self._plan
        parts: Mapping[str, Sequence[Applies]] = {
            "escalation_policies": plan.escalation_policies,
            "notifications": plan.notifications,
            "updates": plan.updates,
            "duties": plan.duties,
            "evidence": plan.evidence,
        }
        for name, lines in parts.items():
            yield from (((name, index), line) for index, line in enumerate(lines))
        if plan.incident_tickets:
            yield ("incident_tickets",), plan.incident_tickets
        if plan.follow_up_tickets:
            yield ("follow_up_tickets",), plan.follow_up_tickets
        yield from ((("post_mortem", "due", index), line) for index, line in enumerate(plan.post_mortem.due))

    def _applies(self, place: Place, line: Applies) -> Iterator[Diagnostic]:
        for index, name in enumerate(line.severities or ()):
            yield from self._severity((*place, "severities", index), name)
        yield from self._known((*place, "kinds"), line.kinds or (), self._plan.kinds, "kind of incident")
        yield from self._when((*place, "when"), line.when)

    def _severity(self, place: Place, name: str) -> Iterator[Diagnostic]:
        if self._plan.severity(name) is None:
            scale = [severity.name for severity in self._plan.severities]
            yield self._file.error(place, f"The plan has no severity `{name}`.", suggestion(name, scale))

    def _known(
        self, place: Place, names: Iterable[str], known: Mapping[str, object], what: str
    ) -> Iterator[Diagnostic]:
        for index, name in enumerate(names):
            if name not in known:
                yield self._file.error((*place, index), f"The plan has no {what} `{name}`.", suggestion(name, known))

    def _when(self, place: Place, wanted: Mapping[str, str | list[str]]) -> Iterator[Diagnostic]:
        for name, values in wanted.items():
            facet = self._plan.facets.get(name)
            if facet is None:
                yield self._file.error(
                    (*place, name), f"The plan has no facet `{name}`.", suggestion(name, self._plan.facets)
                )
                continue
            for value in [values] if isinstance(values, str) else values:
                if value not in (*facet.values, UNKNOWN):
                    yield self._file.error(
                        (*place, name), f"The facet `{name}` is never `{value}`.", suggestion(value, facet.values)
                    )

    def _scale(self) -> Iterator[Diagnostic]:
        """Yield an error for a severity that escalates to one that is not graver, which would never end."""
        for index, severity in enumerate(self._plan.severities):
            if severity.escalates is None:
                continue
            place, to = ("severities", index, "escalates", "to"), severity.escalates.to
            yield from self._severity(place, to)
            if self._plan.severity(to) and self._plan.rank(to) >= index:
                graver = [other.name for other in self._plan.severities[:index]]
                yield self._file.error(
                    place,
                    f"{severity.name} escalates to {to}, which is not graver.",
                    f"Name one of {', '.join(graver)}." if graver else "Delete `escalates`.",
                )

    def _roles_of_roles(self) -> Iterator[Diagnostic]:
        plan = self._plan
        for name, role in plan.roles.items():
            for field, others in (("deputies", role.deputies), ("never_with", role.never_with)):
                place = ("roles", name, field)
                yield from self._known(place, others, plan.roles, "role")
                if name in others:
                    yield self._file.error(place, f"`{name}` names itself in `{field}`.", "Delete it there.")
            for person in plan.people:
                both = next((other for other in role.never_with if other in person.roles), None)
                if name in person.roles and both:
                    index = plan.people.index(person)
                    yield self._file.error(
                        ("people", index, "roles"),
                        f"{person.name} has `{name}` and `{both}`, which one person must not hold together.",
                        "Give one of them to another person.",
                    )

    def _readers(self) -> Iterator[Diagnostic]:
        """Yield errors for roles that may read private incidents and do not exist, or that no one has.

        An incident that an alert opens could otherwise be read, approved and led by no one. If all names are blanks, it
        is a warning: such an incident is not private then.
        """
        plan = self._plan
        marked: list[tuple[Place, list[str]]] = [
            *((("kinds", name, "private_for"), kind.private_for) for name, kind in plan.kinds.items()),
            *((("severities", index, "private_for"), one.private_for) for index, one in enumerate(plan.severities)),
        ]
        for place, roles in marked:
            yield from self._known(place, roles, plan.roles, "role")
            if roles and not any(plan.holders(role) for role in roles):
                yield self._file.warning(
                    place,
                    "No role of `private_for` has a name yet, so that everyone may read such an incident.",
                    "Write the names under `people`.",
                )
            for index, role in enumerate(roles):
                if role in plan.roles and not any(role in person.roles for person in plan.people):
                    yield self._file.error(
                        (*place, index),
                        f"`private_for` names the role `{role}`, which no person has: no one could read it.",
                        "Write the person's name under `people`, with this role, or name another role.",
                    )

    def _roles_elsewhere(self) -> Iterator[Diagnostic]:
        plan = self._plan
        yield from self._known(("may_lower",), plan.may_lower or (), plan.roles, "role")
        invited = {**plan.roles, **plan.mailing_lists}
        yield from self._known(("post_mortem", "invite"), plan.post_mortem.invite, invited, "role and no mailing list")
        for field, lines in (("duties", plan.duties), ("evidence", plan.evidence)):
            for index, line in enumerate(lines):
                if line.role not in plan.roles:
                    yield self._file.error(
                        (field, index, "role"),
                        f"The plan has no role `{line.role}`.",
                        suggestion(line.role, plan.roles),
                    )
        for index, line in enumerate(plan.escalation_policies):
            for number, level in enumerate(line.levels):
                if level.roles != EVERYONE and not line.assumed:
                    yield from self._known(
                        ("escalation_policies", index, "levels", number, "roles"), level.roles, plan.roles, "role"
                    )
            waits = [level.after for level in line.levels]
            if waits != sorted(waits):
                yield self._file.error(
                    ("escalation_policies", index, "levels"),
                    "The levels are not sorted by their `after`.",
                    "Put the shortest first.",
                )

    def _audiences(self) -> Iterator[Diagnostic]:
        """Yield a warning for an audience that resembles a role, because an audience may be any words."""
        plan = self._plan
        for field, lines in (("notifications", plan.notifications), ("updates", plan.updates)):
            for index, line in enumerate(lines):
                near = difflib.get_close_matches(line.audience, plan.roles, n=1, cutoff=0.8)
                if near and line.audience not in {*plan.roles, *plan.mailing_lists}:
                    yield self._file.warning(
                        (field, index, "audience"),
                        f"The plan has no role `{line.audience}`.",
                        suggestion(line.audience, plan.roles),
                    )
