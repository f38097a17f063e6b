"""The read-only test of Twilio: the key, and whether our number can do what the plan wants of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import ClassVar

from typing_extensions import override

from allclear.domain.action import Client
from allclear.domain.errors import Denied, NotFound
from allclear.domain.preflight import Passed, PlannedUse, Preflight, PreflightCheck, Unproven
from allclear.domain.systems import Service
from allclear.domain.text import enumerated
from allclear.vendors.twilio import KEYS_PATH, Twilio


class TwilioPreflight(Preflight):
    """Reads our number: the key is right, the account has the number, and it can send texts and place calls."""

    client: ClassVar[type[Client]] = Twilio

    @override
    def checks(self, services: Mapping[str, Service], uses: list[PlannedUse]) -> Iterator[PreflightCheck]:
        twilio = self.context.client(Twilio)
        named = {use.name for use in uses}
        yield PreflightCheck(f"number {twilio.number}", partial(self._number, twilio, named))
        if "twilio.call" in named:
            yield PreflightCheck("keys", partial(self._keys, twilio))

    async def _keys(self, twilio: Twilio) -> Passed | Unproven:
        if not self.context.links.from_outside(KEYS_PATH):
            return Unproven(
                "Calls ask for no key, because ALLCLEAR_PAGE_URL gives Twilio no address of the responder.",
                "Set ALLCLEAR_PAGE_URL to its public https:// address. Without it, a call acknowledges nothing.",
            )
        if not twilio.hears:
            return Unproven(
                "A key that is pressed in a call does not count, because its signature cannot be checked.",
                "Name the account's auth token in systems.yaml, under twilio: secrets: auth_token.",
            )
        return Passed("A key that is pressed in a call counts, if Twilio reaches the responder's address.")

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
