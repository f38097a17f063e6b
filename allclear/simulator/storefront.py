"""What one request to the shop meets, decided from the state of the production alone.

Two low-discrepancy sequences (multiples of the golden ratio) stand in for chance: which revision
serves, and whether that request fails. So a share of 60 % is 60 % after a few requests already, and
a prober that takes every second request still sees all revisions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from allclear.simulator.run_service import RunService
from allclear.simulator.scenario import PageSpec, Trouble
from allclear.simulator.tables import FlagTable

HEALTH_PAGE = "/healthz"
_GOLDEN = 0.6180339887498949

Outcome = Literal["ok", "failed", "maintenance", "no_such_page", "wrong_method"]


@dataclass(frozen=True)
class Visit:
    """How one request went: status, who served it, and the time it lost."""

    status: int
    revision: str
    outcome: Outcome
    latency: timedelta = timedelta(0)
    because: str = ""


class Storefront:
    """The shop's pages, served by whichever revision has the traffic."""

    def __init__(
        self, service: RunService, flags: FlagTable, pages: list[PageSpec], answered: Callable[[str, int], None]
    ) -> None:
        self._service, self._flags, self._answered = service, flags, answered
        self._methods = {page.path: {*page.methods} for page in pages}
        self._methods.setdefault(HEALTH_PAGE, {"GET"})
        self._visits = 0
        self._tries: Counter[str] = Counter()

    def method_for(self, path: str) -> str:
        """How a user asks for that page: GET where it can, else its first other method."""
        methods = self._methods.get(path, {"GET"})
        return "GET" if "GET" in methods else min(methods)

    def methods(self, path: str) -> list[str]:
        """The methods that a page answers, for an ``Allow`` header."""
        return sorted(self._methods.get(path, set()))

    def visit(self, method: str, path: str, tag: str = "") -> Visit:
        """Let one request be served now, by the revision that has the tag if one is asked for."""
        name = self._tagged(tag) if tag else self._choose_revision()
        if name is None:
            return Visit(404, "", "no_such_page")
        visit = self._serve(name, method, path)
        self._answered(visit.revision, visit.status)
        return visit

    def _serve(self, name: str, method: str, path: str) -> Visit:
        methods = self._methods.get(path)
        if methods is None:
            return Visit(404, name, "no_such_page")
        asked = "GET" if method == "HEAD" else method
        if asked not in methods:
            return Visit(405, name, "wrong_method")
        enabled = self._flags.enabled()
        if path != HEALTH_PAGE:
            closed = [flag.name for flag in enabled if flag.maintenance]
            if closed or self._service.revisions[name].maintenance:
                return Visit(503, name, "maintenance", because=closed[0] if closed else name)
        causes = [(name, self._service.revisions[name].faults.get(path))]
        causes += [(f"flag {f.name}", t) for f in enabled for t in f.faults if t.path == path]
        return self._suffer(name, [(who, trouble) for who, trouble in causes if trouble])

    def _suffer(self, revision: str, causes: list[tuple[str, Trouble]]) -> Visit:
        latency = sum((trouble.latency for _, trouble in causes), timedelta(0))
        for who, trouble in causes:
            self._tries[f"{who} {trouble.path}"] += 1
            if self._tries[f"{who} {trouble.path}"] * _GOLDEN % 1 < trouble.error_rate:
                return Visit(trouble.status, revision, "failed", latency, because=who)
        return Visit(200, revision, "ok", latency)

    def _tagged(self, tag: str) -> str | None:
        state = self._service.state
        return next((t.revision or state.latest_ready for t in state.serving if t.tag == tag), None)

    def _choose_revision(self) -> str:
        self._visits += 1
        shares = self._service.state.serves()
        point = self._visits * _GOLDEN % 1 * sum(share for _, share in shares)
        for name, share in shares:
            if point < share:
                return name
            point -= share
        return shares[-1][0]
