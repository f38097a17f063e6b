"""A drill's production, read from YAML and checked before anything starts.

A scenario file is `runbooks/<company>/drills/<scenario>.yaml`. This module reads its top-level
key `production:` and nothing else; the other keys are the drill's script.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Self, cast

from pydantic import Field, ValidationError, model_validator
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from allclear.domain.errors import ConfigError
from allclear.simulator.faults import Fault
from allclear.simulator.github_spec import GithubSpec
from allclear.simulator.scenario_schema import (
    ALL_TRAFFIC,
    LATEST,
    ArmorSpec,
    ConvexSpec,
    Duration,
    FlagSpec,
    JiraSpec,
    OtherServiceSpec,
    OutbreakSpec,
    PageSpec,
    RevisionSpec,
    ServiceSpec,
    SlackSpec,
    StatusPageSpec,
    SupabaseSpec,
    TwilioSpec,
    UsersSpec,
    VercelSpec,
)
from allclear.yaml_parser import parse_yaml


class Production(ServiceSpec):
    """The whole simulated production: what runs, who uses it, and what is going to break."""

    project: Annotated[str, Field(pattern=r"^[a-z][-a-z0-9]{4,28}[a-z0-9]$")] = Field(
        description="The project in Google Cloud."
    )
    other_services: list[OtherServiceSpec] = Field(
        default=[], description="What else runs in Cloud Run: the shop in further regions, say."
    )
    pages: Annotated[list[PageSpec], Field(min_length=1)] = Field(description="The pages that the service answers.")
    flags: list[FlagSpec] = Field(default=[], description="The feature flags.")
    users: UsersSpec = Field(default=UsersSpec(), description="Who comes, and where they go.")
    outbreak: OutbreakSpec | None = Field(default=None, description="What breaks; nothing if left out.")
    breaks_after: Duration | None = Field(
        default=timedelta(0), description="When it breaks by itself; null: when it is told."
    )
    operation_takes: Duration = Field(
        default=timedelta(milliseconds=400), description="How long a change of traffic takes."
    )
    traffic_lags: Duration = Field(
        default=timedelta(0), description="How long after the operation the new traffic shows."
    )
    permissions: list[str] = Field(
        default=[
            "run.services.get",
            "run.services.list",
            "run.services.update",
            "run.revisions.get",
            "run.revisions.list",
            "run.operations.get",
            "monitoring.timeSeries.list",
            "logging.logEntries.list",
            "compute.securityPolicies.get",
            "compute.securityPolicies.update",
            "compute.backendServices.get",
            "compute.globalOperations.get",
        ],
        description="What the key may do.",
    )
    metrics_lag: Duration = Field(
        default=timedelta(minutes=3), description="How long after a request it shows in metrics."
    )
    slack: SlackSpec = Field(default=SlackSpec(), description="The chat workspace.")
    statuspage: StatusPageSpec = Field(default=StatusPageSpec(), description="The public status page.")
    supabase: SupabaseSpec = Field(default=SupabaseSpec(), description="The project on Supabase.")
    convex: ConvexSpec | None = Field(default=None, description="The deployment on Convex, where it has one.")
    vercel: VercelSpec | None = Field(default=None, description="The project on Vercel, where it has one.")
    armor: ArmorSpec | None = Field(default=None, description="Its Cloud Armor policy, where it has one.")
    github: GithubSpec | None = Field(default=None, description="The repository on GitHub, where it has one.")
    jira: JiraSpec | None = Field(default=None, description="The project in Jira, where it has one.")
    twilio: TwilioSpec = Field(default=TwilioSpec(), description="The account at Twilio.")
    faults: list[Fault] = Field(
        default=[], description="What fails at the vendors from the beginning, as a mail server that is down."
    )

    @property
    def new_revision(self) -> RevisionSpec | None:
        """Return the revision that is deployed to the first service when the trouble starts, if one is."""
        return self.outbreak.deploy if self.outbreak else None

    @property
    def breaks(self) -> bool:
        """Return whether any trouble is going to come."""
        return self.outbreak is not None or any(one.breaks_with for one in self.other_services)

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        _check_service(self, "")
        for index, other in enumerate(self.other_services):
            _check_service(other, f"other_services[{index}].")
        _check_others(self)
        _check_pages(self)
        flags = [flag.name for flag in self.flags]
        _unique("flags", [f"{flag.name} {flag.environment}".strip() for flag in self.flags])
        switched: list[str] = [*self.convex.switches.values()] if self.convex else []
        for name in switched:
            if name not in flags:
                raise ValueError(f"convex.switches names {name!r}, which is not under flags")
        for name in self.outbreak.enable_flags if self.outbreak else []:
            if name not in flags:
                raise ValueError(f"outbreak.enable_flags names {name!r}, which is not under flags")
        return self


def _unique(where: str, names: list[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"{where} has {twice[0]!r} twice")


def _check_service(service: ServiceSpec, where: str) -> None:
    _check_revisions(service, where)
    _check_traffic(service, where)
    _check_history(service, where)


def _check_revisions(service: ServiceSpec, where: str) -> None:
    later = f"{where}breaks_with" if where else "outbreak.deploy"
    _unique(f"{where}revisions (with {later})", [revision.name for revision in _revisions(service)])
    serving = [r for r in service.revisions if r.ready and not r.deleted and not r.staged]
    if not serving:
        raise ValueError(f"{where}revisions must have one that is ready and not deleted (nor staged)")


def _check_traffic(service: ServiceSpec, where: str) -> None:
    known = {r.name: r for r in service.revisions if not r.deleted}
    for entry in service.traffic:
        if entry.revision == LATEST:
            continue
        if entry.revision not in known:
            raise ValueError(f"{where}traffic names {entry.revision!r}, which is not under revisions")
        if not known[entry.revision].ready:
            raise ValueError(f"{where}traffic names {entry.revision!r}, which is not ready")
    total = sum(entry.percent for entry in service.traffic)
    if total != ALL_TRAFFIC:
        raise ValueError(f"{where}traffic must add up to 100 percent, not {total}")
    _unique(f"{where}traffic's tags", [entry.tag for entry in service.traffic if entry.tag])


def _check_history(service: ServiceSpec, where: str) -> None:
    known = {revision.name for revision in service.revisions}
    for entry in service.history:
        for name in (*entry.serving, *([entry.deployed] if entry.deployed else [])):
            if name not in known:
                raise ValueError(f"{where}history names {name!r}, which is not under revisions")
        if sum(entry.serving.values()) != ALL_TRAFFIC:
            raise ValueError(f"{where}history must add up to 100 percent in each entry")
    ages = [entry.ago for entry in service.history]
    if ages != sorted(ages, reverse=True):
        raise ValueError(f"{where}history must begin with the oldest entry")


def _check_others(production: Production) -> None:
    others = production.other_services
    _unique("Cloud Run", [f"{one.region}/{one.service}" for one in (production, *others)])
    for region in {one.region for one in others}:
        here = [one for one in (production, *others) if one.region == region]
        _unique(f"revisions in {region}", [revision.name for one in here for revision in _revisions(one)])
    total = sum(one.share for one in others)
    if total > ALL_TRAFFIC:
        raise ValueError(f"other_services' shares must not add up to more than 100 percent, and they are {total}")
    if production.vercel is not None and others:
        raise ValueError("other_services are Cloud Run's, and cannot stand beside vercel")


def _check_pages(production: Production) -> None:
    known = {"/healthz", *(page.path for page in production.pages)}
    revisions = [one for service in (production, *production.other_services) for one in _revisions(service)]
    migration = production.outbreak.migrate if production.outbreak else None
    for owner in (*revisions, *production.flags, *([migration] if migration else [])):
        for fault in owner.faults:
            if fault.path not in known:
                raise ValueError(f"{owner.name} has a fault on {fault.path}, not under pages")
    for path in production.users.mix:
        if path not in known:
            raise ValueError(f"users.mix sends users to {path}, which is not under pages")
    _unique("pages", [page.path for page in production.pages])


def _revisions(service: ServiceSpec) -> list[RevisionSpec]:
    """Return those that there are, and the one to come."""
    return [*service.revisions, *([service.new_revision] if service.new_revision else [])]


def load_scenario(path: Path) -> Production:
    """Return the production that a scenario file describes.

    Raises ConfigError: the file is missing, is not YAML, or breaks the schema; one sentence naming
        the file, the field and what is wrong with it.
    """
    content = _read(path)
    if not isinstance(content, dict) or "production" not in content:
        raise _wrong(path, "has no top-level key 'production'")
    try:
        return Production.model_validate(cast("dict[str, Any]", content)["production"])
    except ValidationError as error:
        raise _wrong(path, _first_problem(error)) from None
    except RecursionError:
        raise _wrong(path, "nests too deeply, or refers to itself by an alias") from None


def _read(path: Path) -> object:
    try:
        return parse_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _wrong(path, f"cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise _wrong(path, "is not UTF-8 text") from None
    except MarkedYAMLError as marked:
        # Its attributes carry no types.
        found: Any = marked
        line = f" in line {found.problem_mark.line + 1}" if found.problem_mark else ""
        problem = str(found.problem or "it cannot be parsed").splitlines()[0]
        raise _wrong(path, f"is not valid YAML{line}: {problem}") from None
    except (YAMLError, ValueError, RecursionError) as error:
        reason = (str(error) or "it nests too deeply").splitlines()[0]
        raise _wrong(path, f"is not valid YAML: {reason}") from None


def _first_problem(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_context=False)
    first = problems[0]
    field = "production" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
    said = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        said = "is not a field that a scenario knows"
    elif first["type"] == "missing":
        said = "is missing"
    more = f" ({len(problems) - 1} more after this one)" if len(problems) > 1 else ""
    return f"{field}: {said}{more}"


def _wrong(path: Path, what: str) -> ConfigError:
    return ConfigError(f"{path}: {what}", f"Correct {path} and start again.")
