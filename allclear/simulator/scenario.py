"""A drill's production, read from YAML and checked before anything starts.

A scenario file is ``runbooks/<company>/drills/<scenario>.yaml``. This module reads its top-level
key ``production:`` and nothing else; the other keys belong to whoever directs the drill.
Durations are written ``400ms``, ``3s``, ``10m``, ``2h`` or ``9d``.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from allclear.domain.errors import ConfigError

ALL_TRAFFIC = 100
"""Percent that the entries of a service's traffic add up to."""
LATEST = "latest"
"""In ``traffic``, stands for the newest revision that is ready, as Cloud Run's LATEST does."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_MAX_SECONDS = 10 * 365 * 86400.0


def _duration(value: object) -> timedelta:
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError("must be a duration such as 400ms, 3s, 10m, 2h or 9d")
    seconds = float(match[1]) * _UNITS[match[2]]
    if seconds > _MAX_SECONDS:
        raise ValueError("must be a duration of ten years or less")
    return timedelta(seconds=seconds)


Duration = Annotated[
    timedelta,
    BeforeValidator(_duration, json_schema_input_type=Annotated[str, Field(pattern=rf"^\s*({_DURATION.pattern})\s*$")]),
]
RevisionName = Annotated[str, Field(pattern=r"^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$")]
PagePath = Annotated[str, Field(pattern=r"^/[^\s?#]*$")]
Name = Annotated[str, Field(min_length=1, max_length=255)]
Rate = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    """What every part of a scenario has in common: no unknown key, no guessed type, no change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Trouble(_Part):
    """How one page misbehaves: the share of requests that fail, and the time each one loses."""

    path: PagePath = Field(description="The page.")
    error_rate: Rate = Field(default=0.0, description="The share of its requests that fail.")
    latency: Duration = Field(default=timedelta(0), description="What each request loses.")
    status: Annotated[int, Field(ge=500, le=599)] = Field(default=500, description="What a failed one answers.")


class RevisionSpec(_Part):
    """A revision of the service: how old it is, whether it can serve, and what is wrong with it."""

    name: RevisionName = Field(description="Its name, as shop-00042-abc.")
    age: Duration = Field(default=timedelta(0), description="How long ago it was made.")
    image: str = Field(default="", description="Its image; one is made up if left out.")
    ready: bool = Field(default=True, description="Whether it can serve.")
    not_ready_because: str = Field(
        default="The user-provided container failed to start and listen on its port.", description="Why not."
    )
    maintenance: bool = Field(default=False, description="Whether it shows the maintenance page.")
    staged: bool = Field(
        default=False, description="On Vercel: it was built for production and has never served there."
    )
    deleted: bool = Field(default=False, description="Whether it is gone.")
    faults: list[Trouble] = Field(default=[], description="What goes wrong while it serves.")


class TrafficSpec(_Part):
    """One entry of the service's traffic: a revision's name, or ``latest``."""

    revision: str = Field(description="A revision's name, or `latest`.")
    percent: Annotated[int, Field(ge=0, le=100)] = Field(default=0, description="Its share.")
    tag: str = Field(default="", description="Its tag, if it has one.")


class HistorySpec(_Part):
    """Who served how many percent from some time ago on, and what was done to bring that about."""

    ago: Duration = Field(description="How long ago it began.")
    serving: Annotated[dict[RevisionName, Annotated[int, Field(ge=1, le=100)]], Field(min_length=1)] = Field(
        description="Revision -> percent."
    )
    deployed: RevisionName | None = Field(
        default=None, description="What was deployed then, where that is not what served: it never started."
    )
    by_name: bool = Field(
        default=False, description="Whether the traffic was sent there by name; else it followed the latest revision."
    )
    by: Annotated[str, Field(pattern=r"^[a-z][-a-z0-9]{4,28}[a-z0-9]$")] = Field(
        default="deployer", description="The name of the service account that did it."
    )


class FlagSpec(_Part):
    """A feature flag, and what goes wrong (or which notice appears) while it is enabled."""

    name: Name = Field(description="Its name.")
    enabled: bool = Field(description="Whether it is on at first.")
    description: str = Field(default="", description="What it is for.")
    maintenance: bool = Field(default=False, description="Whether it closes every page.")
    faults: list[Trouble] = Field(default=[], description="What goes wrong while it is on.")


class PageSpec(_Part):
    """A page that the storefront answers, and by which methods."""

    path: PagePath = Field(description="Its path, as /checkout.")
    methods: list[Literal["GET", "POST", "PUT", "PATCH", "DELETE"]] = Field(
        default=["GET"], description="The methods that it answers."
    )


class UsersSpec(_Part):
    """How many users arrive, where they go, and how long without a failure counts as over."""

    per_second: Annotated[float, Field(ge=0, le=500)] = Field(default=20.0, description="How many requests a second.")
    mix: dict[PagePath, Annotated[float, Field(gt=0)]] = Field(
        default={"/": 1.0}, description="Page -> how often, against the others."
    )
    quiet_after: Duration = Field(
        default=timedelta(seconds=3), description="How long without a failure counts as over."
    )


class OutbreakSpec(_Part):
    """What starts the trouble: a deployment, flags switched on, or both."""

    deploy: RevisionSpec | None = Field(default=None, description="The revision that is deployed.")
    enable_flags: list[str] = Field(default=[], description="The flags that are switched on.")

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if self.deploy is None and not self.enable_flags:
            raise ValueError("must name a revision to deploy or flags to enable")
        return self


class SlackSpec(_Part):
    """The chat workspace: its name, the bot's own name and the channels it can post in."""

    team: Name = Field(default="Simulated", description="Its name.")
    bot: Name = Field(default="allclear", description="The bot's name.")
    channels: list[Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,80}$")]] = Field(
        default=["incidents"], description="The channels that the bot can post in."
    )


class StatusPageSpec(_Part):
    """The public status page: its id and the names of its components."""

    page: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")] = Field(default="simulated", description="Its id.")
    components: list[Name] = Field(default=["Website"], description="The names of its components.")


class VercelSpec(_Part):
    """The service as a project on Vercel: its deployments are the scenario's revisions."""

    project: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,99}$")] = Field(description="The project's name.")
    domain: Annotated[str, Field(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$")] = Field(description="The production domain.")
    team: Annotated[str, Field(pattern=r"^team_[A-Za-z0-9]+$")] = Field(
        default="team_simulated", description="The team's id."
    )
    plan: Literal["hobby", "pro"] = Field(
        default="pro", description="What is paid for; `hobby` can only go back by one."
    )


class Production(_Part):
    """The whole simulated production: what runs, who uses it, and what is going to break."""

    project: Annotated[str, Field(pattern=r"^[a-z][-a-z0-9]{4,28}[a-z0-9]$")] = Field(
        description="The project in Google Cloud."
    )
    region: Annotated[str, Field(pattern=r"^[a-z]+-[a-z]+\d$")] = Field(description="Its region.")
    service: Annotated[str, Field(pattern=r"^[a-z]([-a-z0-9]{0,47}[a-z0-9])?$")] = Field(
        description="The service in Cloud Run."
    )
    pages: Annotated[list[PageSpec], Field(min_length=1)] = Field(description="The pages that the service answers.")
    revisions: Annotated[list[RevisionSpec], Field(min_length=1)] = Field(description="What was deployed so far.")
    traffic: list[TrafficSpec] = Field(
        default=[TrafficSpec(revision=LATEST, percent=100)], description="Who gets how much of the traffic."
    )
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
        ],
        description="What the key may do.",
    )
    history: list[HistorySpec] = Field(
        default=[], description="Who served before, the oldest first; the last is how the simulation begins."
    )
    metrics_lag: Duration = Field(
        default=timedelta(minutes=3), description="How long after a request it shows in metrics."
    )
    slack: SlackSpec = Field(default=SlackSpec(), description="The chat workspace.")
    statuspage: StatusPageSpec = Field(default=StatusPageSpec(), description="The public status page.")
    vercel: VercelSpec | None = Field(default=None, description="The project on Vercel, where it has one.")

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        _check_revisions(self)
        _check_traffic(self)
        _check_history(self)
        _check_pages(self)
        flags = [flag.name for flag in self.flags]
        _unique("flags", flags)
        for name in self.outbreak.enable_flags if self.outbreak else []:
            if name not in flags:
                raise ValueError(f"outbreak.enable_flags names {name!r}, which is not under flags")
        return self


def _unique(where: str, names: list[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"{where} has {twice[0]!r} twice")


def _check_revisions(production: Production) -> None:
    deployed = production.outbreak.deploy if production.outbreak else None
    every = [*production.revisions, *([deployed] if deployed else [])]
    _unique("revisions (with outbreak.deploy)", [revision.name for revision in every])
    serving = [r for r in production.revisions if r.ready and not r.deleted and not r.staged]
    if not serving:
        raise ValueError("revisions must have one that is ready and not deleted (nor staged)")


def _check_traffic(production: Production) -> None:
    known = {r.name: r for r in production.revisions if not r.deleted}
    for entry in production.traffic:
        if entry.revision == LATEST:
            continue
        if entry.revision not in known:
            raise ValueError(f"traffic names {entry.revision!r}, which is not under revisions")
        if not known[entry.revision].ready:
            raise ValueError(f"traffic names {entry.revision!r}, which is not ready")
    total = sum(entry.percent for entry in production.traffic)
    if total != ALL_TRAFFIC:
        raise ValueError(f"traffic must add up to 100 percent, not {total}")
    _unique("traffic's tags", [entry.tag for entry in production.traffic if entry.tag])


def _check_history(production: Production) -> None:
    known = {revision.name for revision in production.revisions}
    for entry in production.history:
        for name in (*entry.serving, *([entry.deployed] if entry.deployed else [])):
            if name not in known:
                raise ValueError(f"history names {name!r}, which is not under revisions")
        if sum(entry.serving.values()) != ALL_TRAFFIC:
            raise ValueError("history must add up to 100 percent in each entry")
    ages = [entry.ago for entry in production.history]
    if ages != sorted(ages, reverse=True):
        raise ValueError("history must begin with the oldest entry")


def _check_pages(production: Production) -> None:
    known = {"/healthz", *(page.path for page in production.pages)}
    deployed = production.outbreak.deploy if production.outbreak else None
    revisions = [*production.revisions, *([deployed] if deployed else [])]
    for owner in (*revisions, *production.flags):
        for fault in owner.faults:
            if fault.path not in known:
                raise ValueError(f"{owner.name} has a fault on {fault.path}, not under pages")
    for path in production.users.mix:
        if path not in known:
            raise ValueError(f"users.mix sends users to {path}, which is not under pages")
    _unique("pages", [page.path for page in production.pages])


def load_scenario(path: Path) -> Production:
    """The production that a scenario file describes.

    :raises ConfigError: the file is missing, is not YAML, or breaks the schema; one sentence naming
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
    yaml: Any = YAML(typ="safe", pure=True)
    try:
        return yaml.load(path.read_text(encoding="utf-8"))
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
