"""The worker that tests the company's systems, read-only, so that a key that was withdrawn shows before the night."""

from __future__ import annotations

import asyncio
import logging

from allclear.engine.doctor import Doctor, Problem, SystemReport
from allclear.responder.workers.supervisor import report_progress

log = logging.getLogger("allclear.responder")

FIRST_AFTER = 10.0
"""Seconds after the start: loading the vendors' clients must not delay the first alerts."""

_EVERY = 600.0
"""Seconds between two tests."""

STUCK_AFTER = _EVERY + 120.0


class SystemTests:
    """The results of the last test of each system, and the loop that renews them."""

    def __init__(self, doctor: Doctor) -> None:
        self._doctor = doctor
        self._failed: dict[tuple[str, str], SystemReport] = {}
        missing = doctor.missing()
        self._missing = [one.sentence for one in missing]
        for one in missing:
            log.error("Not ready: %s %s", one.sentence, one.next_step)
        for report in doctor.contacts():
            log.error(
                "Not everyone is notified by the way `%s`: %s %s", report.target, report.sentence, report.next_step
            )

    def problems(self) -> list[str]:
        """Return one sentence for each missing secret, and for each system that does not accept us or lacks a target.

        /readyz shows them without a token, so they name no resource and repeat nothing that a system said.
        """
        failed = [one for one in self._failed.values() if one.problem not in {Problem.UNREACHABLE, Problem.MISSING}]
        return [*self._missing, *dict.fromkeys(_short(one) for one in failed)]

    def warnings(self) -> list[str]:
        """Return one sentence for each system that did not answer. That may pass by itself."""
        away = [one for one in self._failed.values() if one.problem is Problem.UNREACHABLE]
        return list(dict.fromkeys(f"{one.system} did not answer." for one in away))

    async def run(self) -> None:
        """Test until cancelled."""
        await asyncio.sleep(FIRST_AFTER)
        while True:
            await self.test()
            report_progress()
            await asyncio.sleep(_EVERY)

    async def test(self) -> None:
        """Test every system once, and log each change since the last test."""
        failed = {(one.system, one.target): one for one in await self._doctor.examine() if one.failed}
        for key, report in failed.items():
            if report.problem is not Problem.MISSING and (key not in self._failed or self._failed[key] != report):
                log.error("Testing %s (%s) failed: %s %s", *key, report.sentence, report.next_step)
        for key in self._failed.keys() - failed.keys():
            log.warning("Testing %s (%s) succeeds again.", *key)
        self._failed = failed


def _short(report: SystemReport) -> str:
    what = {
        Problem.REFUSED: "refuses our key, or the key lacks a permission",
        Problem.NOT_THERE: "has no such target",
    }.get(report.problem or Problem.WRONG, "cannot be used as it is configured")
    return f"{report.system} {what}: allclear doctor {report.system}"
