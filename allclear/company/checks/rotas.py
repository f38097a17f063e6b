"""Checks the rotas of a plan: their roles, their people, and the hours at which a turn is handed over."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from allclear.company.diagnostics import Diagnostic, suggestion
from allclear.company.load import PLAN, Draft
from allclear.company.yaml_file import Place, YamlFile
from allclear.domain.base import person_key
from allclear.domain.plan import Layer, Plan, Rota

_AHEAD = timedelta(days=3 * 366)
"""How far ahead hand-overs are checked: within three years, each one that can meet a clock change meets one."""


def check_rotas(draft: Draft) -> Iterator[Diagnostic]:
    """Yield unknown roles and people, people without the rota's role, and hand-overs during a clock change."""
    if draft.plan is None:
        return
    for index, rota in enumerate(draft.plan.rotas):
        yield from _check_rota(draft.plan, draft.files[PLAN], ("rotas", index), rota)
        role = draft.plan.roles.get(rota.role)
        if rota.from_pager and role and not role.pager_policy:
            sentence = f"PagerDuty is to say who is on duty, and `{rota.role}` has no escalation policy there."
            step = f"Write `pager_policy: PXXXXXX` under `{rota.role}` in `roles`, or leave out `from_pager`."
            yield draft.files[PLAN].error(("rotas", index, "from_pager"), sentence, step)


def _check_rota(plan: Plan, file: YamlFile, place: Place, rota: Rota) -> Iterator[Diagnostic]:
    if rota.role not in plan.roles:
        sentence = f"The plan has no role `{rota.role}`."
        yield file.error((*place, "role"), sentence, suggestion(rota.role, plan.roles))
    zone = ZoneInfo(rota.zone or plan.working_time.zone)
    for number, layer in enumerate(rota.layers):
        layer_place = (*place, "layers", number)
        yield from _check_hand_overs(file, (*layer_place, "starts"), layer, zone)
        yield from _check_people(plan, file, (*layer_place, "people"), layer, rota.role)
        yield from _check_absences(plan, file, layer, zone)


def _check_people(plan: Plan, file: YamlFile, place: Place, layer: Layer, role: str) -> Iterator[Diagnostic]:
    people = {person_key(person.name): person for person in plan.people}
    for turn, name in enumerate(layer.people):
        person = people.get(person_key(name))
        if person is None:
            sentence = f"No person under `people` is called `{name}`."
            yield file.error((*place, turn), sentence, suggestion(name, [one.name for one in plan.people]))
        elif role not in person.roles:
            sentence = f"{name} has a turn as `{role}` and does not hold that role."
            yield file.error((*place, turn), sentence, f"Add `{role}` to the roles of {name}.")


def _check_hand_overs(file: YamlFile, place: Place, layer: Layer, zone: ZoneInfo) -> Iterator[Diagnostic]:
    """Yield a warning for a hand-over in an hour that a clock change skips or repeats.

    Such a hand-over would happen at no moment, or at two.
    """
    at = datetime.fromisoformat(layer.starts)
    for _ in range(_AHEAD // layer.turn):
        offsets = {at.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1)}
        if len(offsets) > 1:
            yield file.warning(
                place,
                f"The layer `{layer.name}` is handed over on {at:%Y-%m-%d} at {at:%H:%M}, an hour in which"
                f" {zone.key} puts its clocks forward or back.",
                "Hand over at another hour, for example 09:00.",
            )
            return
        at += layer.turn


def _check_absences(plan: Plan, file: YamlFile, layer: Layer, zone: ZoneInfo) -> Iterator[Diagnostic]:
    """Yield a warning for each absence that meets one of the person's own turns."""
    for number, person in enumerate(plan.people):
        for index, absence in enumerate(person.away):
            noon = time(12, tzinfo=zone)
            turns = {layer.turn_at(datetime.combine(day, noon), zone) for day in (absence.from_, absence.until)}
            met = [
                turn
                for turn in range(max(min(turns), 0), max(turns) + 1)
                if layer.named(person.name) == layer.person(turn)
            ]
            if met:
                begins = layer.begins(met[0], zone).astimezone(zone)
                yield file.warning(
                    ("people", number, "away", index),
                    f"{person.name} is away from {absence.from_} to {absence.until} and has the turn of the layer"
                    f" `{layer.name}` that begins on {begins:%Y-%m-%d}. Reminders go to the next person then.",
                    "When the turn begins, let another person take it over: allclear take-over.",
                )
