"""What people do means the same whichever way it comes in, and the record says how it is known who it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from allclear.domain.incident import Incident
from allclear.domain.proof import Proof
from allclear.domain.records import Acknowledged, AskAnswered, Entry, HoldEnded, HoldStarted, RoleOffered
from allclear.domain.runbook import Phase
from allclear.domain.timeline import line_of
from allclear.reports.base import Reader
from allclear.reports.incident import Show
from tests.patience import until
from tests.scenario.response_support import run_phase
from tests.scenario.ways_support import house, newest

BEN = {"role": "communications_lead", "to": "Ben"}

WAYS: dict[str, tuple[str, Proof, str]] = {
    "page": ("page", Proof.LINK, "Identified by a personal link, on the incident's page"),
    "slack": ("slack", Proof.SLACK, "Identified by Slack"),
    "cli": ("cli", Proof.TOKEN, "Identified by a personal token, from the command line"),
    "api": ("api", Proof.TOKEN, "Identified by a personal token, through the API"),
    "prefect": ("prefect", Proof.CLAIMED, "Claimed in Prefect"),
    "pagerduty": ("pagerduty", Proof.PAGERDUTY, "Identified by PagerDuty"),
}
"""The way in -> the channel and the proof in the record, and what the timeline says about it."""

DOES: dict[str, tuple[type, dict[str, str], Callable[[Incident], bool]]] = {
    "acknowledge": (Acknowledged, {}, lambda incident: incident.acknowledged_by is not None),
    "approve": (AskAnswered, {}, lambda incident: newest(incident).granted),
    "deny": (AskAnswered, {}, lambda incident: newest(incident).denied),
    "hand-over": (RoleOffered, BEN, lambda incident: incident.offers["communications_lead"].to == "Ben"),
    "hold": (HoldStarted, {"reason": "we look first"}, lambda incident: incident.held is not None),
    "release": (HoldEnded, {"reason": "we have looked"}, lambda incident: incident.held is None),
}
"""What is done -> the record, what is said with it, and what is true then."""


def table() -> list[tuple[str, str]]:
    """Return each way with each thing that can be done by it."""
    return [(way, does) for way in WAYS for does in DOES if way != "pagerduty" or does == "acknowledge"]


async def test_each_command_works_by_each_way_and_the_record_says_who_it_was(tmp_path: Path) -> None:
    """The effect, the channel, the proof and the sentence; each in an incident of its own."""
    found: dict[tuple[str, str], object] = {}
    async with house(tmp_path) as at:
        await run_phase(at.engine, at.sim.world, at.id, Phase.DETECT)  # it pages
        paged = at.id
        for way, does in table():
            if way == "pagerduty":
                at.id = paged
            else:
                at.open()
            record, said, is_so = DOES[does]
            if does == "release":
                at.engine.people.hold(at.id, "we look first", at.engine.people.who("Ana", "on_call", "drill"))
            await getattr(at, way)(does, said)

            def entries(record: type = record) -> list[Entry]:
                return [one for one in at.engine.journal.entries(at.id) if isinstance(one.record, record)]

            (entry,) = await until(entries)
            line = line_of(entry, at.incident, at.engine.company.plan)
            found[way, does] = (entry.by.actor, entry.by.via, entry.by.proof, line.identified, is_so(at.incident))
            shown = Show(incident=at.id, every=True, width=400).show(at.engine, Reader()).text
            assert f"{line.identified}." in shown, (way, does)
    assert found == {(way, does): ("Ana", *WAYS[way], True) for way, does in table()}
