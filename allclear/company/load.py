"""Loads a company's folder under runbooks/: its plan, systems, runbooks and templates."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import TypeVar, cast

from pydantic import BaseModel

from allclear.company.diagnostics import Diagnostic, display_path, suggestion
from allclear.company.expand_runbook import check_common_steps, expand_runbook
from allclear.company.handles import installed_systems_model
from allclear.company.runbook_file import CommonSteps, WrittenRunbook
from allclear.company.validation_errors import read_model
from allclear.company.yaml_file import Place, YamlFile, read_text, read_yaml
from allclear.domain.errors import ConfigError, NotFound
from allclear.domain.plan import Contact, Person, Plan
from allclear.domain.recovery import RecoveryRule
from allclear.domain.runbook import Runbook
from allclear.domain.systems import Service, Systems

T = TypeVar("T", bound=BaseModel | YamlFile)

PLAN = "plan.yaml"
SYSTEMS = "systems.yaml"
RUNBOOKS_VARIABLE = "ALLCLEAR_RUNBOOKS"
_CLONE = Path(__file__).resolve().parents[2]
"""The repository that holds this package."""


@dataclass(frozen=True)
class Company:
    """A company's plan, systems, runbooks and templates, loaded without an error."""

    name: str
    folder: Path
    plan: Plan
    systems: Systems
    runbooks: dict[str, Runbook]
    templates: dict[str, str]
    """The text of each template, by its name in `plan.templates`."""
    post_mortem: str
    """The text of the post-mortem's template, which has its own placeholders."""

    def runbook(self, name: str) -> Runbook:
        """Return the runbook called `name`. Raises NotFound with the nearest name."""
        if name not in self.runbooks:
            raise NotFound(f"{self.plan.company} has no runbook called {name}.", suggestion(name, self.runbooks))
        return self.runbooks[name]

    def service(self, name: str) -> Service:
        """Return the service called `name`. Raises NotFound with the nearest name."""
        if name not in self.systems.services:
            raise NotFound(
                f"{self.plan.company} has no service called {name}.", suggestion(name, self.systems.services)
            )
        return self.systems.services[name]

    def with_stand_ins(self, people: Mapping[str, str]) -> Company:
        """Return the company as a drill uses it: `people`, role -> name, hold the roles that no person has.

        They have simulated contacts, so that everyone whom the plan notifies is reached in the drill.
        """
        missing = {role: name for role, name in people.items() if not self.plan.holders(role)}
        roles: dict[str, list[str]] = {}
        for role, name in missing.items():
            roles.setdefault(name, []).append(role)
        added = [
            Person(name=name, roles=held, contacts=_simulated_contacts(name, number))
            for number, (name, held) in enumerate(roles.items())
        ]
        return replace(self, plan=self.plan.model_copy(update={"people": [*self.plan.people, *added]}))

    def with_recovery_over(self, over: timedelta) -> Company:
        """Return the company as a drill uses it: recovery is observed for `over`, in the plan and in every runbook."""

        def shorter(rule: RecoveryRule) -> RecoveryRule:
            return rule.model_copy(update={"over": over if rule.checks > 1 else timedelta(0)})

        runbooks = {
            name: book.model_copy(update={"recovery": shorter(book.recovery)}) if book.recovery else book
            for name, book in self.runbooks.items()
        }
        plan = self.plan.model_copy(update={"recovery": shorter(self.plan.recovery)})
        return replace(self, plan=plan, runbooks=runbooks)


def _simulated_contacts(name: str, number: int) -> dict[str, Contact]:
    """Return contacts that only a simulated production has: the numbers are Twilio's for tests, and reach no one."""
    key = re.sub(r"[^a-z0-9]+", "-", name.casefold()).strip("-") or f"person-{number}"
    return {
        "email": Contact(address=f"{key}@drill.example"),
        "phone": Contact(address=f"+1500555{number:04}"),
        "slack": Contact(address=f"U0DRILL{number:02}"),
    }


@dataclass
class Draft:
    """What could be read of a company's folder, and what is wrong with the rest."""

    folder: Path
    plan: Plan | None = None
    systems: Systems | None = None
    runbooks: dict[str, Runbook] = field(default_factory=dict[str, Runbook])
    templates: dict[str, str] = field(default_factory=dict[str, str])
    post_mortem: str | None = None
    files: dict[str, YamlFile] = field(default_factory=dict[str, YamlFile])
    """The files that were read: `plan.yaml`, `systems.yaml`, and each runbook's by the runbook's name."""
    bases: dict[str, YamlFile | None] = field(default_factory=dict[str, YamlFile | None])
    """The files that runbooks name as their `base`, by that name; None for one that cannot be used."""
    diagnostics: list[Diagnostic] = field(default_factory=list[Diagnostic])


def companies_root() -> Path:
    """Return the folder that holds one folder for each company.

    That is `ALLCLEAR_RUNBOOKS`, else `runbooks` in the working directory, else the one beside the package. Raises
    ConfigError if the variable names no folder.
    """
    named = os.environ.get(RUNBOOKS_VARIABLE, "")
    if named:
        root = Path(named).expanduser()
        if not root.is_dir():
            raise ConfigError(
                f"{RUNBOOKS_VARIABLE} names {named}, which is not a folder.",
                "Correct it, unset it, or write a company into it: allclear init COMPANY.",
            )
        return root
    here = Path.cwd() / "runbooks"
    return here if here.is_dir() else _CLONE / "runbooks"


def new_companies_root() -> Path:
    """Return the folder in which `init` writes a company's folder; it may not exist yet.

    That is `ALLCLEAR_RUNBOOKS`, else `runbooks` in the working directory. Anywhere inside this repository it is the
    repository's own.
    """
    if named := os.environ.get(RUNBOOKS_VARIABLE, ""):
        return Path(named).expanduser()
    here = Path.cwd() / "runbooks"
    return _CLONE / "runbooks" if in_clone(here) and not here.is_dir() else here


def in_clone(path: Path) -> bool:
    """Return whether `path` is inside this repository."""
    return path.resolve().is_relative_to(_CLONE)


def company_names() -> list[str]:
    """Return the names of all companies, sorted."""
    root = companies_root()
    found = sorted(path.parent.name for path in root.glob(f"*/{PLAN}")) if root.is_dir() else []
    return [name for name in found if not name.startswith(".")]  # `init` writes into a hidden folder first


def find_company(name: str) -> Company:
    """Return the company called `name`. Raises NotFound with the nearest name, ConfigError for a file with an error."""
    if name not in company_names():
        # A name becomes a path only if it was listed, so `../elsewhere` is refused here.
        raise NotFound(
            f"There is no company {name!r} in {display_path(companies_root())}.",
            f"{suggestion(name, company_names())} Another folder of companies is named by ALLCLEAR_RUNBOOKS.".strip(),
        )
    return load_company(companies_root() / name)


def load_company(folder: Path) -> Company:
    """Return the company in `folder`. Raises ConfigError with file and line for the first error."""
    draft = read_draft(folder)
    refuse_errors(draft)
    return Company(
        name=folder.resolve().name,
        folder=folder,
        plan=cast("Plan", draft.plan),  # a folder without an error has all three
        systems=cast("Systems", draft.systems),
        runbooks=draft.runbooks,
        templates=draft.templates,
        post_mortem=cast("str", draft.post_mortem),
    )


def refuse_errors(draft: Draft) -> None:
    """Raise ConfigError with file and line for the first error that reading the folder found, if there is one."""
    wrong = sorted((found for found in draft.diagnostics if found.level == "error"), key=lambda found: found.sort_key)
    if wrong:
        more = f" `allclear check {draft.folder.name}` lists all {len(wrong)}." if len(wrong) > 1 else ""
        raise ConfigError(str(wrong[0]), wrong[0].next_step + more)


def read_draft(folder: Path) -> Draft:
    """Return what can be read of `folder`, with a diagnostic for everything that cannot. Never raises for either."""
    draft = Draft(folder)
    if not folder.is_dir():
        draft.diagnostics.append(
            Diagnostic(
                "error", display_path(folder), None, "There is no such folder.", "Correct its name, or create it."
            )
        )
        return draft
    if plan := _yaml(draft, folder / PLAN, PLAN):
        draft.plan = _value_or_none(draft, read_model(Plan, plan))
    if systems := _yaml(draft, folder / SYSTEMS, SYSTEMS):
        draft.systems = _value_or_none(draft, read_model(installed_systems_model(), systems))
    for path in sorted((folder / "runbooks").glob("*.yaml")):
        _read_runbook(draft, path)
    _read_templates(draft)
    return draft


def _yaml(draft: Draft, path: Path, name: str) -> YamlFile | None:
    read = read_yaml(path)
    if isinstance(read, Diagnostic):
        draft.diagnostics.append(read)
        return None
    draft.files[name] = read
    return read


def _value_or_none(draft: Draft, read: T | list[Diagnostic]) -> T | None:
    if isinstance(read, list):
        draft.diagnostics.extend(read)
        return None
    return read


def _read_runbook(draft: Draft, path: Path) -> None:
    file = _yaml(draft, path, path.stem)
    written = _value_or_none(draft, read_model(WrittenRunbook, file)) if file else None
    if file is None or written is None:
        return
    base = _read_base(draft, file, written.base) if written.base is not None else None
    if written.base is not None and base is None:
        return
    expanded = _value_or_none(draft, expand_runbook(file, written, base))
    if expanded is None:
        return
    draft.files[path.stem] = expanded
    runbook = _value_or_none(draft, read_model(Runbook, expanded))
    if runbook is None:
        return
    if runbook.name != path.stem:
        draft.diagnostics.append(
            file.error(
                ("name",),
                f"`name` is `{runbook.name}`, and the file is called `{path.name}`.",
                f"Write `name: {path.stem}`, or rename the file.",
            )
        )
    draft.runbooks[path.stem] = runbook


def _read_base(draft: Draft, file: YamlFile, name: str) -> YamlFile | None:
    """Return the base that the runbook in `file` names, or None if it cannot be used; it is read once a folder."""
    if name not in draft.bases:
        path = draft.folder / name
        if not path.resolve().is_relative_to(draft.folder.resolve()):
            wrong = file.error(("base",), f"The base `{name}` lies outside the company's folder.", "Move it inside.")
            draft.diagnostics.append(wrong)
            return None
        if not path.is_file():
            there = [one.name for one in draft.folder.glob("*.yaml") if one.name not in (PLAN, SYSTEMS)]
            draft.diagnostics.append(
                file.error(("base",), f"The base `{name}` does not exist.", suggestion(name, there))
            )
            return None
        draft.bases[name] = _common_steps(draft, path)
    return draft.bases[name]


def _common_steps(draft: Draft, path: Path) -> YamlFile | None:
    read = read_yaml(path)
    if isinstance(read, Diagnostic):
        draft.diagnostics.append(read)
        return None
    if _value_or_none(draft, read_model(CommonSteps, read)) is None:
        return None
    wrong = list(check_common_steps(read))
    draft.diagnostics.extend(wrong)
    return None if wrong else read


def _read_templates(draft: Draft) -> None:
    if draft.plan is None:
        return
    for name, file in draft.plan.templates.items():
        text = _read_template(draft, file, ("templates", name))
        if text is not None:
            draft.templates[name] = text
    draft.post_mortem = _read_template(draft, draft.plan.post_mortem.template, ("post_mortem", "template"))


def _read_template(draft: Draft, file: str, place: Place) -> str | None:
    plan, path = draft.files[PLAN], draft.folder / file
    if not path.resolve().is_relative_to(draft.folder.resolve()):
        wrong = plan.error(place, f"The template `{file}` lies outside the company's folder.", "Move it inside.")
    elif not path.is_file():
        there = [str(one.relative_to(draft.folder)) for one in (draft.folder / "templates").glob("*") if one.is_file()]
        wrong = plan.error(place, f"The template `{file}` does not exist.", suggestion(file, there))
    else:
        text = read_text(path)
        if isinstance(text, str):
            return text
        wrong = text
    draft.diagnostics.append(wrong)
    return None
