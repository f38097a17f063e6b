"""Tests the systems that a company's plan uses, read-only, and says what is wrong and how to set it right."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from allclear.company import Company
from allclear.company.used_systems import MissingCredential, UsedSystem, missing_credentials, used_systems
from allclear.domain.action import COMPANY, ActionContext
from allclear.domain.errors import AllclearError, Denied, MissingSecret, NotFound, Unreachable, VendorRefused
from allclear.domain.incident import Incident
from allclear.domain.notify.channel_test import ChannelTest
from allclear.domain.notify.failing_messages import failing_messages
from allclear.domain.plan import MessageAction
from allclear.domain.preflight import Passed, PreflightCheck
from allclear.domain.text import enumerated
from allclear.engine.actions.registry import Registry
from allclear.engine.notify.refused_contacts import RefusedContact, refused_contacts

WAY = "way"
"""What the line of one of the plan's ways has in place of a system's name."""
NOT_SENT = "not sent"
"""What the line about messages that do not get through has in place of a system's name."""
_TESTED_WITHIN = timedelta(days=31)
"""How old the last test of a way may be: numbers and registrations change."""
_LONGEST = 30.0
"""Seconds that one check may take. Each client ends its own calls earlier."""


class Problem(StrEnum):
    """What is wrong with a system."""

    MISSING = "missing"
    """A secret, or its part of systems.yaml, is missing."""
    REFUSED = "refused"
    """It does not accept our key, or the key lacks a permission."""
    NOT_THERE = "not there"
    """The service, page, project, channel or flag does not exist."""
    UNREACHABLE = "unreachable"
    """It does not answer, or limits our requests. This may pass."""
    UNPROVEN = "unproven"
    """Reading cannot show whether it works."""
    WRONG = "wrong"
    """Anything else, as an option that its client does not know."""


@dataclass(frozen=True)
class SystemReport:
    """The result of one check."""

    system: str
    target: str
    sentence: str
    problem: Problem | None = None
    """None if the check succeeded."""
    next_step: str = ""

    @property
    def failed(self) -> bool:
        """Return whether something must be set right."""
        return self.problem is not None and self.problem is not Problem.UNPROVEN


class Doctor:
    """The tests of one company's systems. It changes nothing and needs no journal."""

    def __init__(
        self,
        company: Company,
        registry: Registry,
        context: ActionContext,
        secret: Callable[[str], str],
        *,
        simulated: bool,
    ) -> None:
        """`secret` returns what an environment variable holds, or the empty string."""
        self._company = company
        self._registry = registry
        self._context = context
        self._secret = secret
        self._simulated = simulated

    def missing(self) -> list[MissingCredential]:
        """Return the secrets that are not set. A simulated production has its own."""
        if self._simulated:
            return []
        company = self._company
        runbooks = company.runbooks.values()
        return missing_credentials(company.plan, company.systems, runbooks, self._registry, self._secret)

    async def examine(self, only: Iterable[str] = ()) -> list[SystemReport]:
        """Return the results for the systems named in `only`, or for all that the plan uses, in a fixed order.

        The systems are tested beside each other. Raises NotFound for a system that the plan does not use.
        """
        company = self._company
        used = used_systems(company.plan, company.systems, company.runbooks.values(), self._registry)
        for name in only:
            if name not in used:
                raise NotFound(f"The plan of {self._company.name} uses no {name}.", f"It uses: {', '.join(used)}.")
        chosen = [one for name, one in used.items() if name in (set(only) or used)]
        found = await asyncio.gather(*map(self._system, chosen))
        results = [self._with_company(report) for reports in found for report in reports]
        return results if only else [*results, *self._sources()]

    def ways(self, tests: Sequence[ChannelTest], now: datetime) -> list[SystemReport]:
        """Return a line for each of the plan's `ways`: whether it is configured, and what its last test showed.

        `tests` are what the journal knows, the newest first. Nothing is sent.
        """
        return [self._way(name, call, [one for one in tests if one.way == name], now) for name, call in self._ways()]

    def contacts(self) -> list[SystemReport]:
        """Return a line for each way whose action would refuse contacts of the plan. Nothing is sent."""
        found: dict[str, list[RefusedContact]] = {}
        for one in refused_contacts(self._company, self._registry):
            found.setdefault(one.way, []).append(one)
        return [_refused(way, contacts) for way, contacts in found.items()]

    def not_sent(self, incidents: Iterable[Incident]) -> list[SystemReport]:
        """Return a line for each cause for which messages of these incidents do not get through."""
        zone = self._company.plan.zone
        return [
            SystemReport(NOT_SENT, "", f"{one.words(zone)}.", Problem.WRONG, one.next_step)
            for one in failing_messages(incidents)
        ]

    def _ways(self) -> Iterable[tuple[str, MessageAction]]:
        return ((name, call) for name, call in self._company.plan.ways.items() if call.action in self._registry.actions)

    def _way(self, name: str, call: MessageAction, tests: Sequence[ChannelTest], now: datetime) -> SystemReport:
        kind = self._registry.action(call.action)
        systems = {client.system for client in kind.needs}
        if absent := sorted(one for one in systems if one not in self._company.systems.systems):
            step = f"Add it under `systems:` in {self._company.folder}/systems.yaml."
            return SystemReport(
                WAY, name, f"systems.yaml has no `{absent[0]}`, so it is not used.", Problem.MISSING, step
            )
        if lacking := next((one for one in self.missing() if one.system in systems), None):
            sentence = f"{lacking.variable} is not set, so it reaches no one."
            return SystemReport(WAY, name, sentence, Problem.MISSING, lacking.next_step)
        if blank := next((found for one in systems if (found := self._blank(one))), ""):
            step = f"Fill it in: {self._company.folder / 'systems.yaml'}."
            return SystemReport(WAY, name, f"{blank} is still a blank, so it reaches no one.", Problem.MISSING, step)
        if refused := next((one for one in self.contacts() if one.target == name), None):
            return refused
        if kind.reaches is None and kind.pages:
            return SystemReport(WAY, name, "It is configured. It pages, so it is tested by a page only.")
        return self._tested(name, kind.reaches, tests, now)

    def _blank(self, system: str) -> str:
        """Return the blank in a system's address; empty if it has none, or the production is a simulated one."""
        found = _BLANK.search(self._company.systems.systems[system].endpoint)
        return found[0] if found and not self._simulated else ""

    def _tested(self, name: str, reaches: str | None, tests: Sequence[ChannelTest], now: datetime) -> SystemReport:
        """Return the line of a way that is configured, by its newest test of each person."""
        test_it = f"allclear test-channels {name}"
        if not tests:
            agreed = [one for one in self._company.plan.people if one.known and one.test_messages]
            if reaches is None or any(reaches in one.contacts for one in agreed):
                sentence = "It is configured, and was never tested."
                return SystemReport(WAY, name, sentence, Problem.UNPROVEN, f"Test it: {test_it}.")
            sentence = f"It is configured. No one with a contact `{reaches}` has agreed to a test."
            step = f"Write `test_messages: true` in plan.yaml under each person who agrees, then: {test_it}."
            return SystemReport(WAY, name, sentence, Problem.UNPROVEN, step)
        newest = {one.person: one for one in reversed(tests)}.values()
        counts = Counter(one.result for one in newest)
        sentence = f"It is configured, and was tested last on {tests[0].at:%Y-%m-%d}: "
        sentence += f"{enumerated([f'{count} {result}' for result, count in counts.items()])}."
        if any(not one.arrived for one in newest):
            step = f"Set right what the test says, and test again: {test_it}."
            return SystemReport(WAY, name, sentence, Problem.UNPROVEN, step)
        if now - tests[0].at > _TESTED_WITHIN:
            sentence += f" That is more than {_TESTED_WITHIN.days} days ago."
            return SystemReport(WAY, name, sentence, Problem.UNPROVEN, f"Test it again: {test_it}.")
        return SystemReport(WAY, name, sentence)

    def _with_company(self, report: SystemReport) -> SystemReport:
        """Return the report with the company's name in the commands that it prints, and with blanks named."""
        report = with_blank(report, self._company.folder)
        return replace(report, next_step=report.next_step.replace(COMPANY, self._company.name))

    def _sources(self) -> list[SystemReport]:
        """Return a result for each alert source whose secret is missing."""
        return [
            SystemReport(one.system, one.variable, one.sentence, Problem.MISSING, one.next_step)
            for one in self.missing()
            if one.source
        ]

    async def _system(self, used: UsedSystem) -> list[SystemReport]:
        if used.system is None and used.needed:
            sentence = f"systems.yaml has no `{used.name}`, which {', '.join(used.names)} needs."
            step = f"Add it under `systems:` in {self._company.folder}/systems.yaml."
            return [SystemReport(used.name, "systems.yaml", sentence, Problem.MISSING, step)]
        for missing in self.missing():
            if missing.system == used.name:
                return [SystemReport(used.name, missing.variable, missing.sentence, Problem.MISSING, missing.next_step)]
        if not used.preflights:
            step = "Ask the makers of its package for a preflight, or test it by hand."
            sentence = f"No read-only test is installed for it; {', '.join(used.names)} may fail."
            return [SystemReport(used.name, "", sentence, Problem.UNPROVEN, step)]
        try:
            checks = [
                check
                for preflight in used.preflights
                for check in preflight(self._context).checks(self._company.systems.services, used.uses)
            ]
        except AllclearError as error:
            return [_failed(used.name, "", error)]
        return list(await asyncio.gather(*(_run(used.name, check) for check in checks)))


def _refused(way: str, contacts: Sequence[RefusedContact]) -> SystemReport:
    first, *others = contacts
    more = f" The same holds for {enumerated([one.person for one in others])}." if others else ""
    sentence = f"It cannot reach {first.person}: {first.sentence}{more}"
    return SystemReport(WAY, way, sentence, Problem.WRONG, first.next_step)


_BLANK = re.compile(r"(https://)?\b(YOUR-[A-Z]|your-[a-z])[\w.-]*")
"""A value that `allclear init` wrote for a company to replace."""


def with_blank(report: SystemReport, folder: Path) -> SystemReport:
    """Return the report; if what failed is a blank that `allclear init` left, it says only that."""
    blank = _BLANK.search(f"{report.target} {report.next_step}")
    if not (report.failed and blank):
        return report
    step = f"Fill it in: {folder / 'systems.yaml'}."
    return replace(report, sentence=f"{blank[0]} is still a blank.", problem=Problem.MISSING, next_step=step)


async def _run(system: str, check: PreflightCheck) -> SystemReport:
    try:
        async with asyncio.timeout(_LONGEST):
            result = await check.run()
    except AllclearError as error:
        return _failed(system, check.target, error)
    except TimeoutError:
        step = "Check the network, and the system's own status page."
        sentence = f"It gave no answer within {_LONGEST:.0f} s."
        return SystemReport(system, check.target, sentence, Problem.UNREACHABLE, step)
    if isinstance(result, Passed):
        return SystemReport(system, check.target, result.sentence)
    return SystemReport(system, check.target, result.sentence, Problem.UNPROVEN, result.next_step)


def _failed(system: str, target: str, error: AllclearError) -> SystemReport:
    return SystemReport(system, target, error.message, _problem_of(error), error.next_step)


def _problem_of(error: AllclearError) -> Problem:
    if isinstance(error, VendorRefused) and error.passes:
        return Problem.UNREACHABLE
    for kind, problem in _PROBLEMS.items():
        if isinstance(error, kind):
            return problem
    return Problem.WRONG


_PROBLEMS: dict[type[AllclearError], Problem] = {
    MissingSecret: Problem.MISSING,
    Denied: Problem.REFUSED,
    NotFound: Problem.NOT_THERE,
    Unreachable: Problem.UNREACHABLE,
}
