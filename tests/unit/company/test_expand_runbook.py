"""A runbook with a base: its steps, their order, and its errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import allclear
from allclear.company import load_company
from allclear.company.check import check_company
from allclear.domain.errors import ConfigError
from allclear.domain.runbook import Phase, Runbook
from tests.unit.company.company_support import KINDS, company_folder

ROOT = Path(allclear.__file__).resolve().parents[1]
EXPANDED = ROOT / "tests" / "golden" / "runbooks"

BASE = """\
health:
  probe: http.smoke
  with: {service: "{service}"}
detect:
  - {id: verify, probe: http.smoke, with: {service: shop}}
  - {id: post, action: chat.post, with: {text: "{t_internal_alert}"}}
contain:
  - {id: ticket, person: on_call, ask: Make a ticket.}
  - {id: ask-host, person: on_call, ask: Call the host.}
resolve:
  - {id: fix, person: on_call, ask: "Fix {incident}."}
"""

OWN = """\
name: outage
title: Outage
about: All is down.
service: shop
base: common-steps.yaml
"""


def folder(root: Path, own: str, base: str = BASE) -> Path:
    """Return a company's folder with a base and one runbook, whose own steps are `own`."""
    made = company_folder(root)
    (made / "common-steps.yaml").write_text(base, encoding="utf-8")
    (made / "runbooks/outage.yaml").write_text(OWN + own, encoding="utf-8")
    return made


def ids(runbook: Runbook, phase: Phase) -> list[str]:
    """Return the ids of a phase's steps, in order."""
    return [step.id for step in runbook.steps(phase)]


def person(name: str, more: str = "") -> str:
    """Return one line with a person's step."""
    return f"  - {{id: {name}, person: on_call, ask: Do it.{more}}}\n"


@pytest.mark.parametrize("golden", sorted(EXPANDED.glob("*.json")), ids=lambda path: path.stem)
def test_the_shipped_runbooks_expand_to_their_golden_files(golden: Path) -> None:
    """A change of shared steps cannot change a response unnoticed: each golden file is a whole runbook."""
    company, _, name = golden.stem.partition("-")
    assert load_company(ROOT / "runbooks" / company).runbook(name) == Runbook.model_validate(
        json.loads(golden.read_text())
    )


def test_every_shipped_runbook_has_its_golden_file() -> None:
    """A new runbook needs one too."""
    shipped = {f"{path.parts[-3]}-{path.stem}" for path in ROOT.glob("runbooks/*/runbooks/*.yaml")}
    assert {path.stem for path in EXPANDED.glob("*.json")} == shipped


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ("", ["ticket", "ask-host"]),
        ("contain:\n" + person("a") + person("b"), ["ticket", "ask-host", "a", "b"]),
        ("contain:\n" + person("a", ", before: ticket") + person("b"), ["a", "b", "ticket", "ask-host"]),
        ("contain:\n" + person("a", ", after: ticket") + person("b"), ["ticket", "a", "b", "ask-host"]),
        ("contain:\n" + person("a") + person("b", ", before: a"), ["ticket", "ask-host", "b", "a"]),
        ("contain:\n" + person("ticket", ", replaces: true") + person("b"), ["ticket", "b", "ask-host"]),
        ("leave_out: [contain/ticket]\n", ["ask-host"]),
        ("leave_out: [contain/ticket]\ncontain:\n" + person("ticket"), ["ask-host", "ticket"]),
        ("leave_out: [contain/ticket, contain/ask-host]\n", []),
    ],
)
def test_each_step_has_the_place_that_the_runbook_gives_it(tmp_path: Path, own: str, expected: list[str]) -> None:
    """A step comes before or after the named one, replaces one, or follows the one that is written above it."""
    runbook = load_company(folder(tmp_path, own)).runbook("outage")
    assert ids(runbook, Phase.CONTAIN) == expected
    assert (ids(runbook, Phase.DETECT), ids(runbook, Phase.RESOLVE)) == (["verify", "post"], ["fix"])


def test_a_replacement_is_the_runbooks_own_step(tmp_path: Path) -> None:
    """No field of the base's step is kept."""
    runbook = load_company(folder(tmp_path, "contain:\n" + person("ticket", ", replaces: true"))).runbook("outage")
    step = runbook.step(Phase.CONTAIN, "ticket")
    assert step is not None
    assert step.ask == "Do it."


def test_health_is_the_bases_unless_the_runbook_has_its_own(tmp_path: Path) -> None:
    """A runbook with another health probe names it."""
    assert load_company(folder(tmp_path, "")).runbook("outage").health.with_ == {"service": "{service}"}
    own = "health: {probe: http.smoke, with: {service: shop}, within: 30s}\n"
    assert load_company(folder(tmp_path, own)).runbook("outage").health.with_ == {"service": "shop"}


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ("leave_out: [contain/tickte]\n", "outage.yaml:6: The base has no step `contain/tickte` to leave out. Did you"),
        ("leave_out: [ticket]\n", "outage.yaml:6: The base has no step `ticket` to leave out. "),
        (
            "contain:\n" + person("tickets", ", replaces: true"),
            "outage.yaml:7: The base has no step `contain/tickets` to replace. Did you mean `ticket`?",
        ),
        (
            "contain:\n" + person("a") + person("a", ", replaces: true"),
            "outage.yaml:8: The base has no step `contain/a` to replace. There are: ask-host, ticket.",
        ),
        (
            "contain:\n" + person("ticket"),
            "outage.yaml:7: The base has a step `contain/ticket` already (common-steps.yaml:8). Add `replaces: true`",
        ),
        (
            "contain:\n" + person("a") + person("a"),
            "outage.yaml:8: The step `a` is listed twice in `contain`. Give one",
        ),
        (
            "contain:\n" + person("a", ", before: tickte"),
            "outage.yaml:7: `contain` has no step `tickte` above this one, so `before` names nothing. Did you mean",
        ),
        (
            "contain:\n" + person("a", ", after: b") + person("b"),
            "outage.yaml:7: `contain` has no step `b` above this one, so `after` names nothing. There are: ask-host",
        ),
        (
            "leave_out: [contain/ticket]\ncontain:\n" + person("a", ", after: ticket"),
            "outage.yaml:8: `contain` has no step `ticket` above this one, so `after` names nothing.",
        ),
        (
            "contain:\n" + person("a", ", after: ticket, before: ask-host"),
            "outage.yaml:7: `contain` no. 1: a step has only one of `before`, `after` and `replaces`.",
        ),
        ("leave_out: contain/ticket\n", "outage.yaml:6: `leave_out`: input should be a valid list."),
        (
            "contain:\n" + person("verify-proof"),
            "outage.yaml:1: The file: the id `verify-proof` is reserved for a",
        ),
    ],
)
def test_an_error_is_one_sentence_with_its_line(tmp_path: Path, own: str, expected: str) -> None:
    """An unknown id, an id that is listed twice and a missing anchor are each reported at their line."""
    with pytest.raises(ConfigError) as caught:
        load_company(folder(tmp_path, own))
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("common-step.yaml", "The base `common-step.yaml` does not exist. Did you mean `common-steps.yaml`?"),
        ("../other.yaml", "The base `../other.yaml` lies outside the company's folder."),
    ],
)
def test_a_base_is_a_file_of_the_companys_folder(tmp_path: Path, name: str, expected: str) -> None:
    """Another file is refused at the line that names it."""
    made = folder(tmp_path, "")
    (made / "runbooks/outage.yaml").write_text(OWN.replace("common-steps.yaml", name), encoding="utf-8")
    [found] = [one for one in check_company(made, KINDS) if one.level == "error"]
    assert f"{found} {found.next_step}".startswith(f"{made}/runbooks/outage.yaml:5: {expected}")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("{id: post,", "{id: verify,", "common-steps.yaml:6: The step `verify` is listed twice in `detect`."),
        (
            "{id: post,",
            "{id: post, befor: verify,",
            "common-steps.yaml:6: `befor` is not a field in `detect` no. 2.",
        ),
        (
            "{id: post,",
            "{id: post, after: verify,",
            "common-steps.yaml:6: `after` is not a field in `detect` no. 2.",
        ),
        ("chat.post", "chat.pots", "common-steps.yaml:6: There is no action `chat.pots`. Did you mean `chat.post`?"),
        ("Make a ticket.", '"Make {tickte}."', "common-steps.yaml:8: The placeholder {tickte} has no source."),
        ("probe: http.smoke\n", "probe: http.smok\n", "common-steps.yaml:2: There is no probe `http.smok`."),
        ("detect:", "detect: [", "common-steps.yaml:"),
    ],
)
def test_an_error_in_the_base_is_reported_once_with_the_bases_line(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    """Two runbooks share the base, and `allclear check` reports the error once."""
    made = folder(tmp_path, "", BASE.replace(old, new, 1))
    (made / "runbooks/second.yaml").write_text(OWN.replace("name: outage", "name: second"), encoding="utf-8")
    [found] = [one for one in check_company(made, KINDS) if one.level == "error"]
    assert f"{found} {found.next_step}".startswith(f"{made}/{expected}")


def test_a_step_of_the_runbook_itself_keeps_its_own_line(tmp_path: Path) -> None:
    """The line is right although the step follows steps of the base."""
    made = folder(tmp_path, "contain:\n" + person("a", ", after: ticket").replace("on_call", "on_cal"))
    [found] = [one for one in check_company(made, KINDS) if one.level == "error"]
    assert str(found) == f"{made}/runbooks/outage.yaml:7: The plan has no role `on_cal`."


def test_a_runbook_without_a_base_must_be_complete(tmp_path: Path) -> None:
    """It needs its own `health`, and has no steps to leave out."""
    made = company_folder(tmp_path)
    path = made / "runbooks/outage.yaml"
    path.write_text(path.read_text().replace("health:\n", "leave_out: [detect/verify]\nhealth:\n"), encoding="utf-8")
    with pytest.raises(
        ConfigError, match=r"outage\.yaml:5: The base has no step `detect/verify` to leave out\. There are"
    ):
        load_company(made)
    path.write_text(OWN.replace("base: common-steps.yaml\n", ""), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"outage\.yaml:1: `health` is missing\. Add `health`"):
        load_company(made)
