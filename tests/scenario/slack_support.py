"""A simulated Slack with people in it, and the responder that hears what they do."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
from pydantic import SecretStr

from allclear.bootstrap import make_engine
from allclear.company import Company
from allclear.domain.ask_state import Answer
from allclear.domain.plan import Person
from allclear.domain.runbook import Phase
from allclear.responder.app import make_app
from allclear.simulator.slack_people import SlackPeople, form_of, signed
from tests.patience import until
from tests.scenario.response_support import ALERT, broken, installed, vintstreet
from tests.scenario.scenes import Scene, scene

ANA, BEN, CLEO, EVE = "U0ANA00001", "U0BEN00001", "U0CLEO0001", "U0EVE00001"
"""Slack's ids: Ana is on call, Ben is the CTO, Cleo the scribe, and the plan does not name Eve."""
TOKEN = SecretStr("a-long-secret-token")


@cache
def with_slack() -> Company:
    """Return VintStreet with people whose Slack ids the plan names, and with Slack's secrets in systems.yaml."""
    company = vintstreet()
    ana = {"name": "Ana", "roles": ["on_call", "incident_commander"], "contacts": {"slack": ANA}}
    ben = {"name": "Ben", "roles": ["cto", "communications_lead"], "contacts": {"slack": f"<@{BEN}>"}}
    cleo = {"name": "Cleo", "roles": ["scribe"], "contacts": {"slack": CLEO}}
    people = [*company.plan.people, *(Person.model_validate(one) for one in (ana, ben, cleo))]
    slack = company.systems.systems["slack"]
    secrets = {"signing_secret": "SLACK_SIGNING_SECRET", "app_token": "SLACK_APP_TOKEN"}
    systems = company.systems.systems | {"slack": slack.model_copy(update={"secrets": secrets})}
    return Company(
        company.name,
        company.folder,
        company.plan.model_copy(update={"people": people}),
        company.systems.model_copy(update={"systems": systems}),
        company.runbooks,
        company.templates,
        company.post_mortem,
    )


def with_plan(**changes: Any) -> Company:  # noqa: ANN401 - fields of the plan
    """Return the same company with some fields of its plan changed."""
    company = with_slack()
    plan = company.plan.model_copy(update=changes)
    return Company(
        company.name,
        company.folder,
        plan,
        company.systems,
        company.runbooks,
        company.templates,
        company.post_mortem,
    )


@dataclass
class SlackScene:
    """An incident, the simulated Slack, and the responder's address."""

    it: Scene
    client: httpx.AsyncClient
    people: SlackPeople

    @property
    def workspace(self) -> Any:  # noqa: ANN401 - the simulated workspace
        """Return the workspace."""
        return self.it.simulated.world.workspace

    @property
    def messages(self) -> list[dict[str, Any]]:
        """Return everything in the channel, oldest first."""
        return self.workspace.channels[0].messages

    def thread(self) -> list[dict[str, Any]]:
        """Return the posts in threads, oldest first."""
        return [message for message in self.messages if message.get("thread_ts")]

    def posted(self, words: str) -> bool:
        """Say whether a post in a thread has these words. The responder may be sending it at this moment."""
        return any(words in shown(message) for message in self.thread())

    def card(self, step: str) -> dict[str, Any]:
        """Return the newest card whose buttons or end are about a step."""
        state = next(one for one in reversed(self.it.incident.asks.values()) if one.ask.step == step)
        key = f"ask-{state.number}"
        return next(m for m in self.thread() if m["metadata"]["event_payload"]["key"].endswith(key))

    async def told(self, user: str, number: int = 1) -> list[str]:
        """Return what only that person sees, once there are so many sentences."""
        return await until(lambda: len(found := self._told(user)) >= number and found)

    def _told(self, user: str) -> list[str]:
        return [shown(message) for message in self.workspace.private if message["user"] == user]

    async def answered(self, step: str = "roll-back") -> list[Answer]:
        """Return the answers to a question, once there is one."""
        return await until(lambda: self.answers(step))

    def answers(self, step: str = "roll-back") -> list[Answer]:
        """Return the answers to the questions about a step."""
        return [one for state in self.it.incident.asks.values() if state.ask.step == step for one in state.answers]

    async def due(self) -> None:
        """Send everything that is due."""
        await self.it.engine.reminders.start_due()
        await self.it.engine.reminders.wait()

    async def sends(self, payload: dict[str, Any], **signature: Any) -> httpx.Response:  # noqa: ANN401 - see `signed`
        """Send what a person does to the responder, as Slack does."""
        return await self.posts("/slack/interactions", form_of(payload), **signature)

    async def types(self, text: str, user: str) -> httpx.Response:
        """Send `/incident` and a text to the responder, as Slack does."""
        form = self.people.command(self.workspace.channels[0], text, user)
        return await self.posts("/slack/commands", urlencode(form).encode())

    async def posts(self, path: str, body: bytes, **signature: Any) -> httpx.Response:  # noqa: ANN401 - see `signed`
        """Send a body with Slack's signature."""
        secret = signature.pop("secret", self.it.simulated.secrets["slack.signing_secret"])
        return await self.client.post(path, content=body, headers=signed(body, secret, **signature))


def shown(message: dict[str, Any]) -> str:
    """Return what people see of a message: its texts, and the words of its buttons."""
    lines: list[str] = []
    for block in message.get("blocks", []):
        lines += [block["text"]["text"]] if "text" in block else []
        lines += [f"[{element['text']['text']}]" for element in block.get("elements", [])]
    return "\n".join(lines)


def buttons(message: dict[str, Any]) -> list[str]:
    """Return the words of the buttons that answer."""
    elements = [element for block in message["blocks"] for element in block.get("elements", [])]
    return [element["text"]["text"] for element in elements if element.get("value")]


@asynccontextmanager
async def slack_scene(folder: Path, company: Company | None = None) -> AsyncGenerator[SlackScene]:
    """Yield an incident whose containment waits for an approval, with its card in the thread."""
    async with scene(folder, company or with_slack(), broken(), ALERT) as it:
        # An engine of its own, as another process has: its clients belong to another event loop.
        theirs = make_engine(
            it.engine.settings, environ={}, clock=it.watch, company=it.engine.company, registry=installed()
        )
        app = make_app(theirs, TOKEN, drives=False)
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://responder.test") as client,
        ):
            await it.past_detection()
            slack = SlackScene(it, client, SlackPeople(it.simulated.world.workspace))
            await slack.due()
            yield slack
        theirs.journal.close()


async def contain(slack: SlackScene) -> None:
    """Carry the containment on until people are needed again."""
    await slack.it.to(Phase.CONTAIN)
    await slack.due()
