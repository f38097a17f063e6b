"""What one request to the shop meets, decided from the state of the production alone.

Low-discrepancy sequences (multiples of the golden ratio) stand in for chance: which site serves, which of its
revisions, and whether that request fails. So a share of 60 % is 60 % after a few requests already, and a prober that
takes every second request still sees all revisions. Each site counts its own requests: one sequence for site and
revision both would tie the one to the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, Protocol, TypeVar

from allclear.simulator.flag_table import FlagTable
from allclear.simulator.regional_services import RegionalService, RegionalServices
from allclear.simulator.scenario_schema import ALL_TRAFFIC, PageSpec, Trouble

HEALTH_PAGE = "/healthz"
_GOLDEN = 0.6180339887498949

Chosen = TypeVar("Chosen")
Outcome = Literal["ok", "failed", "maintenance", "no_such_page", "wrong_method"]


@dataclass(frozen=True)
class Visit:
    """How one request went: status, which revision in which region served it, and the time it lost."""

    status: int
    region: str
    revision: str
    outcome: Outcome
    latency: timedelta = timedelta(0)
    because: str = ""


class Backend(Protocol):
    """What the pages depend on, as a database."""

    def faults(self, path: str) -> list[tuple[str, Trouble]]:
        """Return what it makes fail on a page, each with its cause."""
        ...


class Shop:
    """The shop's pages, served by whichever revision has the traffic of the site that the user is sent to."""

    def __init__(
        self, regional_services: RegionalServices, flags: FlagTable, backends: Sequence[Backend], pages: list[PageSpec]
    ) -> None:
        self._sites, self._flags, self._backends = regional_services, flags, backends
        self._methods = {page.path: {*page.methods} for page in pages}
        self._methods.setdefault(HEALTH_PAGE, {"GET"})
        self._arrivals = 0
        self._visits: Counter[RegionalService] = Counter()
        self._tries: Counter[str] = Counter()

    def method_for(self, path: str) -> str:
        """Return how a user asks for that page: GET where it can, else its first other method."""
        methods = self._methods.get(path, {"GET"})
        return "GET" if "GET" in methods else min(methods)

    def methods(self, path: str) -> list[str]:
        """Return the methods that a page answers, for an `Allow` header."""
        return sorted(self._methods.get(path, set()))

    def visit(self, method: str, path: str, site: RegionalService | None = None, tag: str = "") -> Visit:
        """Let one request be served now: by the site that was asked, else by one that has users, as their shares say.

        With a `tag` it is served by the revision that has it.
        """
        site = site or self._choose_site()
        name = self._tagged(site, tag) if tag else self._choose_revision(site)
        if name is None:
            return Visit(404, site.region, "", "no_such_page")
        visit = self._serve(site, name, method, path)
        site.traffic_history.answered(visit.revision, visit.status)
        return visit

    def _serve(self, site: RegionalService, name: str, method: str, path: str) -> Visit:
        methods = self._methods.get(path)
        if methods is None:
            return Visit(404, site.region, name, "no_such_page")
        asked = "GET" if method == "HEAD" else method
        if asked not in methods:
            return Visit(405, site.region, name, "wrong_method")
        enabled, revision = self._flags.enabled(), site.service.revisions[name]
        if path != HEALTH_PAGE:
            closed = [flag.name for flag in enabled if flag.maintenance]
            if closed or revision.maintenance:
                return Visit(503, site.region, name, "maintenance", because=closed[0] if closed else name)
        causes = [(name, revision.faults.get(path))]
        causes += [(f"flag {f.name}", t) for f in enabled for t in f.faults if t.path == path]
        if path != HEALTH_PAGE:
            causes += [cause for backend in self._backends for cause in backend.faults(path)]
        return self._suffer(site.region, name, [(who, trouble) for who, trouble in causes if trouble])

    def _suffer(self, region: str, revision: str, causes: list[tuple[str, Trouble]]) -> Visit:
        latency = sum((trouble.latency for _, trouble in causes), timedelta(0))
        for who, trouble in causes:
            tries = f"{region} {who} {trouble.path}"
            self._tries[tries] += 1
            if self._tries[tries] * _GOLDEN % 1 < trouble.error_rate:
                return Visit(trouble.status, region, revision, "failed", latency, because=who)
        return Visit(200, region, revision, "ok", latency)

    def _tagged(self, site: RegionalService, tag: str) -> str | None:
        state = site.service.state
        return next((t.revision or state.latest_ready for t in state.serving if t.tag == tag), None)

    def _choose_site(self) -> RegionalService:
        self._arrivals += 1
        return _at(
            self._arrivals * _GOLDEN % 1 * ALL_TRAFFIC, [(site, site.share) for site in self._sites if site.share]
        )

    def _choose_revision(self, site: RegionalService) -> str:
        self._visits[site] += 1
        shares = site.service.state.serves()
        return _at(self._visits[site] * _GOLDEN % 1 * sum(share for _, share in shares), shares)


def _at(point: float, shares: list[tuple[Chosen, int]]) -> Chosen:
    """Return the item whose interval holds that point; the intervals are as long as the shares."""
    for one, share in shares:
        if point < share:
            return one
        point -= share
    return shares[-1][0]
