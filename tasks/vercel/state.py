"""Which deployment serves on Vercel, and which one to roll back to, with the reason.

"The second newest" is wrong after a staged build, a failed build or an earlier rollback: only a deployment that was
promoted has ever served users.
"""

from __future__ import annotations

from contextlib import suppress
from typing import ClassVar

from typing_extensions import override

from allclear.domain.action import State
from allclear.domain.base import Candidate
from allclear.domain.errors import NotFound, Refused, VendorRefused
from allclear.vendors.vercel import AliasJob, Deployment, Project, Vercel, VercelHandle

_NAMED = 3
"""How many deployments a sentence names."""
_OFFERED = 10
"""How many candidates a person is shown."""


class HostingState(State):
    """The deployment that the production domain points to, and the others."""

    incidental: ClassVar[frozenset[str]] = frozenset({"url", "deployments", "job", "rolled_back_by"})

    project: str
    domain: str
    serving: str
    """The id of the deployment that users get."""
    url: str = ""
    """Its own address, by which people know it."""
    deployments: tuple[Deployment, ...] = ()
    """The newest production deployments, newest first."""
    job: AliasJob | None = None
    rolled_back_by: str = ""

    @override
    def in_words(self) -> str:
        return f"{self.domain} on {self.url or self.serving}"

    @override
    def last_changed(self) -> str:
        if self.rolled_back_by and self.job and self.job.kind == "rollback":
            return f"by {self.rolled_back_by}"
        return ""

    @property
    def shown(self) -> str:
        """Return the address and the id of what serves."""
        return f"{self.url} ({self.serving})" if self.url else self.serving

    def find(self, deployment: str) -> Deployment | None:
        """Return the deployment of that id, or None."""
        return next((candidate for candidate in self.deployments if candidate.id == deployment), None)

    def pointing(self, target: Deployment) -> HostingState:
        """Return this state with the domain on `target`."""
        return self.model_copy(update={"serving": target.id, "url": target.url})


async def read_hosting(vercel: Vercel, handle: VercelHandle, named: str = "") -> HostingState:
    """Read the project, the domain and the deployments. Raises NotFound, VendorError.

    What serves, and the deployment `named`, are read by their id if they are not among the newest.
    """
    project = await vercel.project(handle.project)
    serving = await vercel.serving(handle.domain, project.id)
    deployments = await vercel.deployments(project.id)
    for wanted in {serving, named} - {deployment.id for deployment in deployments} - {""}:
        with suppress(NotFound, VendorRefused):  # an id that does not exist: the choice says so
            deployments.append(await vercel.deployment(wanted))
    deployments.sort(key=lambda deployment: deployment.created, reverse=True)
    return _state(project, handle, serving, tuple(deployments))


async def read_serving(vercel: Vercel, handle: VercelHandle) -> HostingState:
    """Read only the project and where its domain points. Raises NotFound, VendorError."""
    project = await vercel.project(handle.project)
    return _state(project, handle, await vercel.serving(handle.domain, project.id), ())


def _state(project: Project, handle: VercelHandle, serving: str, deployments: tuple[Deployment, ...]) -> HostingState:
    url = next((deployment.url for deployment in deployments if deployment.id == serving), "")
    return HostingState(
        project=project.id,
        domain=handle.domain,
        serving=serving,
        url=url,
        deployments=deployments,
        job=project.job,
        rolled_back_by=project.rolled_back_by,
    )


# --- choosing ----------------------------------------------------------------------------------------


def choose_previous(state: HostingState) -> tuple[Deployment, str]:
    """Return the deployment that served before the present one, and the reason.

    Raises Refused if there is none, or if several were made at the same time: people then choose.
    """
    serves = state.find(state.serving)
    if serves is None:
        raise Refused(
            f"What {state.domain} points to ({state.serving}) is not among its newest deployments.",
            "Name a deployment in `to`.",
        )
    older = [deployment for deployment in state.deployments if deployment.created < serves.created]
    fit = [deployment for deployment in older if not unfit(deployment, back=True)]
    same_time = [other for other in state.deployments if other.created == serves.created and other.id != serves.id]
    doubt = [other for other in same_time if not unfit(other, back=True)]
    if not fit and not doubt:
        faults = "; ".join(f"{name_of(other)}: {unfit(other, back=True)}" for other in older[:_NAMED])
        raise Refused(
            f"No deployment from before {name_of(serves)} can serve again{f' ({faults})' if faults else ''}.",
            "Name a deployment in `to`, deploy an earlier commit, or try another way to contain the incident.",
            _candidates(state),
        )
    same = [serves, *doubt] if doubt else _newest_of(fit)
    if len(same) > 1:
        raise Refused(
            f"Which deployment served before {name_of(serves)} is not known:"
            f" {_names(same)} were made at the same time.",
            "Choose one of them, and name it in `to`.",
            _offered([*doubt, *fit]),
        )
    others = ", ".join(name_of(other) for other in fit[1 : 1 + _NAMED])
    reason = f"{name_of(fit[0])} was chosen because it is the newest that served before {name_of(serves)}."
    return fit[0], f"{reason} Others that could serve: {others}." if others else f"{reason} Nothing else could serve."


def choose_named(state: HostingState, deployment: str) -> Deployment:
    """Return the deployment of that id, if it can serve. Otherwise raises Refused and names those that can."""
    found = state.find(deployment)
    fault = unfit(found, back=goes_back(state, deployment))
    if found is None or fault:
        able = _candidates(state)
        names = ", ".join(candidate.name for candidate in able[:_NAMED]) or "none"
        raise Refused(f"{deployment} cannot serve: {fault}.", f"These can: {names}.", able)
    return found


def _candidates(state: HostingState) -> tuple[Candidate, ...]:
    """Return the deployments that could serve instead of the present one, the newest first, with what is known."""
    able = [
        other
        for other in state.deployments
        if other.id != state.serving and not unfit(other, back=goes_back(state, other.id))
    ]
    return _offered(able)


def _offered(deployments: list[Deployment]) -> tuple[Candidate, ...]:
    return tuple(Candidate(name=other.id, reason=_known(other)) for other in deployments[:_OFFERED])


def _newest_of(deployments: list[Deployment]) -> list[Deployment]:
    """Return the newest deployment, and those that were made at the same time."""
    newest = max((deployment.created for deployment in deployments), default=None)
    return [deployment for deployment in deployments if deployment.created == newest]


def _names(deployments: list[Deployment]) -> str:
    return " and ".join(name_of(deployment) for deployment in deployments)


def _known(deployment: Deployment) -> str:
    served = "has never served users" if deployment.staged else "has served users"
    made = f"made at {deployment.created:%H:%M} UTC on {deployment.created:%Y-%m-%d}"
    return ", ".join(part for part in (deployment.url, made, "ready", served) if part)


def choose_newest(state: HostingState) -> Deployment:
    """Return the newest deployment that is ready. Raises Refused if there is none, or if two are the newest."""
    newest = _newest_of([deployment for deployment in state.deployments if deployment.ready])
    if not newest:
        raise Refused(f"{state.domain} has no production deployment that is ready.", "Deploy a commit that builds.")
    if len(newest) > 1:
        raise Refused(
            f"Which deployment is the newest is not known: {_names(newest)} were made at the same time.",
            "Promote one of them by its id.",
            _offered(newest),
        )
    return newest[0]


def unfit(deployment: Deployment | None, *, back: bool) -> str:
    """Return why a deployment cannot serve; empty if it can. `back` is for a rollback, otherwise for a promotion."""
    if deployment is None:
        return "it is not among the newest production deployments"
    if not deployment.ready:
        return "it is not ready"
    if back and deployment.staged:
        return "it has never served users"
    return "Vercel does not roll back to it" if back and deployment.candidate is False else ""


def goes_back(state: HostingState, target: str) -> bool:
    """Return whether `target` is older than what serves: a rollback for Vercel, otherwise a promotion."""
    serves, wanted = state.find(state.serving), state.find(target)
    return serves is not None and wanted is not None and wanted.created < serves.created


def passed_over(state: HostingState) -> Deployment | None:
    """Return a newer deployment that has served: a sign of an earlier rollback. Or None."""
    serves = state.find(state.serving)
    if serves is None:
        return None
    newer = [other for other in state.deployments if other.created > serves.created]
    return next((other for other in newer if other.ready and not other.staged), None)


# --- sentences -------------------------------------------------------------------------------------------


def name_of(deployment: Deployment) -> str:
    """Return a deployment's address and id."""
    return f"{deployment.url} ({deployment.id})" if deployment.url else deployment.id


def is_newer(job: AliasJob, before: AliasJob | None) -> bool:
    """Return whether `job` was requested after the job `before`."""
    return before is None or job.requested > before.requested


def outcome_of(job: AliasJob) -> str:
    """Return the outcome of a job that did not succeed, as a predicate."""
    return "was skipped" if job.status == "skipped" else "failed"
