"""Which deployment serves on Vercel, and which one to go back to: pure, and able to say why.

"The second newest" is wrong after a staged build, a failed build or an earlier rollback: only what was promoted before
has ever served users.
"""

from __future__ import annotations

from typing import ClassVar

from typing_extensions import override

from allclear.domain.action import State
from allclear.domain.errors import Refused
from allclear.vendors.vercel import AliasJob, Deployment, Vercel, VercelHandle

_NAMED = 3


class HostingState(State):
    """What the production domain points to, and what it could."""

    incidental: ClassVar[frozenset[str]] = frozenset({"url", "deployments", "job"})

    project: str
    domain: str
    serving: str
    """The id of the deployment that users meet."""
    url: str = ""
    """Its own address, by which people know it."""
    deployments: tuple[Deployment, ...] = ()
    """The newest production deployments, the newest first."""
    job: AliasJob | None = None

    @override
    def say(self) -> str:
        return f"{self.domain} on {self.url or self.serving}"

    @property
    def shown(self) -> str:
        """Return what serves as people know it, with its id."""
        return f"{self.url} ({self.serving})" if self.url else self.serving

    def find(self, deployment: str) -> Deployment | None:
        """Return the deployment of that id, or None."""
        return next((one for one in self.deployments if one.id == deployment), None)

    def pointing(self, target: Deployment) -> HostingState:
        """Return this state with the domain on `target`."""
        return self.model_copy(update={"serving": target.id, "url": target.url})


async def read_hosting(vercel: Vercel, hosted: VercelHandle) -> HostingState:
    """Read what serves and what could. Raises NotFound, VendorError."""
    project = await vercel.project(hosted.project)
    serving = await vercel.serving(hosted.domain, project.id)
    listed = tuple(await vercel.deployments(project.id))
    url = next((one.url for one in listed if one.id == serving), "")
    return HostingState(
        project=project.id, domain=hosted.domain, serving=serving, url=url, deployments=listed, job=project.job
    )


# --- choosing ----------------------------------------------------------------------------------------


def choose_previous(state: HostingState) -> tuple[Deployment, str]:
    """Return the deployment that served before the one that serves, and why. Raises Refused where there is none."""
    serves = state.find(state.serving)
    if serves is None:
        raise Refused(
            f"What {state.domain} points to ({state.serving}) is not among its newest deployments.",
            "Name a deployment in `to`.",
        )
    older = [one for one in state.deployments if one.created < serves.created]
    fit = [one for one in older if not unfit(one, back=True)]
    if not fit:
        wrong = "; ".join(f"{word(one)}: {unfit(one, back=True)}" for one in older[:_NAMED])
        raise Refused(
            f"Nothing that served before {word(serves)} can serve again{f' ({wrong})' if wrong else ''}.",
            "Name a deployment in `to`, deploy an earlier commit, or try another way to contain it.",
        )
    others = ", ".join(word(one) for one in fit[1 : 1 + _NAMED])
    reason = f"{word(fit[0])} was chosen, for it is the newest of those that served before {word(serves)}."
    return fit[0], f"{reason} Others that could serve: {others}." if others else f"{reason} Nothing else could serve."


def choose_named(state: HostingState, deployment: str) -> Deployment:
    """Return the deployment of that id, if it can serve. Raises Refused with the candidates if not."""
    found = state.find(deployment)
    fault = unfit(found, back=goes_back(state, deployment))
    if found is None or fault:
        able = [one.id for one in state.deployments if not unfit(one, back=goes_back(state, one.id))]
        raise Refused(f"{deployment} cannot serve: {fault}.", f"These can: {', '.join(able[:_NAMED]) or 'none'}.")
    return found


def choose_newest(state: HostingState) -> Deployment:
    """Return the newest deployment that is ready. Raises Refused where there is none."""
    newest = next((one for one in state.deployments if one.ready), None)
    if newest is None:
        raise Refused(f"{state.domain} has no production deployment that is ready.", "Deploy one that builds.")
    return newest


def unfit(deployment: Deployment | None, *, back: bool) -> str:
    """Return why a deployment cannot serve; empty where it can. `back`: by a rollback, not by a promotion."""
    if deployment is None:
        return "it is not among the newest production deployments"
    if not deployment.ready:
        return "it is not ready"
    if back and deployment.staged:
        return "it has never served users"
    return "Vercel does not roll back to it" if back and deployment.candidate is False else ""


def goes_back(state: HostingState, target: str) -> bool:
    """Return whether `target` is older than what serves: then Vercel calls it a rollback, else a promotion."""
    serves, wanted = state.find(state.serving), state.find(target)
    return serves is not None and wanted is not None and wanted.created < serves.created


def passed_over(state: HostingState) -> Deployment | None:
    """Return a newer deployment that has served and serves no more: somebody rolled back already; else None."""
    serves = state.find(state.serving)
    if serves is None:
        return None
    newer = [one for one in state.deployments if one.created > serves.created]
    return next((one for one in newer if one.ready and not one.staged), None)


# --- words -------------------------------------------------------------------------------------------


def word(deployment: Deployment) -> str:
    """Return a deployment as people know it, with its id."""
    return f"{deployment.url} ({deployment.id})" if deployment.url else deployment.id


def since(job: AliasJob, before: AliasJob | None) -> bool:
    """Return whether `job` was asked for after what was seen before."""
    return before is None or job.requested > before.requested


def came_to(job: AliasJob) -> str:
    """Return what became of a job that did not succeed."""
    return "was skipped" if job.status == "skipped" else "failed"
