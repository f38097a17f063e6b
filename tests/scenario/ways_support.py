"""The ways in which people reach an incident: page, Slack, command line, API, Prefect and PagerDuty."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import importlib
import json
import os
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import urlencode, urlsplit

import httpx
from pydantic import SecretStr
from typer.testing import CliRunner

from allclear.bootstrap import Engine, make_engine
from allclear.cli import _MODULES, answering, app
from allclear.commands.base import read_fields
from allclear.commands.catalog import BY_NAME
from allclear.company import Company
from allclear.domain.approval import ONE_PERSON
from allclear.domain.errors import AllclearError
from allclear.domain.incident import Incident
from allclear.domain.links import LinkTo
from allclear.domain.plan import Person
from allclear.domain.records import Entry
from allclear.domain.systems import AlertSource
from allclear.engine.notify.thread_words import card
from allclear.responder.app import make_app
from allclear.settings import Settings
from allclear.simulator.slack_people import SlackPeople, form_of, signed
from allclear.vendors.slack_blocks import ANSWER
from flows.run_context import author
from tests.contract.simulator_support import Simulated
from tests.patience import HUNG
from tests.scenario.pages.pages_support import OURS, ask_for, hidden
from tests.scenario.response_support import ALERT, MACHINE, announced, broken, installed, new_journal
from tests.scenario.slack_support import ANA, TOKEN, with_slack
from tests.unit.responder.responder_support import served

PAGER = "PANA123"
PAGER_SECRET = "the-secret-that-pagerduty-shows-once"


def newest(incident: Incident) -> Any:  # noqa: ANN401 - the state of a question
    """Return the question that was asked last."""
    return list(incident.asks.values())[-1]


@dataclass
class House:
    """A responder on a real port, the simulated Slack beside it, and Ana, who comes in by each way."""

    engine: Engine
    http: httpx.AsyncClient
    sim: Simulated
    first: Incident
    environment: dict[str, str]
    id: str = ""

    def open(self) -> None:
        """Open an incident with one question that waits for an approval."""
        self.id, _ = self.engine.journal.open_incident("VS", self.first.opened, MACHINE)
        ask_for(self.engine, self.id, ONE_PERSON)

    @property
    def incident(self) -> Incident:
        """Return the incident as it is now."""
        return self.engine.conductor.incident(self.id)

    @property
    def ask(self) -> str:
        """Return the question's id."""
        return f"{self.id}/contain/roll-back"

    async def page(self, does: str, said: dict[str, str]) -> None:
        """Open the personal link, and send the form of the page."""
        link = self.engine.links.href(LinkTo(incident=self.id, person="Ana", role="on_call", ask=self.ask))
        assert (await self.http.get(urlsplit(link).path)).status_code == 303
        text = (await self.http.get(f"/i/{self.id}")).text
        word, action = (does, "answer") if does in {"approve", "deny"} else ("", does)
        form = text[text.index(f'action="/i/{self.id}/{action}"') :]
        fields = hidden(form[: form.index("</form>")]) | said | ({"word": word} if word else {})
        sent = await self.http.post(f"/i/{self.id}/{action}", data=fields, headers=OURS)
        assert sent.status_code == 303, sent.text

    async def slack(self, does: str, said: dict[str, str]) -> None:
        """Press a button, or type `/incident`."""
        people, channel = SlackPeople(self.sim.world.workspace), self.sim.world.workspace.channels[0]
        if does in {"approve", "deny"}:
            offered = card(self.incident, newest(self.incident), self.engine.company.plan, closed=False).buttons
            buttons = [
                {
                    "type": "button",
                    "action_id": f"{ANSWER}-{one.words}",
                    "value": one.value,
                    "text": {"text": one.words},
                }
                for one in offered
            ]
            message = {"ts": self.sim.world.workspace.new_ts(), "text": "?"}
            message["blocks"] = [{"type": "actions", "elements": buttons}]
            channel.messages.append(message)
            path, body = "/slack/interactions", form_of(people.press(message, does.capitalize(), ANA))
        else:
            words = " ".join([does, self.id, *said.values()])
            path, body = "/slack/commands", urlencode(people.command(channel, words, ANA)).encode()
        secret = self.sim.secrets["slack.signing_secret"]
        assert (await self.http.post(path, content=body, headers=signed(body, secret))).status_code == 200

    async def cli(self, does: str, said: dict[str, str]) -> None:
        """Type the command at a terminal that has a token and no journal."""
        words = {"acknowledge": ["ack", self.id], "approve": ["approve", self.ask], "deny": ["deny", self.ask]}
        options = [f"--{name}={text}" for name, text in said.items()]
        more = [said["role"], said["to"]] if does == "hand-over" else options
        await self.types(*(words.get(does) or [does, self.id, *more]))

    async def types(self, *words: str, token: str = "", code: int = 0, answers: str | None = None) -> str:
        """Type any command at that terminal, and return what it prints or its error; `code` is its exit code."""

        def run() -> str:
            for name in _MODULES:
                importlib.import_module(f"allclear.cli.{name}")
            kept = {name: text for name, text in os.environ.items() if not name.startswith(("ALLCLEAR_", "PREFECT_"))}
            own = {"ALLCLEAR_TOKEN": token} if token else {}
            with (
                mock.patch.dict(os.environ, kept | self.environment | own, clear=True),
                mock.patch.object(answering, "PATIENCE", 0),  # no worker carries acts out in these tests
            ):
                result = CliRunner().invoke(app, list(words), input=answers)
            error = result.exception
            found = error.exit_code if isinstance(error, AllclearError) else result.exit_code
            assert found == code, (words, result.output, error)
            return f"{result.output}{error or ''}"

        return await asyncio.to_thread(run)

    def entries(self, kind: type) -> list[Entry]:
        """Return the entries with a record of that kind."""
        return [one for one in self.engine.journal.entries(self.id) if isinstance(one.record, kind)]

    async def api(self, does: str, said: dict[str, str]) -> None:
        """Post the command with a token."""
        name, body = does, dict[str, Any](said)
        if does in {"approve", "deny"}:
            name, body = "answer", {"ask": self.ask, "word": does}
        headers = {
            "Authorization": f"Bearer {self.environment['ALLCLEAR_TOKEN']}",
            "Idempotency-Key": f"{self.id}-{does}",
        }
        sent = await self.http.post(f"/incidents/{self.id}/{name}", json=body, headers=headers)
        assert sent.status_code == 200, sent.text

    async def prefect(self, does: str, said: dict[str, str]) -> None:
        """Give the command as the flows do; `tests/end_to_end/test_commands_in_prefect.py` runs them in Prefect."""
        name, body = does, dict[str, Any](said)
        if does in {"approve", "deny"}:
            name, body = "answer", {"ask": self.ask, "word": does}
        by = author(self.engine, "Ana", "on_call")
        await read_fields(BY_NAME[name], body).carry_out(self.engine, self.id, by)

    async def pagerduty(self, does: str, said: dict[str, str]) -> None:
        """Press *Acknowledge* in PagerDuty: its signed webhook arrives."""
        assert (does, said) == ("acknowledge", {})
        page = {"id": "Q0PAGE1", "type": "incident", "status": "acknowledged", "title": "x", "assignees": []}
        event = {
            "id": f"01EVENT{self.id}",
            "event_type": "incident.acknowledged",
            "resource_type": "incident",
            "occurred_at": self.incident.opened_at.isoformat().replace("+00:00", "Z"),
            "agent": {"id": PAGER, "type": "user_reference", "summary": "Ana", "html_url": "https://x.test"},
            "client": None,
            "data": page | {"incident_key": f"allclear/{self.id}"},
        }
        body = json.dumps({"event": event}).encode()
        signature = hmac.new(PAGER_SECRET.encode(), body, hashlib.sha256).hexdigest()
        headers = {"x-pagerduty-signature": f"v1={signature}", "x-webhook-id": "w"}
        sent = await self.http.post("/alerts/pagerduty", content=body, headers=headers)
        assert sent.status_code == 202, sent.text


def company() -> Company:
    """Return VintStreet with Ana on call, whom Slack and PagerDuty know."""
    known = with_slack()
    ana = next(person for person in known.plan.people if person.name == "Ana")
    contacts = {"slack": ANA, "pagerduty": PAGER}
    reached = Person.model_validate({"name": "Ana", "roles": ana.roles, "contacts": contacts})
    people = [reached if person is ana else person for person in known.plan.people]
    source = AlertSource.model_validate({"secret": "PD_SECRET"})
    systems = known.systems.model_copy(update={"alerts": known.systems.alerts | {"pagerduty": source}})
    return replace(known, plan=known.plan.model_copy(update={"people": people}), systems=systems)


@asynccontextmanager
async def house(folder: Path) -> AsyncGenerator[House]:
    """Yield the responder and the ways to it."""
    async with Simulated(broken()) as sim:
        settings = Settings(
            company="vintstreet",
            journal_url=new_journal(folder),
            simulation=announced(sim, folder),
            link_key=SecretStr("a-key-of-a-test"),
        )
        parts: dict[str, Any] = {"environ": {"PD_SECRET": PAGER_SECRET}, "company": company(), "registry": installed()}
        engine, theirs = make_engine(settings, **parts), make_engine(settings, **parts)
        taken = engine.intake.take(ALERT, "delivery-1").incident
        assert taken is not None
        with ExitStack() as running:
            app_of_responder = make_app(theirs, TOKEN, drives=False)
            port = await asyncio.to_thread(running.enter_context, served(app_of_responder))
            address = f"http://127.0.0.1:{port}"
            environment = {
                "ALLCLEAR_TOKEN": engine.tokens.for_person("Ana", "on_call"),
                "ALLCLEAR_RESPONDER_URL": address,
                "ALLCLEAR_SIMULATION": str(settings.simulation),
                "ALLCLEAR_JOURNAL_URL": "sqlite:////nowhere",
                "COLUMNS": "400",
            }
            async with httpx.AsyncClient(base_url=address, timeout=HUNG) as http:
                yield House(engine, http, sim, engine.conductor.incident(taken), environment, taken)
            await asyncio.to_thread(running.close)
        await engine.close()
        theirs.journal.close()
