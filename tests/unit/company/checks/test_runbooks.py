"""Folders that would fail only during an incident: the check reports each in one sentence at its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from allclear.company import load_company
from allclear.company.check import check_company
from allclear.domain.approval import ONE_PERSON_WITH_REASON, TWO_PEOPLE, ApprovalPolicy, AutoApproval
from allclear.domain.errors import ConfigError
from allclear.engine.actions.registry import Registry
from tests.unit.company.company_support import KINDS, PLAN, ActionParams, Edit, action, company_folder

BOOK = "runbooks/outage.yaml"
END = "working_time: {zone: Europe/Berlin}\n"
ADDED = PLAN[: PLAN.index(END)].count("\n") + 2
"""The first line of the text that a test adds to the plan."""
ROUTE = "    runbook: outage\n"
TEXT = '      text: "{t_internal_alert}"\n'
LAX = "traffic.move: {roles: [on_call]}"
LONG = "9" * 400 + "d"
ROTA = "rotas:\n  - {role: on_call, layers: [{name: a, people: [Ana], starts: 2026-11-02T09:00}]}\n"
CTO = ("plan.yaml", "on_call: {title: On-Call}", "on_call: {title: On-Call}\n  cto: {title: CTO, deputies: [on_call]}")


def plan(added: str) -> Edit:
    """Return the edit that adds lines to the plan."""
    return ("plan.yaml", END, END + added)


def rota(field: str) -> Edit:
    """Return the edit that adds a rota with `field` in its layer."""
    starts = "starts: 2026-11-02T09:00"
    return plan(ROTA.replace(starts, field if field.startswith("starts") else f"{starts}, {field}"))


def line(kind: str, **changed: str) -> Edit:
    """Return the edit that adds a duty or a piece of evidence."""
    fields = {"name": "logs", "title": "Logs", "ask": "Keep them", "role": "on_call", **changed}
    within = ", within: 72h" if kind == "duties" else ""
    return plan(f"{kind}:\n  - {{{', '.join(f'{name}: {value}' for name, value in fields.items())}{within}}}\n")


def move(added: str) -> Edit:
    """Return the edit that adds a line to the step that moves traffic, as line 18."""
    return (BOOK, "    measure: true\n", f"    measure: true\n    {added}\n")


def unanswered(if_unanswered: str) -> Edit:
    """Return the edit that adds what is done without an answer, as line 13."""
    return (BOOK, TEXT, f"{TEXT}    if_unanswered: {if_unanswered}\n")


def one_more(step: str) -> Edit:
    """Return the edit that adds a step with this id before the one that moves traffic."""
    return (BOOK, "contain:\n", f"contain:\n  - {{id: {step}, person: on_call, ask: Do}}\n")


def people(*names: str) -> Edit:
    """Return the edit that puts more people on call, before Ana."""
    added = "".join(f"  - {{name: {name}, roles: [on_call]}}\n" for name in names)
    return ("plan.yaml", "people:\n", f"people:\n{added}")


def found(folder: Path, level: str, kinds: Registry = KINDS) -> list[str]:
    """Return the diagnostics of that level as `plan.yaml:7: sentence next step`."""
    every = check_company(folder, kinds)
    return [f"{one.location.rsplit('/', 1)[-1]}: {one.sentence} {one.next_step}" for one in every if one.level == level]


def strict(approval: ApprovalPolicy) -> Registry:
    """Return the kinds with another default approval for moving traffic."""
    rest = [kind for name, kind in KINDS.actions.items() if name != "traffic.move"]
    return Registry.of([*rest, *KINDS.probes.values(), action("traffic.move", ActionParams, approval=approval)])


YEARS = "a duration cannot be longer than ten years"

REFUSED: list[tuple[Edit, str]] = [
    (line("evidence", ask='""'), f"plan.yaml:{ADDED + 1}: `ask`: string should have at least 1 character."),
    (line("evidence", title='" "'), f"plan.yaml:{ADDED + 1}: `title`: string should have at least 1 character."),
    (line("duties", ask='""'), f"plan.yaml:{ADDED + 1}: `ask`: string should have at least 1 character."),
    (line("duties", title='""'), f"plan.yaml:{ADDED + 1}: `title`: string should have at least 1 character."),
    (line("evidence", name="a" * 51), f"plan.yaml:{ADDED + 1}: `name`: string should have at most 50 characters."),
    (line("duties", name="a" * 63), f"plan.yaml:{ADDED + 1}: `name`: string should have at most 50 characters."),
    (rota("turn: 3000000d"), f"plan.yaml:{ADDED + 1}: `turn`: {YEARS}."),
    (rota("acknowledge_within: 999999999d"), f"plan.yaml:{ADDED + 1}: `acknowledge_within`: {YEARS}."),
    (rota("acknowledge_within: -5"), f"plan.yaml:{ADDED + 1}: `acknowledge_within`: a duration cannot be negative."),
    (
        rota("starts: 9999-12-31T09:00"),
        f"plan.yaml:{ADDED + 1}: `starts`: it must lie between the years 2000",
    ),
    (
        rota("starts: 0001-01-01T00:00"),
        f"plan.yaml:{ADDED + 1}: `starts`: it must lie between the years 2000",
    ),
    (rota("starts: 202٦-11-02T09:00"), f"plan.yaml:{ADDED + 1}: `starts`: string should match pattern"),
    (rota("hours: 0٩:00-17:00"), f"plan.yaml:{ADDED + 1}: `hours`: '0٩:00-17:00' is not a range of hours"),
    (rota("acknowledge_within: ٣m"), f"plan.yaml:{ADDED + 1}: `acknowledge_within`: '٣m' is not a duration"),
    (plan("updates:\n  - {audience: x, every: 900000000d}\n"), f"plan.yaml:{ADDED + 1}: `every`: {YEARS}."),
    (("plan.yaml", "after: 5m", "after: 3661d"), f"plan.yaml:{ADDED + 1}: `after`: {YEARS}."),
    (("plan.yaml", "due: 48h", f"due: {LONG}"), f"plan.yaml:33: `within`: '{'9' * 40}...' is too long for a"),
    (("systems.yaml", "timeout: 2s", f"timeout: {LONG}"), f"systems.yaml:12: `timeout`: '{'9' * 40}...' is too long"),
    (move("expires: 999999999d"), f"outage.yaml:18: `expires`: {YEARS}."),
    (move("expires: 9999999999999d"), "outage.yaml:18: `expires`: '9999999999999d' is too long for a"),
    (move("auto_approve: {veto_window: 999999999d}"), f"outage.yaml:18: `veto_window`: {YEARS}."),
    (move("auto_approve: {veto_window: 9s}"), "outage.yaml:18: `veto_window`: it must be at least 10s, so that people"),
    (unanswered("{after: 9999d, with: {text: x}}"), f"outage.yaml:13: `after`: {YEARS}."),
    *(
        (one_more(f"move{end}"), f"outage.yaml:1: The file: the id `move{end}` is reserved for a check or question")
        for end in ("-proof", "-choice", "-recheck", "-unanswered", "-left", "-window")
    ),
    *(
        (one_more(name), f"outage.yaml:1: The file: the id `{name}` is reserved for a step of allclear's own")
        for name in ("contained-manually", "evidence-logs", "undo-contain-move", "undo-manual-move")
    ),
]


@pytest.mark.parametrize(("edit", "expected"), REFUSED)
def test_a_folder_that_would_fail_in_an_incident_is_refused(tmp_path: Path, edit: Edit, expected: str) -> None:
    """The check reports one sentence at its line, and loading the same folder fails."""
    folder = company_folder(tmp_path, edit)
    [error] = found(folder, "error")
    assert error.startswith(expected)
    with pytest.raises(ConfigError):
        load_company(folder)


@pytest.mark.parametrize(
    "edit",
    [
        one_more("undo-rest"),
        one_more("proof"),
        one_more("moved-proof"),
        one_more("keep-evidence"),
        line("evidence", name="a" * 50),
        rota("turn: 3660d"),
        move("auto_approve: {veto_window: 10s}"),
    ],
)
def test_values_at_a_limit_and_ids_like_reserved_ones_are_accepted(tmp_path: Path, edit: Edit) -> None:
    """A value at its limit, and an id that only resembles a reserved one, cause no error."""
    assert found(company_folder(tmp_path, edit), "error") == []


@pytest.mark.parametrize("name", ["impact", "feature"])
def test_braces_in_a_route_are_a_warning(tmp_path: Path, name: str) -> None:
    """A route's texts go into pages unchanged, so each pair of braces is a warning, even a known placeholder."""
    text = f"    {name}: '{{nope}} {{severity}}'\n"
    impact = "    impact: Payments fail\n"
    route = ("plan.yaml", impact, text) if name == "impact" else ("plan.yaml", ROUTE, f"{ROUTE}{text}")
    warnings = found(company_folder(tmp_path, route), "warning")
    expected = (
        "is not replaced: `NAME` takes no placeholders. Write it in words; only templates and steps take placeholders."
    )
    expected = expected.replace("NAME", name)
    assert warnings == [f"plan.yaml:27: {{nope}} {expected}", f"plan.yaml:27: {{severity}} {expected}"]


@pytest.mark.parametrize("name", ["ana", "ANA", "'  Ana '", "'A\u200bna'", "'\uff21na'"])
def test_one_person_is_listed_once(tmp_path: Path, name: str) -> None:
    """Another spelling of the same name is an error, and does not count as a second approver."""
    two = ("plan.yaml", LAX, "traffic.move: {roles: [on_call], people: 2}")
    twice, few = found(company_folder(tmp_path, people(name), two), "error")
    assert twice.startswith("plan.yaml:12: Ana is listed twice under `people`")
    assert "`traffic.move` waits for 2 of on_call, and the plan has 1." in few


def test_equal_blanks_are_different_people(tmp_path: Path) -> None:
    """Two equal blanks are two people whose names are not known yet."""
    two = ("plan.yaml", LAX, "traffic.move: {roles: [on_call], people: 3}")
    assert found(company_folder(tmp_path, people("'[Name]'", "'[Name]'"), two), "error") == []


def test_spaces_in_names_are_folded(tmp_path: Path) -> None:
    """Extra spaces are removed from a name, both under `people` and in a rota."""
    added = plan(ROTA.replace("[Ana]", "['Bo   Li']"))
    folder = company_folder(tmp_path, people("' Bo  Li '"), added)
    assert found(folder, "error") == []
    read = load_company(folder).plan
    assert [person.name for person in read.people] == ["Bo Li", "Ana"]
    assert read.rotas[0].layers[0].people == ["Bo Li"]


def test_a_deputy_can_be_the_required_approver(tmp_path: Path) -> None:
    """If no one holds the role in `one_of`, a person with a deputy's role can approve."""
    wanted = ("plan.yaml", LAX, "traffic.move: {roles: [cto], one_of: [cto]}")
    assert found(company_folder(tmp_path, CTO, wanted), "error") == []


def test_the_required_approver_counts_toward_the_number_of_approvers(tmp_path: Path) -> None:
    """A person with a role that only `one_of` names may approve too, so there are two approvers."""
    held = ("plan.yaml", "people:\n", "people:\n  - {name: Bo, roles: [boss]}\n")
    roles = ("plan.yaml", "on_call: {title: On-Call}", "on_call: {title: On-Call}\n  boss: {title: Boss}")
    wanted = ("plan.yaml", LAX, "traffic.move: {roles: [on_call], one_of: [boss], people: 2}")
    assert found(company_folder(tmp_path, held, roles, wanted), "error") == []


@pytest.mark.parametrize(
    ("edits", "kinds", "takes"),
    [
        ([move("auto_approve: {}")], strict(ONE_PERSON_WITH_REASON), "a reason"),
        ([move("auto_approve: {}"), ("plan.yaml", LAX, LAX[:-1] + ", reason_needed: true}")], KINDS, "a reason"),
        ([move("auto_approve: {}\n    approval: {roles: [on_call], one_of: [on_call]}")], KINDS, "one of on_call"),
        ([move("auto_approve: {}\n    approval: {roles: [on_call], people: 2}"), people("Bo")], KINDS, "2 people"),
    ],
)
def test_auto_approval_replaces_only_one_plain_yes(
    tmp_path: Path, edits: list[Edit], kinds: Registry, takes: str
) -> None:
    """A veto window replaces no stricter approval, whether the step, the plan or the default requires it."""
    if kinds is not KINDS:
        edits = [*edits, ("plan.yaml", f"approvals:\n  {LAX}\n", "")]
    errors = found(company_folder(tmp_path, *edits), "error", kinds)
    [sentence] = [error.partition(": ")[2] for error in errors]
    assert sentence.startswith(
        f"`traffic.move` has `auto_approve`, and its approval takes {takes}. Take `auto_approve` out"
    )


def test_the_default_veto_window_is_one_minute() -> None:
    """Unless the step sets another time, an automatic action waits for a minute."""
    assert AutoApproval().veto_window.total_seconds() == 60


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (
            move("if_unanswered: {with: {percent: '100'}}"),
            "outage.yaml:18: `traffic.move` has no text that could be sent `if_unanswered`. Take it out",
        ),
        (
            unanswered("{with: {text: Later., urgency: '3'}}"),
            ("outage.yaml:13: `urgency` is not a text of `chat.post`. `if_unanswered` can replace only: text."),
        ),
    ],
)
def test_a_fallback_changes_only_texts(tmp_path: Path, edit: Edit, expected: str) -> None:
    """Without an answer, another text may be sent, but no other parameter may change."""
    [error] = found(company_folder(tmp_path, edit), "error")
    assert error.startswith(expected)


def test_a_fallback_may_change_a_text(tmp_path: Path) -> None:
    """A message may have another text if no one answers, and a change may have `if_unanswered: never`."""
    folder = company_folder(tmp_path, unanswered("{with: {text: Later.}}"), move("if_unanswered: never"))
    assert found(folder, "error") == []


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        (
            [("plan.yaml", LAX, "traffic.move: {roles: [on_call, communications_lead]}")],
            "plan.yaml:30: The approval of `traffic.move` lets communications_lead approve, which the default do",
        ),
        (
            [move("approval: {roles: [on_call, communications_lead]}")],
            "outage.yaml:18: The approval of `traffic.move` lets communications_lead approve, which the plan's own",
        ),
        ([CTO, ("plan.yaml", LAX, "traffic.move: {roles: [on_call, cto]}")], None),
        (
            [("plan.yaml", LAX, "public.tell: {roles: [on_call, communications_lead]}")],
            "plan.yaml:30: The approval of `public.tell` lets on_call approve, which the default does not.",
        ),
    ],
)
def test_an_additional_approver_role_is_a_warning(tmp_path: Path, edits: list[Edit], expected: str | None) -> None:
    """A role that the default does not name may be intended, so it is a warning; a role that it names is not."""
    warnings = [one for one in found(company_folder(tmp_path, *edits), "warning") if "approve, which" in one]
    assert len(warnings) == (1 if expected else 0)
    assert not expected or warnings[0].startswith(expected)


def test_another_required_role_is_an_error(tmp_path: Path) -> None:
    """If one of two approvers must be a leader, a plan cannot require another role instead."""
    default = TWO_PEOPLE.model_copy(update={"one_of": ["communications_lead"], "in_prefect": True})
    wanted = "traffic.move: {roles: [on_call], people: 2, one_of: [on_call], reason_needed: true}"
    [error] = found(company_folder(tmp_path, ("plan.yaml", LAX, wanted), people("Bo")), "error", strict(default))
    less = "accepts on_call although one of them must be communications_lead, which is less than its default."
    assert error.startswith(f"plan.yaml:31: The approval of `traffic.move` {less} Ask for as much")


def test_fewer_required_roles_are_allowed() -> None:
    """A plan may narrow the roles of the required approver."""
    assert TWO_PEOPLE.model_copy(update={"one_of": ["cto"]}).weaker_than(TWO_PEOPLE) is None


def test_a_runbook_that_never_contains_is_reported(tmp_path: Path) -> None:
    """An incident with it would never be contained (B4)."""
    folder = company_folder(tmp_path, (BOOK, "    measure: true\n", ""))
    assert any("so an incident with this runbook is never contained." in one for one in found(folder, "warning"))
    assert not any("never contained" in one for one in found(company_folder(tmp_path / "as-it-is"), "warning"))


def test_a_kind_that_only_people_can_contain_needs_a_step_that_asks_them(tmp_path: Path) -> None:
    """A probe proves nothing for such a kind (B4, B6)."""
    kinds = plan("kinds:\n  leak: {title: Leak, verified_by: people}\n")
    leak = (BOOK, "service: shop\n", "service: shop\nkind: leak\n")
    warned = found(company_folder(tmp_path, kinds, leak), "warning")
    assert any("is contained, and no step asks them." in one for one in warned), warned
