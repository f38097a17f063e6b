"""Tests of the ways by which messages reach people: a marked test through the real action, and what arrived.

Only a person who has agreed (`test_messages` in plan.yaml) gets one. A test belongs to no incident. What became of it
is stored in the journal, so that `allclear doctor` can say when the ways were tested last.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from allclear.company import Company
from allclear.domain.action import ActionContext, ActStatus, AnyAction, Change, Outcome
from allclear.domain.base import Clock
from allclear.domain.errors import AllclearError, ConfigError, NotFound, Refused
from allclear.domain.notify.channel_test import NOT_TESTED, ChannelTest
from allclear.domain.notify.delivery import Delivery
from allclear.domain.plan import Person
from allclear.domain.text import plain
from allclear.engine.actions.loaded_act import LoadedAct
from allclear.engine.actions.proposals import SIMULATED
from allclear.engine.actions.registry import Registry, read_params
from allclear.engine.actions.write_retries import Write
from allclear.engine.notify.refused_contacts import refusal_of, sample_params
from allclear.journal.ports import Journal

MARK = "[TEST]"
"""Begins each text of a test."""


@dataclass(frozen=True)
class _Test:
    """A test that is to be made, or the reason why it is not."""

    way: str
    person: str = ""
    address: str = ""
    left_out: str = ""


class ChannelTester:
    """Sends tests by the ways of one company's plan, and stores what became of them."""

    def __init__(
        self, journal: Journal, company: Company, registry: Registry, context: ActionContext, clock: Clock
    ) -> None:
        self._journal = journal
        self._plan, self._services = company.plan, company.systems.services
        self._registry = registry
        self._context = context
        self._clock = clock

    async def rehearse(self) -> list[ChannelTest]:
        """Test each way to each person, as `test` does, also those who have not agreed: in a simulation only.

        Raises Refused in the real production.
        """
        if not self._journal.scope.simulated:
            raise Refused("Only people who have agreed are tested here.", "Use: allclear test-channels.")
        return await self._made(list(self._rehearsed()))

    def _rehearsed(self) -> Iterator[_Test]:
        for way, call in self._plan.ways.items():
            kind = self._registry.action(call.action)
            if kind.reaches is None:
                yield _Test(way)
            for person in self._plan.people if kind.reaches else ():
                if person.known and kind.reaches in person.contacts:
                    yield _Test(way, person.name, person.contacts[kind.reaches].address)

    async def test(self, ways: Sequence[str] = (), people: Sequence[str] = ()) -> list[ChannelTest]:
        """Send a test by each way to each person who has agreed, at the same time; return and store what arrived.

        `ways` and `people` choose some; empty means all. A way that reaches a whole channel is tested only if it is
        named. Raises NotFound for a way or a person that the plan does not have, Refused if no one has agreed.
        """
        return await self._made(list(self._planned(ways, people)))

    async def _made(self, planned: Sequence[_Test]) -> list[ChannelTest]:
        number = f"{self._clock():%Y%m%d%H%M%S}"
        tests = await asyncio.gather(*(self._one(test, f"{number}{index}") for index, test in enumerate(planned)))
        await asyncio.to_thread(self._journal.add_channel_tests, [one for one in tests if one.result != NOT_TESTED])
        return list(tests)

    def _planned(self, ways: Sequence[str], people: Sequence[str]) -> Iterator[_Test]:
        known = self._plan.ways
        if not known:
            raise ConfigError("The plan has no `ways`.", "Write how messages reach people, under `ways` in plan.yaml.")
        if unknown := [way for way in ways if way not in known]:
            raise NotFound(f"The plan has no way `{unknown[0]}`.", f"There is: {', '.join(known)}.")
        agreed = self._agreed(people)
        for way in ways or list(known):
            kind = self._registry.action(known[way].action)
            if kind.reaches is None:
                if kind.pages:
                    yield _Test(way, left_out="it pages the pager's on-call, who has not agreed to a test")
                else:
                    whole = "it reaches a whole channel: name it to test it"
                    yield _Test(way, left_out="" if way in ways else whole)
                continue
            for person in agreed:
                contact = person.contacts.get(kind.reaches)
                left_out = "" if contact else f"plan.yaml has no contact `{kind.reaches}` for this person"
                yield _Test(way, person.name, contact.address if contact else "", left_out)

    def _agreed(self, people: Sequence[str]) -> list[Person]:
        named = [self._person(name) for name in people] or [one for one in self._plan.people if one.known]
        agreed = [person for person in named if person.test_messages]
        if not agreed:
            raise Refused(
                "No one has agreed to get test messages.",
                "Write `test_messages: true` under each person in plan.yaml who has.",
            )
        return agreed

    def _person(self, name: str) -> Person:
        person = self._plan.person(name)
        if person is None:
            raise NotFound(f"The plan does not name {plain(name, 60)!r}.", "Write the name as under `people`.")
        return person

    async def _one(self, test: _Test, number: str) -> ChannelTest:
        if test.left_out:
            return self._told(test, NOT_TESTED, f"Not tested: {test.left_out}.")
        try:
            return await self._send(test, number)
        except AllclearError as error:
            return self._told(test, Delivery.FAILED, str(error))

    async def _send(self, test: _Test, number: str) -> ChannelTest:
        call = self._plan.ways[test.way]
        kind = self._registry.action(call.action)
        action = kind(self._context)
        mark = f"{MARK} {SIMULATED}" if self._journal.scope.simulated else MARK
        marks = dict.fromkeys(kind.text_params, mark)
        raw = sample_params(call, test.way, test.person, test.address, number, marks)
        if refused := refusal_of(kind, raw, self._services):
            return self._told(test, Delivery.FAILED, str(refused))
        params = read_params(kind, raw)
        change = action.plan(params, await action.observe_for_plan(params))
        if refusals := [one for one in await action.precheck(params, change) if not one.warning]:
            return self._told(test, Delivery.FAILED, f"{refusals[0].sentence} {refusals[0].next_step}")
        outcome = await Write(LoadedAct(action, params, change), change, f"channel-test/{number}").issue()
        sentence = outcome.sentence
        if kind.leaves and outcome.changed:
            sentence += await _taken_back(action, params, change)
        return self._told(test, _result(outcome, test.address), sentence)

    def _told(self, test: _Test, result: str, sentence: str) -> ChannelTest:
        return ChannelTest(way=test.way, person=test.person, result=result, sentence=sentence, at=self._clock())


def _result(outcome: Outcome, address: str) -> str:
    """Return how far the message got; a proven one without a word about its delivery was accepted."""
    found = cast("dict[str, str]", (outcome.after or {}).get("deliveries") or {})
    if address in found:
        # A text that the carrier has is not there yet, while an e-mail shows no more than that it was accepted.
        still_open = found[address] == Delivery.ACCEPTED and not outcome.good
        return Delivery.UNKNOWN if still_open else found[address]
    if outcome.good:
        return Delivery.ACCEPTED
    return Delivery.FAILED if outcome.status is ActStatus.FAILED or not outcome.changed else Delivery.UNKNOWN


async def _taken_back(action: AnyAction, params: Any, change: Change[Any]) -> str:  # noqa: ANN401 - any action's
    """End what a test leaves open, as a page; return a sentence if that failed, else nothing."""
    try:
        back = action.undo(params, change, await action.observe(params))
        outcome = await Write(LoadedAct(action, params, back), back, "channel-test/end").issue()
    except AllclearError as error:
        return f" It could not be ended: {error}"
    return "" if outcome.good else f" It may still be open: {outcome.sentence}"
