"""The names that are stored or typed: a journal, a company's files and other programs depend on them.

The test computes them from the code and compares them with `stored_names.txt`. A change needs a migration and a line in
CHANGELOG.md; then rewrite the file with `ALLCLEAR_STORED_NAMES=write` and this test.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args, get_origin

from pydantic import BaseModel

import allclear
from allclear.company.runbook_file import CommonSteps, WrittenRunbook
from allclear.company.traceability import DocumentLines
from allclear.domain.answer_window import window_check_key
from allclear.domain.plan import Plan
from allclear.domain.pseudo_phases import LIVE_MESSAGE, MANUAL, RECOVERY, REMINDER
from allclear.domain.records import Entry, Record
from allclear.domain.runbook import Phase
from allclear.domain.scope import Scope
from allclear.domain.systems import Systems
from allclear.drill.script import Script
from allclear.engine.actions.approval_requests import ask_id
from allclear.engine.alerts.recovery import CLOSE, HEALTH_CHECK
from allclear.engine.response.flow_starts import start_message
from allclear.engine.response.step_keys import choice_key, proof_key, second_check_key, undo_failed_key, undo_key
from allclear.journal.tables import METADATA
from allclear.simulator.scenario import Production

FILE = Path(__file__).with_name("stored_names.txt")
ROOT = Path(allclear.__file__).parent

YAML_FILES: Mapping[str, type[BaseModel]] = {
    "plan.yaml": Plan,
    "systems.yaml": Systems,
    "runbooks/*.yaml": WrittenRunbook,
    "common steps": CommonSteps,
    "lines.yaml": DocumentLines,
    "drills/*.yaml, script": Script,
    "drills/*.yaml, production": Production,
}

KEYS_IN_SOURCE = {
    "act of a step": ("drill/check.py", 'f"{phase.value}/{step.id}"'),
    "incident opened by an alert": ("engine/alerts/joining.py", 'f"alert:{record.key}"'),
    "incident opened by a person": ("engine/people/declare.py", 'f"declared:{service}:{runbook}"'),
    "incident after an unreadable one": ("engine/incidents.py", 'f"{key}/after {found}"'),
    "delivery": ("journal/inbox.py", 'f"{self._scope_text}:{new.delivery_key}"'),
    "outbox, resume after an answer": (
        "engine/people/approve_and_answer.py",
        'f"resume:{ask_id}:{person_key(by.actor)}:{yes}"',
    ),
    "outbox, run of a question": ("engine/flow_runs.py", 'f"question:{ask}"'),
    "outbox, restart of a dead run": (
        "responder/workers/run_recovery.py",
        'f"{needed.key}/again-{len(runs)}"',
    ),
    "claim, traffic of Cloud Run": ("../tasks/cloud_run/traffic_action.py", 'f"traffic:{run.path(name)}"'),
    "claim, feature flag": ("../tasks/feature_flags.py", 'f"flag:{params.flag}"'),
    "claim, domain on Vercel": ("../tasks/vercel/actions.py", 'f"domain:{handle.project}/{handle.domain}"'),
    "claim, revert on GitHub": (
        "../tasks/github/revert.py",
        'f"revert:{repository_of(self.context, params.service).repository}"',
    ),
    "claim, issue on GitHub": (
        "../tasks/github/issues.py",
        'f"issue:{repository_of(self.context, params.service).repository}/{params.ticket}"',
    ),
    "claim, ticket in Jira": ("../tasks/jira.py", 'f"ticket:{self.jira.project}/{params.ticket}"'),
    "claim, branch on GitHub": (
        "../tasks/github/merge.py",
        'f"branch:{repository_of(self.context, params.service).repository}"',
    ),
    "claim, workflow on GitHub": ("../tasks/github/workflow.py", 'f"workflow:{handle.repository}/{workflow.file}"'),
    "claim, page": ("../tasks/pagerduty.py", 'f"page:{_key(params)}"'),
    "claim, message": ("../tasks/slack.py", 'f"message:{self._channel(params)}/{params.message}"'),
    "claim, status page": ("../tasks/statuspage.py", 'f"status-page:{self.site.page}/{params.incident}"'),
}
"""Keys that the code builds in one place: the module, relative to `allclear/`, and the expression in it."""


def _key_shapes() -> Iterator[str]:
    incident: Any = SimpleNamespace(id="INCIDENT", asks={})
    yield f"ask: {ask_id(incident, 'PHASE', 'STEP')}"
    yield f"phases: {' '.join([*Phase, MANUAL, RECOVERY, REMINDER, LIVE_MESSAGE])}"
    yield f"steps of {RECOVERY}: {HEALTH_CHECK} {CLOSE}"
    yield f"outbox, start: {start_message('INCIDENT', 'FLOW').key}"
    for key in (choice_key, proof_key, second_check_key, window_check_key):
        yield f"step, {key.__name__}: {key('STEP')}"
    for key in (undo_key, undo_failed_key):
        yield f"step, {key.__name__}: {key('PHASE/STEP')}"
    yield f"scope: {Scope('COMPANY', simulated=False)} {Scope('COMPANY', simulated=True)}"
    for what, (module, expression) in KEYS_IN_SOURCE.items():
        found = expression in (ROOT / module).read_text(encoding="utf-8")
        yield f"{what}: {expression if found else f'not found in {module}'}"


def _models(annotation: Any) -> Iterator[type[BaseModel]]:  # noqa: ANN401 - any annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation) if get_origin(annotation) is not None else ():
        yield from _models(argument)


def _fields(model: type[BaseModel]) -> list[str]:
    return sorted(field.alias or name for name, field in model.model_fields.items())


def _reachable(roots: Iterable[type[BaseModel]]) -> dict[str, list[str]]:
    """Return `roots` and the models within them: name -> fields."""
    found: dict[str, list[str]] = {}
    waiting = list(roots)
    while waiting:
        model = waiting.pop()
        if model.__name__ in found:
            continue
        found[model.__name__] = _fields(model)
        for field in model.model_fields.values():
            waiting.extend(_models(field.annotation))
    return dict(sorted(found.items()))


def _records() -> list[type[BaseModel]]:
    return sorted(_models(get_args(Record)[0]), key=lambda model: model.model_fields["kind"].default)


def _lines() -> Iterator[str]:
    yield "# Tables and columns of the journal"
    for table in sorted(METADATA.tables.values(), key=lambda table: table.name):
        yield f"{table.name}: {' '.join(column.name for column in table.columns)}"
    yield from ("", "# Indexes of the journal")
    for table in sorted(METADATA.tables.values(), key=lambda table: table.name):
        yield from sorted(f"{index.name}: {' '.join(index.columns.keys())}" for index in table.indexes)
    yield from ("", "# Kinds of records, and their fields")
    records = _records()
    for model in records:
        yield f"{model.model_fields['kind'].default}: {' '.join(name for name in _fields(model) if name != 'kind')}"
    yield from ("", "# What records hold")
    own = {model.__name__ for model in records}
    for name, fields in _reachable([Entry, *records]).items():
        if name not in own:
            yield f"{name}: {' '.join(fields)}"
    yield from ("", "# Shapes of keys")
    yield from _key_shapes()
    for file, model in YAML_FILES.items():
        yield from ("", f"# Keys of {file}")
        yield f"top: {' '.join(_fields(model))}"
        for name, fields in _reachable([model]).items():
            if name != model.__name__:
                yield f"{name}: {' '.join(fields)}"


def test_the_stored_names_are_the_listed_ones() -> None:
    """A name that a journal or a company's files hold changes only with a migration and a line in the changelog."""
    text = "\n".join(_lines()) + "\n"
    if os.environ.get("ALLCLEAR_STORED_NAMES") == "write":
        FILE.write_text(text, encoding="utf-8")
    listed, computed = FILE.read_text(encoding="utf-8").splitlines(), text.splitlines()
    gone, new = [line for line in listed if line not in computed], [line for line in computed if line not in listed]
    assert (gone, new) == ([], []), (
        "Names that are stored have changed. Keep them, or write a migration and a line in CHANGELOG.md, and rewrite "
        f"{FILE.name} with ALLCLEAR_STORED_NAMES=write.\nlisted:   {gone}\ncomputed: {new}"
    )
