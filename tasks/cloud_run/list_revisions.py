"""The probe that lists the revisions of a Cloud Run service, and says which one a rollback would choose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from typing_extensions import override

from allclear.domain.action import (
    Finding,
    ParamProblem,
    Verdict,
)
from allclear.domain.baseline import SERVING_ALL, ServingAll
from allclear.domain.errors import AllclearError, Refused
from allclear.domain.probe import Probe
from allclear.domain.systems import Service
from allclear.vendors.cloud_run.client import CloudRun
from allclear.vendors.cloud_run.handle import CloudRunHandle
from tasks.cloud_run import traffic_state
from tasks.cloud_run.evidence import ALL
from tasks.cloud_run.evidence_sources import EVIDENCE_CLIENTS, SOURCE_SECONDS, gather_evidence
from tasks.cloud_run.location import CloudRunParams, check_region, locate
from tasks.cloud_run.preflights import CLOUD_RUN_PREFLIGHTS
from tasks.cloud_run.previous_revision import choose_previous
from tasks.cloud_run.traffic_action import identity_of, maintenance_tag
from tasks.permissions import CLOUD_RUN_READ, LOGS_READ, METRICS_READ
from tasks.read_together import read_together


class Revisions(Probe[CloudRunParams]):
    """Reports which revision serves, and which one a rollback would choose."""

    name = "cloud_run.revisions"
    title = "List the revisions"
    permissions = (CLOUD_RUN_READ, METRICS_READ, LOGS_READ)
    params = CloudRunParams
    needs = (CloudRun,)
    preflights = CLOUD_RUN_PREFLIGHTS
    uses = EVIDENCE_CLIENTS
    handles = (CloudRunHandle,)
    reports_serving = True
    evidence_seconds: ClassVar[float] = SOURCE_SECONDS
    """How long to wait for each source of evidence, in seconds."""

    @classmethod
    @override
    def check_params(cls, params: CloudRunParams, services: Mapping[str, Service]) -> Iterable[ParamProblem]:
        return check_region(params, services)

    @override
    async def check(self, params: CloudRunParams) -> Finding:
        service = self.context.service(params.service)
        try:
            run, name = locate(self.context, params)
            identity = identity_of(run, params.service, name)
            evidence = gather_evidence(self.context, identity, seconds=self.evidence_seconds)
            state, past = await read_together(traffic_state.read_traffic(run, name), evidence)
        except AllclearError as error:
            return Finding(verdict=Verdict.INCONCLUSIVE, sentence=error.message)
        facts = state.model_dump(mode="json", include={"allocation", "serving", "latest_ready", "reconciling"})
        facts["revisions"] = [revision.model_dump(mode="json") for revision in state.revisions[:10]]
        tag = maintenance_tag(service)
        if state.serving == state.shares() and list(state.serving.values()) == [ALL]:
            [only] = state.serving
            if only != state.tagged(tag):
                facts[SERVING_ALL] = [ServingAll(resource=identity.resource, revision=only).model_dump(mode="json")]
        try:
            choice = choose_previous(state, tag, past)
            facts["previous"], previous = choice.target, f"before it {choice.target} served"
        except Refused as refused:
            facts["previous"] = None
            names = ", ".join(candidate.name for candidate in refused.candidates)
            previous = f"which served before is not known (it could be {names})" if names else "none to roll back to"
        pinned = "" if any(share.latest and share.percent for share in state.allocation) else ", pinned"
        sentence = f"Traffic is {state.in_words()}{pinned}; {previous}."
        return Finding(verdict=Verdict.SUCCESS, sentence=sentence, facts=facts)
