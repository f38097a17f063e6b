"""The parts of a drill's production as a scenario file spells them: revisions, traffic, flags, pages, users, tools.

Durations are written `400ms`, `3s`, `10m`, `2h` or `9d`.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

ALL_TRAFFIC = 100
"""Percent that the entries of a service's traffic add up to."""
LATEST = "latest"
"""In `traffic`, stands for the newest revision that is ready, as Cloud Run's LATEST does."""

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


class Part(BaseModel):
    """What every part of a scenario has in common: no unknown key, no guessed type, no change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Trouble(Part):
    """How one page misbehaves: the share of requests that fail, and the time each one loses."""

    path: PagePath = Field(description="The page.")
    error_rate: Rate = Field(default=0.0, description="The share of its requests that fail.")
    latency: Duration = Field(default=timedelta(0), description="What each request loses.")
    status: Annotated[int, Field(ge=500, le=599)] = Field(default=500, description="What a failed one answers.")


class RevisionSpec(Part):
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


class TrafficSpec(Part):
    """One entry of the service's traffic: a revision's name, or `latest`."""

    revision: str = Field(description="A revision's name, or `latest`.")
    percent: Annotated[int, Field(ge=0, le=100)] = Field(default=0, description="Its share.")
    tag: str = Field(default="", description="Its tag, if it has one.")


class HistorySpec(Part):
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


class FlagSpec(Part):
    """A feature flag, and what goes wrong (or which notice appears) while it is enabled."""

    name: Name = Field(description="Its name.")
    environment: str = Field(default="", description="Which environment the row is for; a name may have several.")
    enabled: bool | str | None = Field(
        description="Whether it is on at first. Null, or a text in a column that is not boolean, is a mistake to find."
    )
    description: str = Field(default="", description="What it is for.")
    maintenance: bool = Field(default=False, description="Whether it closes every page.")
    faults: list[Trouble] = Field(default=[], description="What goes wrong while it is on.")


class PageSpec(Part):
    """A page that the storefront answers, and by which methods."""

    path: PagePath = Field(description="Its path, as /checkout.")
    methods: list[Literal["GET", "POST", "PUT", "PATCH", "DELETE"]] = Field(
        default=["GET"], description="The methods that it answers."
    )


class UsersSpec(Part):
    """How many users arrive, where they go, and how long without a failure counts as over."""

    per_second: Annotated[float, Field(ge=0, le=500)] = Field(default=20.0, description="How many requests a second.")
    mix: dict[PagePath, Annotated[float, Field(gt=0)]] = Field(
        default={"/": 1.0}, description="Page -> how often, against the others."
    )
    quiet_after: Duration = Field(
        default=timedelta(seconds=3), description="How long without a failure counts as over."
    )


class MigrationSpec(Part):
    """A migration of the database, and what goes wrong with every revision once it has run."""

    version: Annotated[str, Field(pattern=r"^\d{14}$")] = Field(
        description="Its version: when it was written, as 20261128140000."
    )
    name: Name = Field(description="Its name.")
    faults: list[Trouble] = Field(default=[], description="What goes wrong once it has run.")


class OutbreakSpec(Part):
    """What starts the trouble: a deployment, flags switched on, a migration, a database that is down."""

    deploy: RevisionSpec | None = Field(default=None, description="The revision that is deployed.")
    enable_flags: list[str] = Field(default=[], description="The flags that are switched on.")
    migrate: MigrationSpec | None = Field(default=None, description="The migration that runs.")
    database_down: bool = Field(default=False, description="Whether the database stops answering.")

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if not (self.deploy or self.enable_flags or self.migrate or self.database_down):
            raise ValueError("must name a revision to deploy, flags to enable, a migration or a database that is down")
        return self


class SlackSpec(Part):
    """The chat workspace: its name, the bot's own name and the channels it can post in."""

    team: Name = Field(default="Simulated", description="Its name.")
    bot: Name = Field(default="allclear", description="The bot's name.")
    channels: list[Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,80}$")]] = Field(
        default=["incidents"], description="The channels that the bot can post in."
    )


class StatusPageSpec(Part):
    """The public status page: its id and the names of its components."""

    page: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")] = Field(default="simulated", description="Its id.")
    components: list[Name] = Field(default=["Website"], description="The names of its components.")


class VercelSpec(Part):
    """The service as a project on Vercel: its deployments are the scenario's revisions."""

    project: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,99}$")] = Field(description="The project's name.")
    domain: Annotated[str, Field(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$")] = Field(description="The production domain.")
    team: Annotated[str, Field(pattern=r"^team_[A-Za-z0-9]+$")] = Field(
        default="team_simulated", description="The team's id."
    )
    plan: Literal["hobby", "pro"] = Field(
        default="pro", description="What is paid for; `hobby` can only go back by one."
    )
    global_config: Annotated[str, Field(pattern=r"^ecfg_[A-Za-z0-9_]+$")] | None = Field(
        default=None, description="The id of the Global Config whose items are the scenario's flags; any if left out."
    )


class SupabaseSpec(Part):
    """The project on Supabase: how far back it can be restored, and how long that takes."""

    ref: Annotated[str, Field(pattern=r"^[a-z]{20}$")] | None = Field(
        default=None, description="The project's reference; any if left out."
    )
    point_in_time: bool = Field(default=True, description="Whether point-in-time recovery is on.")
    restore_points: bool = Field(default=True, description="Whether the plan has restore points.")
    keeps: Duration = Field(default=timedelta(days=7), description="How far back a point may lie.")
    restore_takes: Duration = Field(default=timedelta(milliseconds=400), description="How long a restore takes.")


class ArmorSpec(Part):
    """The Cloud Armor policy before the service, and the backend service of the load balancer."""

    policy: Annotated[str, Field(pattern=r"^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$")] = Field(description="Its name.")
    backend_service: Annotated[str, Field(pattern=r"^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$")] = Field(
        description="The backend service of the load balancer."
    )
    attached: bool = Field(default=True, description="Whether the backend service has the policy.")


class ConvexSpec(Part):
    """The backend as a deployment on Convex: its environment variables, and which of them switch a flag."""

    environment: dict[Name, str] = Field(default={}, description="Variable -> value.")
    switches: dict[Name, str] = Field(
        default={}, description="Variable -> the flag of the scenario that it switches, with `true` and `false`."
    )


class JiraSpec(Part):
    """The project in Jira into which tickets go."""

    project: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{1,9}$")] = Field(description="Its key, as OPS.")
    issue_types: list[Name] = Field(default=["Task"], description="The types of its tickets.")
    required_fields: list[Name] = Field(default=[], description="Fields that it requires beside the usual ones.")
    people: list[Name] = Field(default=[], description="The e-mail addresses of the people who have an account.")
    search_lags: Duration = Field(default=timedelta(0), description="How long the search does not show a new ticket.")
    may_create: bool = Field(default=True, description="Whether the token's account may create tickets.")
    done_leads_to: list[Literal["To Do", "Backlog", "In Progress"]] = Field(
        default=["To Do", "In Progress"], description="The statuses to which a ticket that is done can go."
    )


class PhoneSpec(Part):
    """A person's phone, and what becomes of texts and calls to it."""

    number: Annotated[str, Field(pattern=r"^\+[1-9][0-9]{6,14}$")] = Field(description="As +4915112345678.")
    text: Literal["delivered", "sent", "queued", "undelivered", "failed"] = Field(
        default="delivered", description="What becomes of a text; `sent` and `queued` stay so for ever."
    )
    text_error: int | None = Field(default=None, description="The error code of a text that does not arrive.")
    refuses_with: int | None = Field(default=None, description="The code with which each is refused at once.")
    call: Literal["presses", "hangs-up", "mailbox", "busy", "no-answer", "failed"] = Field(
        default="presses",
        description="What becomes of a call: a person presses `key` or hangs up, or a mailbox answers.",
    )
    key: Annotated[str, Field(pattern=r"^[0-9*#]$")] = Field(default="1", description="The key that is pressed.")


class TwilioSpec(Part):
    """The account at Twilio: our number, and people's phones. A phone that is not listed gets texts and answers."""

    account: Annotated[str, Field(pattern=r"^AC[0-9a-f]{32}$")] = Field(default="AC" + "5" * 32, description="Its SID.")
    number: Annotated[str, Field(pattern=r"^\+[1-9][0-9]{6,14}$")] = Field(
        default="+15005550006", description="Its one number."
    )
    sms: bool = Field(default=True, description="Whether the number can send texts.")
    voice: bool = Field(default=True, description="Whether the number can place calls.")
    takes: Duration = Field(default=timedelta(0), description="How long a text or a call is on its way.")
    phones: list[PhoneSpec] = Field(default=[], description="The phones of people that behave in their own way.")


class ServiceSpec(Part):
    """A service of Cloud Run in one region: its revisions, who gets the traffic, and who had it before."""

    region: Annotated[str, Field(pattern=r"^[a-z]+-[a-z]+\d+$")] = Field(description="Its region.")
    service: Annotated[str, Field(pattern=r"^[a-z]([-a-z0-9]{0,47}[a-z0-9])?$")] = Field(
        description="The service in Cloud Run."
    )
    revisions: Annotated[list[RevisionSpec], Field(min_length=1)] = Field(description="What was deployed so far.")
    traffic: list[TrafficSpec] = Field(
        default=[TrafficSpec(revision=LATEST, percent=100)], description="Who gets how much of the traffic."
    )
    ingress: Literal["all", "internal", "internal-and-cloud-load-balancing"] = Field(
        default="all", description="Whose requests it admits; other than `all`: only those of a load balancer."
    )
    history: list[HistorySpec] = Field(
        default=[], description="Who served before, the oldest first; the last is how the simulation begins."
    )

    @property
    def new_revision(self) -> RevisionSpec | None:
        """Return the revision that is deployed to it when the trouble starts, if one is."""
        raise NotImplementedError


class OtherServiceSpec(ServiceSpec):
    """A further service of Cloud Run: the shop in another region, or one that no user of the shop meets."""

    share: Annotated[int, Field(ge=0, le=100)] = Field(
        default=0, description="The percent of the users whom it serves; the rest meets the first service."
    )
    breaks_with: RevisionSpec | None = Field(
        default=None, description="The revision that is deployed to it when the trouble starts."
    )

    @property
    def new_revision(self) -> RevisionSpec | None:
        """Return the revision that is deployed to it when the trouble starts, if one is."""
        return self.breaks_with
