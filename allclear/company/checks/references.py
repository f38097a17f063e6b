"""Checks that the names which one part of a plan uses for another exist: severities, kinds, facets, roles, people."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import cast
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from allclear.company.diagnostics import Diagnostic, suggestion
from allclear.company.load import PLAN, Draft
from allclear.company.yaml_file import Place, YamlFile
from allclear.domain.plan import EVERYONE, UNKNOWN, Layer, MayBeAssumed, Plan
from allclear.domain.plan.notifications import Applies

_AHEAD = timedelta(days=3 * 366)
"""How far hand-overs are looked at: in three years each falls on a change of the clocks, if it ever does."""


def check_references(draft: Draft) -> Iterator[Diagnostic]:
    """Yield every name in the plan that stands for nothing, and every order that cannot be kept."""
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
    """The plan's names, and who uses them."""

    def __init__(self, plan: Plan, file: YamlFile) -> None:
        self._plan = plan
        self._file = file

    def diagnostics(self) -> Iterator[Diagnostic]:
        plan = self._plan
        yield from self._scale()
        if not plan.storm.enabled:
            said = "The storm policy is off: each new alert opens an incident, however many come."
            yield self._file.warning(("storm", "enabled"), said, "Take the line out, unless you measure something.")
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
                said = f"The plan has no threshold `{route.threshold}`."
                yield self._file.error(("routes", index, "threshold"), said, suggestion(route.threshold, known))
        yield from self._thresholds()
        yield from self._roles_of_roles()
        yield from self._roles_elsewhere()
        yield from self._rotas()
        yield from self._audiences()

    def _thresholds(self) -> Iterator[Diagnostic]:
        """A rate over no time and of nobody knows how many is exceeded by the first failure of a quiet night."""
        for index, one in enumerate(self._plan.thresholds):
            missing = [name for name in ("window", "samples") if getattr(one, name) is None]
            if one.above is not None and missing:
                lacks = " and no ".join(f"`{name}`" for name in missing)
                yield self._file.warning(
                    ("thresholds", index),
                    f"The threshold `{one.name}` has `above` and no {lacks}.",
                    "Say over how long it is counted and how few say nothing, as `window: 5m` and `samples: 100`.",
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
        """A severity escalates to a graver one only: else it would go round and round."""
        for index, severity in enumerate(self._plan.severities):
            if severity.escalates is None:
                continue
            place, to = ("severities", index, "escalates", "to"), severity.escalates.to
            yield from self._severity(place, to)
            if self._plan.severity(to) and self._plan.rank(to) >= index:
                graver = [one.name for one in self._plan.severities[:index]]
                yield self._file.error(
                    place,
                    f"{severity.name} escalates to {to}, which is not graver.",
                    f"Name one of {', '.join(graver)}." if graver else "Take it out.",
                )

    def _roles_of_roles(self) -> Iterator[Diagnostic]:
        plan = self._plan
        for name, role in plan.roles.items():
            for field, others in (("deputies", role.deputies), ("never_with", role.never_with)):
                place = ("roles", name, field)
                yield from self._known(place, others, plan.roles, "role")
                if name in others:
                    yield self._file.error(place, f"`{name}` names itself in `{field}`.", "Take it out.")
            for person in plan.people:
                both = next((other for other in role.never_with if other in person.roles), None)
                if name in person.roles and both:
                    index = plan.people.index(person)
                    yield self._file.error(
                        ("people", index, "roles"),
                        f"{person.name} has `{name}` and `{both}`, which one person must not have.",
                        "Give one of them to somebody else.",
                    )

    def _roles_elsewhere(self) -> Iterator[Diagnostic]:
        plan = self._plan
        yield from self._known(("may_lower",), plan.may_lower or (), plan.roles, "role")
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
                    "The rungs are not in the order of their `after`.",
                    "Put the shortest first.",
                )

    def _rotas(self) -> Iterator[Diagnostic]:
        plan = self._plan
        names = {person.name: person for person in plan.people}
        for index, rota in enumerate(plan.rotas):
            place = ("rotas", index)
            yield from self._known((*place, "role"), [rota.role], plan.roles, "role")
            zone = ZoneInfo(rota.zone or plan.working_time.zone)
            for number, layer in enumerate(rota.layers):
                yield from self._hand_overs((*place, "layers", number, "starts"), layer, zone)
                for turn, name in enumerate(layer.people):
                    at = (*place, "layers", number, "people", turn)
                    if name not in names:
                        yield self._file.error(
                            at, f"Nobody under `people` is called `{name}`.", suggestion(name, names)
                        )
                    elif rota.role not in names[name].roles:
                        yield self._file.error(
                            at,
                            f"{name} has a turn as `{rota.role}` and does not hold that role.",
                            f"Add `{rota.role}` to the roles of {name}.",
                        )

    def _hand_overs(self, place: Place, layer: Layer, zone: ZoneInfo) -> Iterator[Diagnostic]:
        """A hand-over at an hour that the clocks skip or repeat would come at no moment, or at two."""
        at = datetime.fromisoformat(layer.starts)
        for _ in range(_AHEAD // layer.turn):
            offsets = {at.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1)}
            if len(offsets) > 1:
                yield self._file.warning(
                    place,
                    f"The layer `{layer.name}` is handed over on {at:%Y-%m-%d} at {at:%H:%M}, an hour in which"
                    f" {zone.key} puts its clocks forward or back.",
                    "Hand over at another hour, as 09:00.",
                )
                return
            at += layer.turn

    def _audiences(self) -> Iterator[Diagnostic]:
        """An audience may be anybody, in words; what is nearly a role was meant to be one."""
        plan = self._plan
        for field, lines in (("notifications", plan.notifications), ("updates", plan.updates)):
            for index, line in enumerate(lines):
                near = difflib.get_close_matches(line.audience, plan.roles, n=1, cutoff=0.8)
                if near and line.audience not in plan.roles:
                    yield self._file.warning(
                        (field, index, "audience"),
                        f"The plan has no role `{line.audience}`.",
                        suggestion(line.audience, plan.roles),
                    )


def assumed_parts(part: object, place: Place = ()) -> Iterator[tuple[Place, MayBeAssumed]]:
    """Yield every part of a plan that is marked as assumed, with its place."""
    if isinstance(part, MayBeAssumed) and part.assumed:
        yield place, part
    if isinstance(part, BaseModel):
        for name in type(part).model_fields:
            yield from assumed_parts(getattr(part, name), (*place, name))
    elif isinstance(part, dict):
        for key, value in cast("dict[str, object]", part).items():
            yield from assumed_parts(value, (*place, str(key)))
    elif isinstance(part, list):
        for index, value in enumerate(cast("list[object]", part)):
            yield from assumed_parts(value, (*place, index))
