"""A P0 of a company with the people of its drill, and what the simulated vendors received for each person.

The engine and the vendors have one clock, which a test moves. What arrived is read from the vendors' own logs alone.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from allclear.bootstrap import make_engine
from allclear.company import Company, load_company
from allclear.domain.alert import Alert
from allclear.domain.runbook import Phase
from allclear.drill.script import Script, find_script
from allclear.responder.app import make_app
from allclear.settings import Settings
from allclear.simulator.faults import Fault
from allclear.simulator.scenario import Production, load_scenario
from allclear.simulator.scenario_schema import PhoneSpec
from allclear.stack import Ports
from tests.contract.simulator_support import REPOSITORY, Simulated
from tests.scenario.response_support import MACHINE, announced, installed, new_journal
from tests.scenario.scenes import Scene, Watch
from tests.unit.responder.responder_support import served

WORST = {"vintstreet": "payment-processing-down", "retailgen": "site-down"}
"""Company -> the drill of its worst severity."""

BREAKS: dict[str, tuple[tuple[str, str], ...]] = {
    "slack": (("slack", "chat.postMessage"),),
    "pagerduty": (("pagerduty", "enqueue"),),
    "email": (("email", "data"),),
    "sms": (("twilio", "send_message"),),
    "phone": (("twilio", "place_call"),),
    "status page": (("statuspage", "create_incident"),),
}
"""Channel -> the calls of its vendor that fail if it is broken."""

OFTEN = 10_000


@dataclass(frozen=True)
class Arrived:
    """One message to a person, as a vendor's log has it."""

    channel: str
    to: str
    text: str
    at: datetime

    @property
    def repeat(self) -> bool:
        """Return whether it says that the reader may have it already."""
        return "You may have received this already" in self.text


@cache
def _company(name: str) -> Company:
    """Return the company with a short smoke test: each path is asked for once."""
    company = load_company(REPOSITORY / "runbooks" / name)
    short = {"requests": 4, "p95": None, "timeout": timedelta(seconds=60)}
    services = {
        key: service.model_copy(update={"smoke": service.smoke.model_copy(update=short)})
        for key, service in company.systems.services.items()
    }
    return replace(company, systems=company.systems.model_copy(update={"services": services}))


@cache
def _drill(name: str) -> tuple[Script, Production]:
    """Return the company's worst drill, and its production, which fails on every request and has few users."""
    folder = REPOSITORY / "runbooks" / name
    _, script = find_script(folder, WORST[name])
    production = load_scenario(folder / "drills" / f"{WORST[name]}.yaml")
    assert production.outbreak is not None
    assert production.outbreak.deploy is not None
    worst = [one.model_copy(update={"error_rate": 1.0}) for one in production.outbreak.deploy.faults]
    deployed = production.outbreak.deploy.model_copy(update={"faults": worst})
    parts = {
        "outbreak": production.outbreak.model_copy(update={"deploy": deployed}),
        "users": production.users.model_copy(update={"per_second": 1.0}),
        "operation_takes": timedelta(milliseconds=10),
    }
    return script, production.model_copy(update=parts)


@dataclass
class Rehearsal(Scene):
    """The incident, its people, and the vendors' logs."""

    script: Script

    def address(self, role: str, kind: str) -> str:
        """Return the contact of the person with a role."""
        (person,) = self.engine.company.plan.holders(role)
        return person.contacts[kind].address

    def break_down(self, channel: str, kind: str) -> None:
        """Make every call of a channel fail in a way, or deliver nothing that it accepts."""
        for api, method in BREAKS[channel]:
            fault = {"api": api, "method": method, "kind": kind, "times": OFTEN, "seconds": 3600}
            self.simulated.world.faults.set(Fault.model_validate(fault))

    async def rounds(self, count: int) -> None:
        """Let `count` seconds pass, and send all that is due in each."""
        for _ in range(count):
            self.watch.now += timedelta(seconds=1)
            await self.engine.reminders.start_due()
            await self.engine.reminders.wait()

    def arrived(self) -> list[Arrived]:
        """Return every message that a vendor has taken for a person, and delivered as far as it can tell."""
        found = (self._arrived(entry) for entry in self.simulated.world.event_log.entries())
        return [*self._in_slack(), *(one for some in found for one in some)]

    def _in_slack(self) -> Iterator[Arrived]:
        """Yield the notices that mention a person; a reminder may mention people, too, and is none."""
        people = [one.contacts["slack"].address for one in self.engine.company.plan.people if one.known]
        messages: list[dict[str, Any]] = self.simulated.world.workspace.channels[0].messages
        for message in messages:
            metadata: dict[str, Any] = message.get("metadata") or {}
            key = str(metadata.get("event_payload", {}).get("key"))
            at = datetime.fromtimestamp(float(message["ts"]), UTC)
            mentioned = [one for one in people if f"<@{one}>" in message["text"] and _is_notice(key)]
            yield from (Arrived("slack", address, message["text"], at) for address in mentioned)

    def _arrived(self, entry: dict[str, Any]) -> list[Arrived]:
        at = datetime.fromisoformat(entry["at"])
        match entry:
            case {"kind": "write", "api": "email", "result": "done" | "done, answer lost"} if _is_notice(
                entry["message_id"]
            ):
                return [Arrived("email", address, entry["text"], at) for address in entry["to"]]
            case {"kind": "text_status", "status": "delivered"}:
                texts = [one for one in self.simulated.world.twilio.texts if one.to == entry["to"]]
                return [Arrived("sms", entry["to"], texts[-1].body, at)]
            case {"kind": "key_pressed", "status": 200}:
                calls = [one for one in self.simulated.world.twilio.calls if one.to == entry["to"]]
                return [Arrived("phone", entry["to"], calls[-1].heard[0], at)]
            case {"kind": "page", "action": "trigger", "dedup_key": key} if key.endswith(f"/{self.incident_id}"):
                return [Arrived("pagerduty", "", entry["summary"], at)]
            case _:
                return []

    def reached(self, role: str) -> list[Arrived]:
        """Return what arrived for the person with a role; a page counts for the on-call."""
        plan = self.engine.company.plan
        addresses = {one.address for person in plan.holders(role) for one in person.contacts.values()}
        addresses |= {plan.mailing_lists[role].address} if role in plan.mailing_lists else set()
        pager = {""} if role == "on_call" else set[str]()
        return [one for one in self.arrived() if one.to in addresses | pager]


def _is_notice(key: str) -> bool:
    """Return whether the key is of a notice; a reminder that is sent by one of the plan's `ways` is none."""
    return "-notice-" in key and "-notice-reminder-" not in key


@asynccontextmanager
async def rehearsal(
    folder: Path, name: str, *, phones: dict[str, str] | None = None, answers: bool = False, private: bool = False
) -> AsyncGenerator[Rehearsal]:
    """Yield the worst incident of a company right after its alert.

    `phones` is what becomes of each text and call; `answers` is whether a responder hears the keys that people press;
    `private` is whether only the CTO may read the incident.
    """
    script, production = _drill(name)
    watch, company = Watch(), _company(name)
    if private:
        kinds = {key: kind.model_copy(update={"private_for": ["cto"]}) for key, kind in company.plan.kinds.items()}
        company = replace(company, plan=company.plan.model_copy(update={"kinds": kinds}))
    numbers = {
        contact.address
        for person in company.with_stand_ins(script.stand_in_names or {}).plan.people
        for kind, contact in person.contacts.items()
        if kind == "phone" and person.known
    }
    listed = [PhoneSpec.model_validate({"number": number, **(phones or {})}) for number in sorted(numbers)]
    twilio = production.twilio.model_copy(update={"phones": listed})
    async with Simulated(production.model_copy(update={"twilio": twilio}), watch) as simulated:
        ports = Ports.free()
        settings = Settings(
            company=name,
            journal_url=new_journal(folder),
            simulation=announced(simulated, folder),
            stand_ins=script.stand_in_names or {},
            responder_url=f"http://127.0.0.1:{ports.responder}",
            link_key=SecretStr("a-key-of-a-test"),
        )
        engine = make_engine(settings, environ={}, clock=watch, company=company, registry=installed())
        alert = Alert(
            source="alertmanager",
            key="drill",
            state="firing",
            title=script.alert.summary,
            labels=script.alert.labels,
            at=watch.now,
        )
        taken = engine.intake.take(alert, "delivery-1").incident
        assert taken is not None
        try:
            with _hears_keys(settings, watch, company) if answers else nullcontext():
                yield Rehearsal(engine, watch, simulated, taken, script)
        finally:
            simulated.world.faults.release()
            await engine.reminders.wait()
            await engine.close()


@contextmanager
def _hears_keys(settings: Settings, watch: Watch, company: Company) -> Generator[None]:
    """Run the responder, to which the keys that people press in a call are posted."""
    theirs = make_engine(settings, environ={}, clock=watch, company=company, registry=installed())
    app = make_app(theirs, SecretStr("a-token"), drives=False)
    try:
        with served(app, port=urlsplit(settings.responder_url).port or 0):
            yield
    finally:
        theirs.journal.close()


async def detected(it: Rehearsal) -> None:
    """Carry the incident through its detection, which alerts the on-call and the team."""
    await it.engine.conductor.run(it.incident_id, Phase.DETECT, MACHINE)
