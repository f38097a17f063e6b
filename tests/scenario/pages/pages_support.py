"""An incident whose roll back waits for an approval, and browsers that open its page by personal links."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from fastapi import FastAPI
from pydantic import SecretStr

from allclear.bootstrap import Engine, make_engine
from allclear.company import Company
from allclear.domain.approval import ONE_PERSON, ApprovalPolicy, Ask, AskKind
from allclear.domain.incident import Incident
from allclear.domain.links import LinkTo
from allclear.domain.records import ActProposed, AskOpened
from allclear.domain.runbook import Phase
from allclear.engine.response.moves import Wait
from allclear.responder.app import make_app
from allclear.settings import Settings
from tests.contract.simulator_support import Simulated
from tests.scenario.response_support import (
    ALERT,
    MACHINE,
    announced,
    broken,
    installed,
    new_journal,
    run_phase,
    vintstreet,
)
from tests.scenario.scenes import Watch
from tests.unit.responder.responder_support import TOKEN

KEY = "a-key-of-personal-links-of-a-test"
ADDRESS = "http://allclear.example:8077"
OURS = {"Sec-Fetch-Site": "same-origin"}


@dataclass
class Waiting:
    """An incident in which the roll back waits for an approval."""

    engine: Engine
    app: FastAPI
    id: str
    simulated: Simulated | None = None

    @property
    def sim(self) -> Simulated:
        """The production behind it."""
        assert self.simulated is not None
        return self.simulated

    @property
    def ask(self) -> str:
        """The question about the roll back."""
        return f"{self.id}/contain/roll-back"

    @property
    def incident(self) -> Incident:
        """The incident as it is now."""
        return self.engine.conductor.incident(self.id)

    def link(self, person: str = "Ana", role: str = "on_call", ask: str | None = None) -> str:
        """Return a personal link, as a page holds it."""
        to = LinkTo(incident=self.id, person=person, role=role, ask=self.ask if ask is None else ask)
        return self.engine.links.href(to)

    def browser(self, **headers: str) -> httpx.AsyncClient:
        """Return a browser that follows no redirect by itself."""
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=ADDRESS, headers=headers)

    @asynccontextmanager
    async def signed_in(self, person: str = "Ana", role: str = "on_call") -> AsyncGenerator[Browser]:
        """Yield a browser in which a person has opened the link."""
        async with self.browser() as http:
            opened = await http.get(self.link(person, role))
            assert opened.status_code == 303, opened.text
            yield Browser(http, self)


@dataclass
class Browser:
    """A browser with a person who has signed in."""

    http: httpx.AsyncClient
    at: Waiting

    async def page(self) -> str:
        """Return the incident's page."""
        answer = await self.http.get(f"/i/{self.at.id}")
        assert answer.status_code == 200, answer.text
        return answer.text

    async def form(self, action: str, ask: str = "") -> dict[str, str]:
        """Return the hidden fields of a form of the page; of a question's form if `ask` is the name of its place."""
        text = await self.page()
        if ask:
            text = text[text.index(f'id="{ask}" aria-labelledby') :]
        text = text[text.index(f'action="/i/{self.at.id}/{action}"') :]
        return hidden(text[: text.index("</form>")])

    async def send(self, action: str, fields: dict[str, str], **headers: str) -> httpx.Response:
        """Send a form."""
        return await self.http.post(f"/i/{self.at.id}/{action}", data=fields, headers=OURS | headers)

    async def answer(self, word: str, ask: str = "contain-roll-back", **more: str) -> str:
        """Answer a question by its form, and return what the page says then."""
        return await self.after(await self.send("answer", {**await self.form("answer", ask), "word": word, **more}))

    async def after(self, sent: httpx.Response) -> str:
        """Return what the page says to which a form leads back."""
        assert (sent.status_code, sent.headers.get("location")) == (303, f"/i/{self.at.id}"), sent.text
        return form_result(await self.page())


def hidden(form: str) -> dict[str, str]:
    """Return the hidden fields in a part of a page."""
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form))


def form_result(page: str) -> str:
    """Return what the page says became of the last form; empty if nothing."""
    found = re.search(r'<p class="form-result (good|bad)"[^>]*>(.*?)</p>', page, re.DOTALL)
    return found.group(2).replace("&#39;", "'") if found else ""


@asynccontextmanager
async def waiting(folder: Path, company: Company | None = None, **settings: object) -> AsyncGenerator[Waiting]:
    """Yield an incident that waits for approvals, with the responder's routes. The workers do not run."""
    async with Simulated(broken()) as sim:
        known = Settings(
            company="vintstreet",
            journal_url=new_journal(folder),
            simulation=announced(sim, folder),
            link_key=SecretStr(KEY),
            **{"page_url": ADDRESS, **settings},  # pyright: ignore[reportArgumentType]
        )
        engine = make_engine(known, environ={}, company=company or vintstreet(), registry=installed())
        incident = engine.intake.take(ALERT, "delivery-1").incident
        assert incident is not None
        await run_phase(engine, sim.world, incident, Phase.DETECT)
        assert isinstance(await engine.conductor.run(incident, Phase.CONTAIN, MACHINE), Wait)
        yield Waiting(engine, make_app(engine, SecretStr(TOKEN)), incident, sim)
        await engine.close()


@asynccontextmanager
async def asked(
    folder: Path,
    policy: ApprovalPolicy = ONE_PERSON,
    company: Company | None = None,
    environ: Mapping[str, str] | None = None,
    **settings: object,
) -> AsyncGenerator[tuple[Waiting, Watch]]:
    """Yield an incident with a question in its record, and its clock. No production is behind it: it is quick."""
    watch = Watch()
    known = Settings(
        company="vintstreet",
        journal_url=new_journal(folder),
        link_key=SecretStr(KEY),
        **{"page_url": ADDRESS, **settings},  # pyright: ignore[reportArgumentType]
    )
    engine = make_engine(
        known, environ=dict(environ or {}), clock=watch, company=company or vintstreet(), registry=installed()
    )
    incident = engine.intake.take(ALERT, "delivery-1").incident
    assert incident is not None
    ask_for(engine, incident, policy)
    yield Waiting(engine, make_app(engine, SecretStr(TOKEN)), incident), watch
    await engine.close()


def ask_for(engine: Engine, incident: str, policy: ApprovalPolicy, number: str = "", to: str = "web-41") -> None:
    """Propose to send all traffic to a revision, and ask for the approval."""
    change = {
        "summary": f"Send all traffic to {to}.",
        "was": "100 % web-42",
        "becomes": f"100 % {to}",
        "risk": "None.",
        "undo": "Restores web-42.",
    }
    act = ActProposed(
        act=f"contain/roll-back{number}",
        phase="contain",
        step="roll-back",
        action="cloud_run.rollback_traffic",
        title="Roll back traffic",
        params={"service": "storefront"},
        change=change,
        digest=to,
        leaves="traffic pinned",
    )
    ask = Ask(
        id=f"{incident}/contain/roll-back{number}",
        kind=AskKind.APPROVAL,
        phase="contain",
        step="roll-back",
        title=f"Send all traffic to {to}.",
        text="Why: it fails\n\nRisk: None.\n\nUndo: Restores web-42.",
        yes="It is done at once, and verified.",
        no="It is not done; the runbook goes on without it.",
        policy=policy,
        act=act.act,
        digest=to,
    )
    engine.journal.append(incident, [act, AskOpened(ask=ask)], MACHINE)
