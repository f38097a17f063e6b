"""The Cloud Run services of the simulated production: each is a site, with a region and a life of its own.

Sites share the pages, the flags and the users of one shop, and nothing else: revisions, traffic, operations, the
audit log and the counts of requests are each site's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from allclear.simulator.event_log import Clock, EventLog
from allclear.simulator.revisions import ALL_TO_LATEST, Revision, Target
from allclear.simulator.run_service import Edit, Later, RunService
from allclear.simulator.scenario import Production
from allclear.simulator.scenario_schema import ALL_TRAFFIC, RevisionSpec, ServiceSpec, TrafficSpec
from allclear.simulator.traffic_history import TrafficHistory


class RegionalService:
    """One Cloud Run service in its region, with what Google remembers of it."""

    def __init__(
        self, scenario: Production, spec: ServiceSpec, share: int, *, later: Later, clock: Clock, event_log: EventLog
    ) -> None:
        """`share` is the percent of the shop's users whom it serves."""
        self.project, self.region, self.name, self.share = scenario.project, spec.region, spec.service, share
        self.ingress = spec.ingress
        self.url = ""
        """Where it is reached by itself, as soon as something listens there."""
        self.new_revision = spec.new_revision
        self._clock, self._truth = clock, event_log
        self._registry = f"{self.region}-docker.pkg.dev/{self.project}/apps/{self.name}"
        now = clock()
        self.service = RunService(
            [Revision.from_spec(one, now, self._registry) for one in spec.revisions],
            tuple(Target.from_spec(one) for one in spec.traffic) or ALL_TO_LATEST,
            takes=scenario.operation_takes,
            later=later,
            clock=clock,
            record=self._record,
            mail=lambda who: f"{who}@{scenario.project}.iam.gserviceaccount.com",
        )
        self.service.lags = scenario.traffic_lags
        users = scenario.users.per_second * share / ALL_TRAFFIC
        self.traffic_history = TrafficHistory(
            spec.history,
            self.service,
            clock,
            project=scenario.project,
            users_per_second=users,
            metrics_lag=scenario.metrics_lag,
        )

    @property
    def place(self) -> dict[str, str]:
        """Return its region and name, for the record and for people."""
        return {"region": self.region, "service": self.name}

    def now(self) -> datetime:
        """Return the present."""
        return self._clock()

    def deploy(self, spec: RevisionSpec, by: str) -> None:
        """Make a new revision; it gets traffic only where the traffic goes to the latest.

        Raises RunError: ALREADY_EXISTS for a name that is taken.
        """
        fresh = spec.model_copy(update={"age": timedelta(0), "deleted": False})
        revision = Revision.from_spec(fresh, self._clock(), self._registry)
        self.service.change_at_once(Edit(deploy=revision))
        self._record(
            "deployed",
            revision=revision.name,
            ready=revision.ready,
            faults=[f"{t.path} {t.error_rate:.0%}" for t in revision.faults.values()],
            by=by,
            serving=self.serving(),
        )

    def redirect(self, traffic: list[TrafficSpec], by: str) -> None:
        """Change the traffic as another person would, at once."""
        targets = tuple(Target.from_spec(spec) for spec in traffic)
        self.service.change_at_once(Edit(traffic=targets or ALL_TO_LATEST))
        self._record(
            "traffic_changed",
            traffic=[target.as_facts() for target in targets],
            by=by,
            serving=self.serving(),
        )

    def serving(self) -> dict[str, int]:
        """Return the revisions that get requests now, with their shares in percent."""
        shares: dict[str, int] = {}
        for name, percent in self.service.state.serves():
            shares[name] = shares.get(name, 0) + percent
        return shares

    def in_maintenance(self) -> list[str]:
        """Return the revisions that show the maintenance page to users now."""
        return [name for name in self.serving() if self.service.revisions[name].maintenance]

    def as_facts(self) -> dict[str, Any]:
        """Return its state in plain data."""
        state = self.service.state
        return {
            **self.place,
            "share": self.share,
            "traffic": [target.as_facts() for target in state.traffic],
            "serving": self.serving(),
            "reconciling": state.reconciling,
            "generation": state.generation,
            "etag": state.etag,
            "latest_ready": state.latest_ready,
            "latest_created": state.latest_created,
            "revisions": [_revision_facts(revision) for revision in self.service.revisions.values()],
        }

    def _record(self, kind: str, **facts: object) -> None:
        self._truth.record(kind, **self.place, **facts)


class RegionalServices:
    """Every site of the production: the one that the scenario describes first, and the others."""

    def __init__(self, scenario: Production, *, later: Later, clock: Clock, event_log: EventLog) -> None:
        others = scenario.other_services
        rest = ALL_TRAFFIC - sum(one.share for one in others)
        shares = [(scenario, rest), *((one, one.share) for one in others)]
        self._all = [
            RegionalService(scenario, spec, share, later=later, clock=clock, event_log=event_log)
            for spec, share in shares
        ]
        self.main = self._all[0]

    def __iter__(self) -> Iterator[RegionalService]:
        """Go through all of them, the first one first."""
        return iter(self._all)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._all)

    def find(self, region: str, name: str) -> RegionalService | None:
        """Return the service of that name in that region."""
        return next((site for site in self._all if (site.region, site.name) == (region, name)), None)

    def within(self, region: str) -> list[RegionalService]:
        """Return the services of that region, by name as Google lists them."""
        return sorted((site for site in self._all if site.region == region), key=lambda site: site.name)

    def named(self, region: str, service: str) -> RegionalService:
        """Return the one site that fits what was named of it; the first where nothing was.

        Raises LookupError: none fits, or several do.
        """
        if not region and not service:
            return self.main
        fit = [site for site in self._all if region in ("", site.region) and service in ("", site.name)]
        if len(fit) != 1:
            asked = " in ".join(word for word in (service or "a service", region) if word)
            known = ", ".join(f"{site.name} in {site.region}" for site in self._all)
            raise LookupError(f"{asked} is {'more than one' if fit else 'not there'}; there is {known}")
        return fit[0]


def _revision_facts(revision: Revision) -> dict[str, Any]:
    return {
        "name": revision.name,
        "ready": revision.ready,
        "maintenance": revision.maintenance,
        "created_at": revision.created_at.isoformat(),
        "faults": {path: t.error_rate for path, t in revision.faults.items()},
    }
