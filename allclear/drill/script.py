"""The script of a drill: its alert, its people, their answers and texts, and what the response must achieve."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field

from allclear.company import Company
from allclear.company.diagnostics import Diagnostic, display_path
from allclear.company.validation_errors import read_model
from allclear.company.yaml_file import read_yaml
from allclear.domain.base import JsonDict, Model, Slug
from allclear.domain.durations import Duration
from allclear.domain.errors import ConfigError, NotFound

_ALERT = re.compile(r"^alert:", re.MULTILINE)


LAST_GOOD = "last good moment"
"""In `choose`, stands for the second before the trouble began: a script cannot know the time at which it is played."""


class ScriptedAlert(Model):
    """The alert that monitoring sends, and when."""

    labels: dict[str, str] = Field(description="Labels that a route of the plan matches.")
    summary: str = Field(description="The alert's text.")
    after: Duration = Field(
        default=timedelta(seconds=1), description="How long after the first user sees an error, or after the start."
    )
    users_notice: bool = Field(
        default=True, description="Whether it waits for a user's error; false if the service works, as after a theft."
    )


class Member(Model):
    """One member of the cast."""

    name: str = Field(description="The name that is used if the plan has no person in this role.")
    role: Slug = Field(description="The person's role in the plan.")
    acknowledges_after: Duration | None = Field(
        default=None, description="How long after the page. Without it this person does not acknowledge."
    )
    answers_after: Duration = Field(default=timedelta(seconds=1), description="How long an answer takes.")


class Line(Model):
    """How the cast answers one question.

    A question without a line is answered yes by any member who may. If it asks whether to try again, the cast goes on
    after twenty tries.
    """

    ask: str = Field(description="phase/step, as contain/roll-back.")
    yes: bool = Field(default=True, description="Whether the answer is yes.")
    by: Slug | None = Field(default=None, description="The role that answers. Without it, any member who may.")
    reason: str = Field(default="", description="The reason or note that is recorded with the answer.")
    choose: str | None = Field(
        default=None,
        description="The chosen candidate, if the question is a choice. Without it, the first. `last good moment` is "
        "the second before the trouble began.",
    )
    after: Duration | None = Field(
        default=None, description="How long the answer takes. Without it, the person's own time."
    )
    deploy: JsonDict | None = Field(
        default=None, description="A deployment before the answer, as the simulation's control takes it."
    )
    restart_database: bool = Field(default=False, description="Whether the database is restarted before the answer.")


class FollowUp(Model):
    """A follow-up that the cast records."""

    text: str = Field(description="What is to be done.")
    owner: str = Field(description="Who does it.")
    in_days: int = Field(default=14, description="In how many days it is due.")


class Expected(Model):
    """What the response must achieve."""

    ending: Literal["resolved", "false-alarm"] = Field(default="resolved", description="How the incident ends.")
    verified: list[str] = Field(default=[], description="Acts that must be verified, as contain/roll-back.")
    notified: dict[str, str] = Field(
        default={}, description="Audience of the plan's notifications -> the way by which it must be reached."
    )
    within: Duration = Field(
        default=timedelta(seconds=60), description="How long the whole drill may take. It is stopped then."
    )


class Script(Model):
    """A file under `drills/`, without the part that the simulated production reads."""

    title: str = Field(description="What is rehearsed.")
    about: str = Field(default="", description="What goes wrong, and what helps.")
    alert: ScriptedAlert = Field(description="The alert that monitoring sends, and when.")
    people: list[Member] = Field(min_length=1, description="The people who take part.")
    answers: list[Line] = Field(default=[], description="How they answer questions.")
    stand_ins: bool = Field(
        default=False,
        description="Whether the people hold the roles that the plan names no one for, as a private incident needs.",
    )
    test_channels: bool = Field(
        default=False,
        description="Whether each way to each person is tested at the end, as `allclear test-channels` does.",
    )
    notes: dict[str, str] = Field(
        default={}, description="Role -> the note of that person when the incident is contained: a key event."
    )
    words: dict[str, str] = Field(default={}, description="Field of the post-mortem -> the text that the cast writes.")
    follow_ups: list[FollowUp] = Field(default=[], description="The follow-ups that they record.")
    recovery_over: Duration = Field(
        default=timedelta(seconds=2),
        description="How long recovery is observed in the drill; the plan's time would make it minutes longer.",
    )
    expect: Expected = Field(default=Expected(), description="What the response must achieve.")

    @property
    def stand_in_names(self) -> dict[str, str] | None:
        """Return role -> the name of the person who holds it in the drill; None without stand-ins."""
        return {member.role: member.name for member in self.people} if self.stand_ins else None


def scripts(company: Company) -> list[str]:
    """Return the names of the company's drills, the plan's `first_drill` first.

    A file without an alert is a production for `allclear simulate`, and no drill.
    """
    paths = sorted((company.folder / "drills").glob("*.yaml"))
    playable = [path.stem for path in paths if _ALERT.search(path.read_text(encoding="utf-8", errors="replace"))]
    return sorted(playable, key=lambda name: name != company.plan.first_drill)


def first_script(company: Company) -> str:
    """Return the drill that is run if none is named. Raises NotFound if the company has none."""
    names = scripts(company)
    if not names:
        raise NotFound(
            f"{company.name} has no drill.", f"Write one, as {display_path(company.folder)}/drills/first.yaml."
        )
    return names[0]


def find_script(folder: Path, name: str) -> tuple[Path, Script]:
    """Return the drill called `name` of the company in `folder`. Raises NotFound, or ConfigError naming the field."""
    path = folder / "drills" / f"{name}.yaml"
    if "/" in name or not path.is_file():
        known = ", ".join(sorted(path.stem for path in (folder / "drills").glob("*.yaml"))) or "none"
        raise NotFound(f"{folder.name} has no drill called {name!r}.", f"There are: {known}.")
    file = read_yaml(path)
    if isinstance(file, Diagnostic):
        raise ConfigError(str(file), file.next_step)
    own = {key: value for key, value in file.data.items() if key != "production"}
    script = read_model(Script, replace(file, data=own))
    if isinstance(script, Script):
        return path, script
    raise ConfigError(" ".join(str(diagnostic) for diagnostic in script[:2]), script[0].next_step)
