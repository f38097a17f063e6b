"""What a drill plays: its alert, its cast, what they do and say, and what is expected of the response."""

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


class ScriptedAlert(Model):
    """What monitoring sends, and when."""

    labels: dict[str, str] = Field(description="As the plan's routes match them.")
    summary: str = Field(description="What monitoring says.")
    after: Duration = Field(
        default=timedelta(seconds=1), description="How long after users see the first error (or the start)."
    )


class Member(Model):
    """One member of the cast."""

    name: str = Field(description="A stand-in, where the plan's role has no name yet.")
    role: Slug = Field(description="The role of the plan that is played.")
    acknowledges_after: Duration | None = Field(
        default=None, description="From the page; nobody acknowledges if left out."
    )
    answers_after: Duration = Field(default=timedelta(seconds=1), description="How long an answer takes.")


class Line(Model):
    """How the cast answers one ask. An ask without a line is answered yes, by any member who may."""

    ask: str = Field(description="phase/step, as contain/roll-back.")
    yes: bool = Field(default=True, description="Whether the answer is yes.")
    by: Slug | None = Field(default=None, description="The role that answers; anybody who may, if left out.")
    reason: str = Field(default="", description="The reason or note that goes with it.")
    choose: str | None = Field(
        default=None, description="Which candidate, where that is the question; the first if left out."
    )
    after: Duration | None = Field(default=None, description="How long it takes; the person's own time if left out.")
    deploy: JsonDict | None = Field(
        default=None, description="What is deployed first, as the simulation's control takes it."
    )


class FollowUp(Model):
    """Something the cast resolves to do."""

    text: str = Field(description="What is to be done.")
    owner: str = Field(description="By whom.")
    in_days: int = Field(default=14, description="In how many days it is due.")


class Expected(Model):
    """What a good response comes to."""

    ending: Literal["resolved", "false-alarm"] = Field(default="resolved", description="How the incident ends.")
    verified: list[str] = Field(default=[], description="Acts that must be verified, as contain/roll-back.")
    within: Duration = Field(default=timedelta(seconds=60), description="How long the whole drill may take.")


class Script(Model):
    """A file under `drills/`, without the part that the simulated production reads."""

    title: str = Field(description="What is rehearsed.")
    about: str = Field(default="", description="What goes wrong, and what helps.")
    alert: ScriptedAlert = Field(description="What monitoring sends, and when.")
    people: list[Member] = Field(min_length=1, description="Who plays.")
    answers: list[Line] = Field(default=[], description="How they answer what is asked.")
    notes: dict[str, str] = Field(default={}, description="Role -> what that person notes once it is contained.")
    words: dict[str, str] = Field(default={}, description="Field of the post-mortem -> what the cast writes.")
    follow_ups: list[FollowUp] = Field(default=[], description="What they resolve to do.")
    expect: Expected = Field(default=Expected(), description="What a good response comes to.")


def scripts(company: Company) -> list[str]:
    """Return the company's drills that can be played, the plan's `first_drill` first.

    A file without an alert is a production to look at (`allclear simulate`), and nothing to play.
    """
    found = sorted((company.folder / "drills").glob("*.yaml"))
    playable = [path.stem for path in found if _ALERT.search(path.read_text(encoding="utf-8", errors="replace"))]
    return sorted(playable, key=lambda name: name != company.plan.first_drill)


def first_script(company: Company) -> str:
    """Return the drill that is played when none is named. Raises NotFound where the company has none."""
    found = scripts(company)
    if not found:
        raise NotFound(
            f"{company.name} has no drill.", f"Write one, as {display_path(company.folder)}/drills/first.yaml."
        )
    return found[0]


def find_script(folder: Path, name: str) -> tuple[Path, Script]:
    """Return the drill called `name` of the company in `folder`. Raises NotFound, or ConfigError naming the field."""
    path = folder / "drills" / f"{name}.yaml"
    if "/" in name or not path.is_file():
        there = ", ".join(sorted(one.stem for one in (folder / "drills").glob("*.yaml"))) or "none"
        raise NotFound(f"{folder.name} has no drill called {name!r}.", f"There are: {there}.")
    file = read_yaml(path)
    if isinstance(file, Diagnostic):
        raise ConfigError(str(file), file.next_step)
    own = {key: value for key, value in file.data.items() if key != "production"}
    script = read_model(Script, replace(file, data=own))
    if isinstance(script, Script):
        return path, script
    raise ConfigError(" ".join(str(complaint) for complaint in script[:2]), script[0].next_step)
