"""The check of the references within a plan: severities, facets, kinds, rotas, duties, escalation policies."""

from __future__ import annotations

from pathlib import Path

import pytest

from allclear.company.check import check_company
from tests.unit.company.company_support import KINDS, PLAN, Edit, company_folder

BOOK = "runbooks/outage.yaml"
END = "working_time: {zone: Europe/Berlin}\n"
AFTER = PLAN[: PLAN.index(END)].count("\n") + 1
"""The line of `working_time`; what a test adds to the plan begins in the next one."""


def plan(added: str) -> Edit:
    """Return the edit that adds lines to the plan."""
    return ("plan.yaml", END, END + added)


def severity(*lines: str) -> Edit:
    """Return the edit that adds a second severity, P1, with these lines; `name: P1` is line 7."""
    added = "".join(f"    {line}\n" for line in ("name: P1", "title: High", "definition: Half down", *lines))
    return ("plan.yaml", "    definition: All down\n", "    definition: All down\n  -" + added[3:])


def diagnostics_of(root: Path, level: str, *edits: Edit) -> list[str]:
    """Return the diagnostics of that level as `plan.yaml:7: sentence next step`."""
    every = check_company(company_folder(root, *edits), KINDS)
    return [f"{one.location.rsplit('/', 1)[-1]}: {one.sentence} {one.next_step}" for one in every if one.level == level]


CIRCLE = """\
    definition: All down
    escalates: {to: P1, after: 1h}
  - {name: P1, title: High, definition: Half, escalates: {to: P0, after: 2h}}
"""
FACETS = "facets:\n  users: {title: Users, values: [few, many, all]}\n  data: {title: Data}\n"

ERRORS: list[tuple[list[Edit], str]] = [
    (
        [severity("escalates: {to: P1, after: 2h}")],
        "plan.yaml:10: P1 escalates to P1, which is not graver. Name one of P0.",
    ),
    (
        [("plan.yaml", "    definition: All down\n", "    definition: All down\n    escalates: {to: P0, after: 2h}\n")],
        "plan.yaml:7: P0 escalates to P0, which is not graver. Delete `escalates`.",
    ),
    (
        [
            ("plan.yaml", "    definition: All down\n", CIRCLE),
        ],
        "plan.yaml:7: P0 escalates to P1, which is not graver.",
    ),
    ([severity("escalates: {to: P9, after: 2h}")], "plan.yaml:10: The plan has no severity `P9`."),
    (
        [plan("notifications:\n  - {audience: x, severities: [P0, P3]}\n")],
        "plan.yaml:{2}: The plan has no severity `P3`.",
    ),
    (
        [plan("updates:\n  - {audience: x, every: 1h, severities: [P3]}\n")],
        "plan.yaml:{2}: The plan has no severity `P3`.",
    ),
    ([plan("assess:\n  - {severity: P3}\n")], "plan.yaml:{2}: The plan has no severity `P3`."),
    (
        [plan("notifications:\n  - {audience: x, kinds: [outrage]}\n")],
        "plan.yaml:{2}: The plan has no kind of incident `outrage`. Did you mean `outage`?",
    ),
    (
        [(BOOK, "service: shop\nh", "service: shop\nkind: leak\nh")],
        "outage.yaml:5: The plan has no kind of incident `leak`.",
    ),
    (
        [(BOOK, "    severities: [P0]\n", "    severities: [P0]\n    kinds: [outage, leak]\n")],
        "outage.yaml:28: The plan has no kind of incident `leak`.",
    ),
    (
        [plan("duties:\n  - {name: a, title: A, ask: Do, role: on_call, within: 3d, when: {dat: yes}}\n" + FACETS)],
        "plan.yaml:{2}: The plan has no facet `dat`. Did you mean `data`?",
    ),
    (
        [plan(FACETS + "assess:\n  - {severity: P0, when: {users: [most, all]}}\n")],
        "plan.yaml:{5}: The facet `users` is never `most`. There are: all, few, many.",
    ),
    (
        [plan(FACETS), ("plan.yaml", "    runbook: outage\n", "    runbook: outage\n    facets: {users: lots}\n")],
        "plan.yaml:27: The facet `users` is never `lots`.",
    ),
    (
        [plan("evidence:\n  - {name: logs, title: Logs, ask: Keep, role: oncall}\n")],
        "plan.yaml:{2}: The plan has no role `oncall`. Did you mean `on_call`?",
    ),
    (
        [plan("duties:\n  - {name: a, title: A, ask: 'Tell of {incidnet}', role: on_call, within: 72h}\n")],
        "plan.yaml:{2}: The placeholder {incidnet} has no source. Did you mean `incident`?",
    ),
    ([plan("may_lower: [boss]\n")], "plan.yaml:{1}: The plan has no role `boss`."),
    ([plan("kinds:\n  outage: {title: O, private_for: [on_cal]}\n")], "plan.yaml:{2}: The plan has no role `on_cal`."),
    (
        [
            ("plan.yaml", "on_call: {title: On-Call}", "on_call: {title: On-Call}\n  cto: {title: CTO}"),
            plan("kinds:\n  outage: {title: O, private_for: [cto]}\n"),
        ],
        "plan.yaml:{3}: `private_for` names the role `cto`, which no person has",
    ),
    (
        [("plan.yaml", "after: 5m, roles: everyone", "after: 5m, roles: [boss]")],
        "plan.yaml:{2}: The plan has no role `boss`.",
    ),
    (
        [
            (
                "plan.yaml",
                "[{after: 5m, roles: everyone}]",
                "[{after: 5m, roles: [on_call]}, {after: 1m, roles: everyone}]",
            )
        ],
        "plan.yaml:{2}: The levels are not sorted by their `after`.",
    ),
    (
        [("plan.yaml", "on_call: {title: On-Call}", "on_call: {title: On-Call, deputies: [on_call]}")],
        "plan.yaml:8: `on_call` names itself in `deputies`.",
    ),
    (
        [("plan.yaml", "on_call: {title: On-Call}", "on_call: {title: On-Call, never_with: [communications_lead]}")],
        "plan.yaml:12: Ana has `on_call` and `communications_lead`, which one person must not hold together.",
    ),
    (
        [plan("rotas:\n  - {role: on_call, layers: [{name: a, people: [Anna], starts: 2026-11-02T09:00}]}\n")],
        "plan.yaml:{2}: No person under `people` is called `Anna`. Did you mean `Ana`?",
    ),
    (
        [
            plan("rotas:\n  - {role: scribe, layers: [{name: a, people: [Ana], starts: 2026-11-02T09:00}]}\n"),
            ("plan.yaml", "on_call: {title: On-Call}", "on_call: {title: On-Call}\n  scribe: {title: S}"),
        ],
        "plan.yaml:{3}: Ana has a turn as `scribe` and does not hold that role. Add `scribe` to the roles of Ana.",
    ),
    (
        [("plan.yaml", "traffic.move: {roles: [on_call]}", "traffic.move: {roles: [on_call], one_of: [boss]}")],
        "plan.yaml:30: The plan has no role `boss`.",
    ),
    (
        [
            ("plan.yaml", "traffic.move: {roles: [on_call]}", "traffic.move: {roles: [on_call], one_of: [cto]}"),
            ("plan.yaml", "on_call: {title: On-Call}", "on_call: {title: On-Call}\n  cto: {title: CTO}"),
        ],
        "plan.yaml:31: `traffic.move` waits for one of cto, and no one in the plan has such a role.",
    ),
    (
        [
            (
                BOOK,
                '      text: "{t_internal_alert}"\n',
                '      text: "{t_internal_alert}"\n    if_unanswered: {with: {txt: Later.}}\n',
            )
        ],
        "outage.yaml:13: chat.post: `txt` is not a field. Did you mean `text`?",
    ),
    (
        [
            (
                BOOK,
                '      text: "{t_internal_alert}"\n',
                '      text: "{t_internal_alert}"\n    if_unanswered: {with: {text: "{impct}"}}\n',
            )
        ],
        "outage.yaml:13: The placeholder {impct} has no source. Did you mean `impact`?",
    ),
    (
        [(BOOK, "  - id: move\n    action: traffic.move\n", "  - id: move\n")],
        "outage.yaml:14: `contain` no. 1: a step must have exactly one of `action`, `probe`, `person` and `undo`.",
    ),
]

WARNINGS: list[tuple[list[Edit], str]] = [
    (
        [plan(FACETS + "assess:\n  - {severity: P0}\n  - {severity: P0, when: {users: all, data: yes}}\n")],
        "plan.yaml:{6}: Rule no. 2, for P0, never applies: an earlier rule always matches first. Put the narrower",
    ),
    (
        [
            plan(
                FACETS + "assess:\n  - {severity: P0, when: {users: [many, all], data: no}}\n"
                "  - {severity: P0, when: {data: yes}}\n  - {severity: P0, when: {users: few}}\n  - {severity: P0}\n"
            ),
        ],
        "plan.yaml:{8}: Rule no. 4, for P0, never applies",
    ),
    (
        [plan(FACETS + "assess:\n  - {severity: P0, when: {users: all}}\n")],
        "plan.yaml:{3}: Nothing uses the facet `data`. Write a rule for it under `assess`",
    ),
    (
        [severity("contain: false", "targets: [{name: stop, within: 1h, until: contained}]")],
        "plan.yaml:11: The target `stop` waits until P1 is contained, which never happens. Write `until: recovered`",
    ),
    (
        [severity(), (BOOK, "    action: chat.post\n", "    action: chat.post\n    severities: [P0]\n")],
        "plan.yaml:7: At P1, no step of any runbook pages a person or sends a message. Add a step that does",
    ),
    (
        [plan("rotas:\n  - {role: on_call, layers: [{name: a, people: [Ana], starts: 2026-11-01T02:30}]}\n")],
        "plan.yaml:{2}: The layer `a` is handed over on 2027-03-28 at 02:30, an hour in which Europe/Berlin puts its",
    ),
    (
        [
            plan("rotas:\n  - {role: on_call, layers: [{name: a, people: [Ana], starts: 2026-11-02T09:00}]}\n"),
            ("plan.yaml", "  - name: Ana\n", "  - name: Ana\n    away: [{from: 2026-12-22, until: 2026-12-24}]\n"),
        ],
        "plan.yaml:12: Ana is away from 2026-12-22 to 2026-12-24 and has the turn of the layer `a` that begins on",
    ),
    (
        [plan("notifications:\n  - {audience: oncall}\n")],
        "plan.yaml:{2}: The plan has no role `oncall`. Did you mean `on_call`?",
    ),
    (
        [("systems.yaml", "https://shop.example.com", "https://YOUR-SHOP.example.com")],
        "systems.yaml:9: `url` still contains the blank `YOUR-SHOP`.",
    ),
]


def at_its_line(expected: str) -> str:
    """Return `expected` with `{2}` as the second line that the test added."""
    for ahead in range(1, 10):
        expected = expected.replace(f"{{{ahead}}}", str(AFTER + ahead))
    return expected


@pytest.mark.parametrize(("edits", "expected"), ERRORS)
def test_a_name_that_refers_to_nothing_is_an_error(tmp_path: Path, edits: list[Edit], expected: str) -> None:
    """Each unknown name, circle and contradiction is an error at its own line."""
    errors = diagnostics_of(tmp_path, "error", *edits)
    assert any(error.startswith(at_its_line(expected)) for error in errors), errors


@pytest.mark.parametrize(("edits", "expected"), WARNINGS)
def test_a_part_without_effect_is_a_warning(tmp_path: Path, edits: list[Edit], expected: str) -> None:
    """A rule or target that never applies, a hand-over that fails, and a severity without a message are warnings."""
    warnings = diagnostics_of(tmp_path, "warning", *edits)
    assert any(warning.startswith(at_its_line(expected)) for warning in warnings), warnings


def test_a_ticket_only_severity_needs_no_message(tmp_path: Path) -> None:
    """A severity that only creates a ticket needs no step that pages people or sends a message."""
    quiet = (BOOK, "    action: chat.post\n", "    action: chat.post\n    severities: [P0]\n")
    assert diagnostics_of(tmp_path, "warning", severity("ticket_only: true"), quiet) == []


def test_a_deputy_counts_as_an_approver(tmp_path: Path) -> None:
    """If the only person is a deputy for the role that an action waits for, that person can approve."""
    boss = ("plan.yaml", "traffic.move: {roles: [on_call]}", "traffic.move: {roles: [boss]}")
    roles = "on_call: {title: On-Call}\n  boss: {title: Boss, deputies: [on_call]}"
    deputy = ("plan.yaml", "on_call: {title: On-Call}", roles)
    assert diagnostics_of(tmp_path, "error", boss, deputy) == []


def test_rules_that_all_apply_are_not_reported(tmp_path: Path) -> None:
    """Rules in the right order, with a last rule for all other cases, cause no warning."""
    rules = (
        "assess:\n  - {severity: P0, when: {users: all}}\n  - {severity: P0, when: {data: yes}}\n  - {severity: P0}\n"
    )
    assert diagnostics_of(tmp_path, "warning", plan(FACETS + rules)) == []


def test_with_many_facets_rules_are_compared_in_pairs(tmp_path: Path) -> None:
    """If there are too many cases to try, a rule behind a wider one is still found."""
    many = "".join(f"  f{n}: {{title: F, values: [a, b, c, d]}}\n" for n in range(12))
    wide = ", ".join(f"f{n}: a" for n in range(6))
    narrow = ", ".join(f"f{n}: a" for n in range(12))
    rules = f"assess:\n  - {{severity: P0, when: {{{wide}}}}}\n  - {{severity: P0, when: {{{narrow}}}}}\n"
    [warning] = diagnostics_of(tmp_path, "warning", plan("facets:\n" + many + rules))
    assert "Rule no. 2, for P0, never applies" in warning


# --- reminders -------------------------------------------------------------------------------------------

TELL = '  message: {action: chat.post, with: {key: "{number}", text: "{reminder} For {for}."}}\n'


@pytest.mark.parametrize(
    ("instead", "expected"),
    [
        (TELL.replace("chat.post", "traffic.move"), "`traffic.move` does more than send a message"),
        (TELL.replace("chat.post", "chat.pots"), "There is no action `chat.pots`."),
        (TELL.replace("{reminder}", "Look!"), "`message` does not say what is overdue."),
        (TELL.replace("{number}", "one"), "Each `message` would replace the one before."),
        (TELL.replace("{for}", "{whom}"), "The placeholder {whom} has no source."),
        (TELL.replace("key:", "urgency: much, key:"), "chat.post: `urgency`:"),
    ],
)
def test_an_unsafe_or_empty_reminder_is_an_error(tmp_path: Path, instead: str, expected: str) -> None:
    """Reminders need no approval, so their actions may only send messages. Each has its own key and names its cause."""
    assert any(expected in error for error in diagnostics_of(tmp_path, "error", ("plan.yaml", TELL, instead)))


def test_a_plan_without_reminders_is_a_warning(tmp_path: Path) -> None:
    """No one would be reminded of an approval that waits."""
    warnings = diagnostics_of(tmp_path, "warning", ("plan.yaml", "reminders:\n" + TELL, ""))
    assert any("The plan has no `reminders`" in warning for warning in warnings)


def test_a_private_kind_that_no_named_person_may_read_is_a_warning(tmp_path: Path) -> None:
    """The names are blanks so far: everyone may read such an incident, because no one could otherwise."""
    blank = ("plan.yaml", "  - name: Ana\n", '  - name: "[Name]"\n')
    warnings = diagnostics_of(
        tmp_path, "warning", blank, plan("kinds:\n  outage: {title: O, private_for: [on_call]}\n")
    )
    assert any("No role of `private_for` has a name yet, so that everyone may read" in one for one in warnings)


LISTS = "mailing_lists:\n  team: {title: The team, address: team@acme.example}\n  other: {title: %s, address: %s}\n"


@pytest.mark.parametrize(
    ("title", "address", "field"),
    [("Others", "TEAM@acme.example", "address"), ("the  team", "o@acme.example", "title")],
)
def test_two_mailing_lists_that_are_one_are_an_error(tmp_path: Path, title: str, address: str, field: str) -> None:
    """A message to the one would name the other."""
    errors = diagnostics_of(tmp_path, "error", plan(LISTS % (title, address)))
    assert any(f"The mailing lists `team` and `other` have the same {field}. Take one" in one for one in errors), errors


@pytest.mark.parametrize("every", ["0s", "0", "30", "59s", "true"])
def test_updates_that_would_flood_their_readers_are_an_error(tmp_path: Path, every: str) -> None:
    """A number without a unit is read as seconds, and 0 would send without end."""
    errors = diagnostics_of(tmp_path, "error", plan(f"updates:\n  - {{audience: on_call, every: {every}}}\n"))
    assert any("`every`: an update each few seconds would flood its readers" in one for one in errors), errors
