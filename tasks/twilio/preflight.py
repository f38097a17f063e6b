"""The read-only test of Twilio: the key, and whether our number can do what the plan wants of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import ClassVar

from typing_extensions import override

from allclear.domain.action import Client
from allclear.domain.errors import Denied, NotFound
from allclear.domain.preflight import Passed, PlannedUse, Preflight, PreflightCheck
from allclear.domain.systems import Service
from allclear.domain.text import enumerated
from allclear.vendors.twilio import Twilio


class TwilioPreflight(Preflight):
    """Reads our number: the key is right, the account has the number, and it can send texts and place calls."""

    client: ClassVar[type[Client]] = Twilio

    @override
    def checks(self, services: Mapping[str, Service], uses: list[PlannedUse]) -> Iterator[PreflightCheck]:
        twilio = self.context.client(Twilio)
        yield PreflightCheck(f"number {twilio.number}", partial(self._number, twilio, {use.name for use in uses}))

    async def _number(self, twilio: Twilio, uses: set[str]) -> Passed:
        own = await twilio.own_number()
        if own is None:
            raise NotFound(
                f"The account has no number {twilio.number}.",
                "Correct `number` in systems.yaml: Twilio's console lists the account's numbers.",
            )
        can = own.capabilities
        wanted = {
            "send texts": can.sms or "twilio.text" not in uses or twilio.chooses_number,
            "place calls": can.voice or "twilio.call" not in uses,
        }
        if missing := [words for words, good in wanted.items() if not good]:
            raise Denied(
                f"The number {twilio.number} cannot {enumerated(missing, 'or')}.",
                "Buy a number that can in Twilio's console, and write it into systems.yaml.",
            )
        able = [words for words, good in (("send texts", can.sms), ("place calls", can.voice)) if good]
        return Passed(f"The key is right, and our number can {enumerated(able)}.")
