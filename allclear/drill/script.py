"""What a drill plays: its alert, its cast, what they do and say, and what is expected of the response."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field

from allclear.company.complaint import Complaint
from allclear.company.problems import read_model
from allclear.company.yaml_file import read_yaml
from allclear.domain.base import JsonDict, Model, Slug
from allclear.domain.durations import Duration
from allclear.domain.errors import ConfigError, NotFound


class ScriptedAlert(Model):
    """What monitoring sends, and when."""

    labels: dict[str, str]
    summary: str
    after: Duration = Field(
        default=timedelta(seconds=1), description="How long after users see the first error (or the start)."
    )


class Member(Model):
    """Somebody of the cast."""

    name: str
    role: Slug
    acknowledges_after: Duration | None = Field(
        default=None, description="From the page; nobody acknowledges if left out."
    )
    answers_after: Duration = Field(default=timedelta(seconds=1), description="How long an answer takes.")


class Line(Model):
    """How the cast answers one ask; what stands nowhere is answered yes, by whoever may."""

    ask: str = Field(description="phase/step, as contain/roll-back.")
    yes: bool = True
    by: Slug | None = Field(default=None, description="The role that answers; anybody who may, if left out.")
    reason: str = ""
    choose: str | None = Field(
        default=None, description="Which candidate, where that is the question; the first if left out."
    )
    after: Duration | None = None
    deploy: JsonDict | None = Field(
        default=None, description="What is deployed first, as the simulation's control takes it."
    )


class FollowUp(Model):
    """Something the cast resolves to do."""

    text: str
    owner: str
    in_days: int = 14


class Expected(Model):
    """What a good response comes to."""

    ending: Literal["resolved", "false-alarm"] = "resolved"
    verified: list[str] = Field(default=[], description="Acts that must be verified, as contain/roll-back.")
    within: Duration = timedelta(seconds=60)


class Script(Model):
    """A file under `drills/`, without the part that the simulated production reads."""

    title: str
    about: str = ""
    alert: ScriptedAlert
    people: list[Member] = Field(min_length=1)
    answers: list[Line] = []
    notes: dict[str, str] = Field(default={}, description="Role -> what that person notes once it is contained.")
    words: dict[str, str] = Field(default={}, description="Field of the post-mortem -> what the cast writes.")
    follow_ups: list[FollowUp] = []
    expect: Expected = Expected()


def find_script(folder: Path, name: str) -> tuple[Path, Script]:
    """Returns the drill called `name` of the company in `folder`. Raises NotFound, or ConfigError naming the field."""
    path = folder / "drills" / f"{name}.yaml"
    if "/" in name or not path.is_file():
        there = ", ".join(sorted(one.stem for one in (folder / "drills").glob("*.yaml"))) or "none"
        raise NotFound(f"{folder.name} has no drill called {name!r}.", f"There are: {there}.")
    file = read_yaml(path)
    if isinstance(file, Complaint):
        raise ConfigError(str(file), file.next_step)
    own = {key: value for key, value in file.data.items() if key != "production"}
    script = read_model(Script, replace(file, data=own))
    if isinstance(script, Script):
        return path, script
    raise ConfigError(" ".join(str(complaint) for complaint in script[:2]), script[0].next_step)
