"""The JSON Schemas for editors: what they accept and refuse, and the descriptions that an author sees."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from allclear.domain.action import Params
from allclear.engine.actions.registry import Registry
from allclear.schemas import FILE_KINDS, FileKind, file_name, schema_of, write_schemas
from allclear.yaml_parser import parse_yaml
from tests.unit.company.company_support import action

ROOT = Path(__file__).parents[2]
FOLDERS = [
    *(path.parent for path in (ROOT / "runbooks").glob("*/plan.yaml")),
    *(path.parent for path in (ROOT / "tests/companies").glob("*/plan.yaml")),
]
WHERE: dict[FileKind, str] = {
    "plan": "plan.yaml",
    "systems": "systems.yaml",
    "runbook": "runbooks/*.yaml",
    "common-steps": "common-steps.yaml",
    "drill": "drills/*.yaml",
}
INSTALLED = Registry.installed()


@cache
def schema_for(kind: FileKind) -> dict[str, Any]:
    """Return the schema of a kind of file, with the installed actions; no test changes it."""
    return schema_of(kind, INSTALLED)


def read(path: Path) -> Any:  # noqa: ANN401 - a file may hold any value
    """Return a YAML file as an editor reads it: dates are text."""
    return json.loads(_as_json(path))


@cache
def _as_json(path: Path) -> str:
    return json.dumps(parse_yaml(path.read_text(encoding="utf-8")), default=str)


def wrong(kind: FileKind, data: object) -> list[str]:
    """Return each place at which `data` does not fit the schema, and the reason."""
    return [f"{error.json_path}: {error.message}" for error in _validator(kind).iter_errors(data)]


@cache
def _validator(kind: FileKind) -> Draft202012Validator:
    return Draft202012Validator(schema_for(kind))


@pytest.mark.parametrize("kind", FILE_KINDS)
def test_each_is_a_schema_and_every_companys_files_fit(kind: FileKind) -> None:
    """Each schema is valid, and every company's files fit it."""
    Draft202012Validator.check_schema(schema_for(kind))
    files = [path for folder in FOLDERS for path in sorted(folder.glob(WHERE[kind]))]
    assert len(files) >= (2 if kind == "common-steps" else len(FOLDERS)) >= 2
    assert {str(path): wrong(kind, read(path)) for path in files} == {str(path): [] for path in files}


@pytest.mark.parametrize("kind", FILE_KINDS)
def test_every_field_has_a_description(kind: FileKind) -> None:
    """An editor shows a sentence for each field: that of the field itself, or of the definition that it refers to."""
    schema = schema_for(kind)
    undescribed = [
        f"{name}.{field}"
        for name, part in [("", schema), *schema["$defs"].items()]
        for field, shape in part.get("properties", {}).items()
        if "description" not in shape and "description" not in schema["$defs"].get(_definition_name(shape), {})
    ]
    assert undescribed == []


def _definition_name(shape: dict[str, Any]) -> str:
    return str(shape.get("$ref", "")).rsplit("/", 1)[-1]


def test_the_names_of_actions_and_probes_are_offered() -> None:
    """An editor offers the installed actions and probes for a step, each with its title."""
    step = schema_of("runbook", INSTALLED)["$defs"]["WrittenStep"]["properties"]
    assert schema_of("common-steps", INSTALLED)["$defs"]["Step"]["properties"]["action"] == step["action"]
    assert step["action"]["enum"] == sorted(INSTALLED.actions)
    assert step["probe"]["enum"] == sorted(INSTALLED.probes)
    titles = dict(zip(step["action"]["enum"], step["action"]["enumDescriptions"], strict=True))
    assert titles["slack.post"] == "Post in Slack"


class Blocking(Params):
    """The address to block."""

    address: str
    minutes: int = 5


def test_a_third_partys_action_is_offered_with_its_parameters() -> None:
    """Another package's action is completed and checked like our own, and its numbers may be placeholders."""
    kinds = Registry({**INSTALLED.actions, "wall.block": action("wall.block", Blocking)}, INSTALLED.probes)
    check = Draft202012Validator(schema_of("runbook", kinds))
    book = read(ROOT / "runbooks/vintstreet/runbooks/bad-deployment.yaml")
    step: dict[str, Any] = {"id": "block", "action": "wall.block"}

    def fits(**params: object) -> bool:
        return check.is_valid({**book, "contain": [{**step, "with": params}]})

    assert fits(address="10.0.0.1", minutes=9)
    assert fits(address="10.0.0.1", minutes="{severity}")
    assert not fits(address="10.0.0.1", minutes="long")
    assert not fits(minutes=9)
    assert not fits(address="10.0.0.1", hours=1)
    assert not check.is_valid({**book, "contain": [step]})


MISTAKES: list[tuple[FileKind, str, tuple[str | int, ...], object]] = [
    ("plan", "a misspelled field", ("companny",), "VintStreet"),
    ("plan", "a misspelled field in a list", ("severities", 0, "titel"), "Critical"),
    ("plan", "an invalid span", ("severities", 0, "targets", 0, "within"), "5 minutes"),
    ("plan", "an invalid duration", ("updates", 0, "every"), "soon"),
    ("plan", "an approval of an unknown action", ("approvals",), {"cloud_run.rollback": {"roles": ["cto"]}}),
    ("plan", "an unknown start of a clock", ("severities", 0, "targets", 0, "from"), "monday"),
    ("plan", "an unknown phase", ("phases", "celebrate"), {"label": "Party"}),
    ("plan", "invalid hours", ("working_time",), {"hours": "9-17"}),
    ("systems", "a misspelled option", ("systems", "slack", "chanel"), "#incidents"),
    ("systems", "a service without its smoke test", ("services", "storefront"), {"title": "S", "url": "https://x"}),
    ("runbook", "an unknown action", ("contain", 0, "action"), "cloud_run.rollback"),
    ("runbook", "an unknown parameter", ("contain", 0, "with", "revision"), "x"),
    ("runbook", "an action and a probe in one step", ("contain", 0, "probe"), "http.smoke"),
    ("runbook", "a misspelled place", ("contain", 0, "befor"), "revisions"),
    ("runbook", "an unknown probe of a proof", ("contain", 5, "proof", "probe"), "http.smok"),
    ("runbook", "an unknown probe of health", ("health",), {"probe": "http.smok"}),
    ("common-steps", "an unknown probe", ("detect", 0, "probe"), "http.smok"),
    ("common-steps", "an unknown status", ("contain", 2, "with", "status"), "wondering"),
    ("common-steps", "an unknown probe of health", ("health", "probe"), "http.smok"),
    ("common-steps", "a place, which only a runbook may give", ("detect", 0, "after"), "page"),
    ("drill", "a misspelled field", ("alert", "sumary"), "x"),
    ("drill", "a misspelled field of the production", ("production", "page"), []),
    ("drill", "an invalid duration", ("production", "operation_takes"), "soon"),
]
FILES: dict[FileKind, str] = {
    "plan": "plan.yaml",
    "systems": "systems.yaml",
    "runbook": "runbooks/bad-deployment.yaml",
    "common-steps": "common-steps.yaml",
    "drill": "drills/payment-processing-down.yaml",
}


@pytest.mark.parametrize(("kind", "what", "place", "value"), MISTAKES)
def test_a_mistake_does_not_fit(kind: FileKind, what: str, place: tuple[str | int, ...], value: object) -> None:
    """An editor underlines what `allclear check` would refuse."""
    data = read(ROOT / "runbooks/vintstreet" / FILES[kind])
    part = data
    for step in place[:-1]:
        part = part[step]
    part[place[-1]] = value
    assert wrong(kind, data), what


def test_a_runbook_without_a_base_needs_its_own_health() -> None:
    """An editor requires `health` only if no base can provide it."""
    book = read(ROOT / "runbooks/vintstreet/runbooks/bad-deployment.yaml")
    assert wrong("runbook", book) == []
    alone = {key: value for key, value in book.items() if key != "base"}
    assert wrong("runbook", alone) == ["$: 'health' is a required property"]


def test_the_schemas_are_written_into_a_folder(tmp_path: Path) -> None:
    """All schemas are written, also over older files, and read back unchanged."""
    folder = tmp_path / "deep" / "schemas"
    write_schemas(folder, INSTALLED)
    written = write_schemas(folder, INSTALLED)
    assert [path.name for path in written] == [file_name(kind) for kind in FILE_KINDS]
    assert json.loads(written[0].read_text(encoding="utf-8")) == schema_of("plan", INSTALLED)
