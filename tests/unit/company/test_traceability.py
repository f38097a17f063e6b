"""Every line of the companies' own documents is mapped, every reference leads somewhere, and the page shows it."""

from __future__ import annotations

import shutil
from importlib import import_module
from pathlib import Path

import pytest
from typer.testing import CliRunner

import allclear
from allclear.cli.root import app
from allclear.company.check import check_company
from allclear.company.load import read_draft
from allclear.company.traceability import LINES, Target, document_lines, heading_lines, read_lines, resolve_reference
from allclear.company.traceability_page import TracedCompany, traceability_page, traced_companies
from allclear.domain.errors import ConfigError
from allclear.engine.actions.registry import Registry

ROOT = Path(allclear.__file__).resolve().parents[1]
RUNBOOKS = ROOT / "runbooks"
COMPANIES = ["retailgen", "vintstreet"]


@pytest.mark.parametrize("company", COMPANIES)
def test_every_line_of_the_document_is_mapped_in_its_order(company: str) -> None:
    """No line is missing, invented or outdated."""
    lines = TracedCompany(RUNBOOKS / company).lines
    document = (RUNBOOKS / company / lines.document).read_text(encoding="utf-8")
    assert [line.line for line in lines.lines] == document_lines(document)


@pytest.mark.parametrize("company", COMPANIES)
def test_every_reference_leads_to_something_that_exists(company: str) -> None:
    """References are resolved in the loaded plan, systems, runbooks, templates and drills."""
    draft, read = read_draft(RUNBOOKS / company), read_lines(RUNBOOKS / company)
    assert not isinstance(read, list)
    references = [reference for line in read[0].lines for reference in line.runs]
    assert [
        found for one in references if isinstance(found := resolve_reference(draft, one, read[0].sent_by), str)
    ] == []
    assert len(references) > len(read[0].lines) / 2


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("plan severities SEV-9", "plan.yaml has no `severities SEV-9`."),
        ("plan severities SEV-1 targets repair", "has no `severities SEV-1 targets repair`"),
        ("plan people 6", "has no `people 6`"),
        ("plan rotas", "has no `rotas`"),
        ("systems services shop", "systems.yaml has no `services shop`"),
        ("runbook bad-deploy", "There is no runbook `bad-deploy`. Did you mean `bad-deployment`?"),
        ("runbook bad-deployment contian", "Did you mean `contain`?"),
        ("runbook bad-deployment contain/rollback", "Did you mean `roll-back`?"),
        ("template status_page", "There is no template `status_page`"),
        ('template post_mortem "## Causes"', "does not hold `## Causes`"),
        ("drill site-up", "There is no drill `site-up`"),
        ("drill site-down answers contain/nothing", "has no `answers contain/nothing`"),
        ("journal incident.closed", "The journal has no `incident.closed`"),
        ("wiki page", "`wiki` is not a kind of reference"),
        ('plan "severities', "cannot be read"),
    ],
)
def test_a_wrong_reference_is_reported_with_the_nearest_name(reference: str, expected: str) -> None:
    """The causes are a renamed step, a changed text or a typing error."""
    found = resolve_reference(read_draft(RUNBOOKS / "retailgen"), reference)
    assert isinstance(found, str)
    assert expected in found


@pytest.mark.parametrize(
    ("reference", "target"),
    [
        ("runbook bad-deployment contain/roll-back", Target(how="done", by="vercel.rollback")),
        ("runbook bad-deployment detect/verify", Target(how="done", by="http.smoke")),
        ("runbook security-incident contain/block-addresses", Target(how="done", by="vercel.block_addresses")),
        (
            "runbook security-incident contain/stopped",
            Target(how="asked", by="Security Officer", asked="contain/stopped"),
        ),
        ("plan severities SEV-1 contain", Target(how="data")),
        ("journal acknowledged", Target(how="done", by="the journal")),
    ],
)
def test_a_reference_leads_to_what_runs_the_line(reference: str, target: Target) -> None:
    """The engine runs the line, a person is asked, or the line is data that both use."""
    assert resolve_reference(read_draft(RUNBOOKS / "retailgen"), reference) == target


def test_the_check_finds_a_reference_that_leads_nowhere(tmp_path: Path) -> None:
    """The error has file and line, and the page cannot be written."""
    folder = tmp_path / "retailgen"
    shutil.copytree(RUNBOOKS / "retailgen", folder)
    book = folder / "common-steps.yaml"
    book.write_text(book.read_text(encoding="utf-8").replace("id: document ", "id: write "), encoding="utf-8")
    wrong = [one for one in check_company(folder, Registry()) if one.file.endswith(LINES)]
    [sentence] = [one.sentence for one in wrong]
    assert sentence.startswith("The runbook `bad-deployment` has no step `review/document`. There are: ")
    text = (folder / LINES).read_text(encoding="utf-8").splitlines()
    assert "review/document" in text[(wrong[0].line or 0) - 1]
    with pytest.raises(ConfigError, match="no step"):
        TracedCompany(folder)


def test_a_line_names_what_runs_it_or_why_nothing_does(tmp_path: Path) -> None:
    """A line with neither is an error."""
    folder = tmp_path / "acme"
    folder.mkdir()
    (folder / LINES).write_text('document: a.md\nlines:\n  - line: "One"\n', encoding="utf-8")
    read = read_lines(folder)
    assert isinstance(read, list)
    assert "either `runs` or `not_yet`" in read[0].sentence


def test_the_command_prints_a_line_that_is_not_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person who changes the plan sees which lines are not mapped; the exit code is 1."""
    monkeypatch.setenv("ALLCLEAR_RUNBOOKS", str(RUNBOOKS))
    document = tmp_path / "plan.md"
    document.write_text("## 2. Severity Levels\n- Call the mayor.\n", encoding="utf-8")
    import_module("allclear.cli.company")
    done = CliRunner().invoke(app, ["lines", "retailgen", "--document", str(document)])
    assert done.exit_code == 1
    assert "retailgen: 67 lines, 0 not yet." in done.output
    assert "not mapped: - Call the mayor." in done.output
    assert "not mapped: ##" not in done.output


def test_rules_fences_and_borders_are_left_out() -> None:
    """Text, table rows and lines of code are kept."""
    text = "# A\n\n---\n| a | b |\n|---|:-:|\n```bash\n  git push \n```\n- [ ] c\n"
    assert document_lines(text) == ["# A", "| a | b |", "git push", "- [ ] c"]


def test_the_page_is_up_to_date() -> None:
    """After a change of a `lines.yaml`, `make traceability` must be run."""
    assert (ROOT / "docs" / "traceability.md").read_text(encoding="utf-8") == traceability_page(
        traced_companies(RUNBOOKS)
    )


def test_the_page_begins_with_the_lines_that_nothing_runs() -> None:
    """They come before the first document, and the numbers of a row add up to its lines."""
    every = traced_companies(RUNBOOKS)
    top = traceability_page(every).split("## RetailGen AI")[0]
    assert [one.name for one in every] == COMPANIES
    for one in every:
        row = next(line for line in top.splitlines() if line.startswith(f"| {one.company} |"))
        lines, *parts = [int(cell) for cell in row.split("|")[2:-1]]
        assert lines == len(one.lines.lines) == sum(parts)
        assert parts[-1] == len(one.missing)
        assert all(line.line in top and line.not_yet in top for line in one.missing)
    assert top.count("## Asked, and why") == 1


def sentences_after(folder: Path, was: str, becomes: str) -> list[str]:
    """Return what the check says of VintStreet's `lines.yaml` after a change of it."""
    company = folder / "vintstreet"
    shutil.copytree(RUNBOOKS / "vintstreet", company)
    text = (company / LINES).read_text(encoding="utf-8")
    assert was in text
    (company / LINES).write_text(text.replace(was, becomes, 1), encoding="utf-8")
    return [one.sentence for one in check_company(company, Registry()) if one.file.endswith(LINES)]


@pytest.mark.parametrize(
    ("was", "becomes", "expected"),
    [
        (
            "customer_email: runbook bad-deployment resolve/customers",
            "customer_email: runbook bad-deployment resolve/status-resolved",
            "does not send the template `customer_email`",
        ),
        ("customer_email: runbook bad-deployment resolve/customers", "customer_email: plan drills", "is no step"),
        ("  customer_email: runbook bad-deployment resolve/customers\n", "", "does not say which step sends"),
        ("  resolve/fix: ", "  resolve/nothing: ", "Nothing says why `resolve/fix` stays a person's task."),
        ("  resolve/fix: ", "  resolve/nothing: ", "No line asks a person `resolve/nothing`."),
    ],
)
def test_a_false_claim_is_an_error(tmp_path: Path, was: str, becomes: str, expected: str) -> None:
    """A template that its step does not send, and a person's task without a reason or without a line."""
    assert [one for one in sentences_after(tmp_path, was, becomes) if expected in one] != []


def test_words_count_as_the_step_that_sends_them() -> None:
    """The customers' mail is sent by an action; the document cannot know what only people know."""
    found = TracedCompany(RUNBOOKS / "vintstreet")
    how = {
        line.line: {target.how for target in targets}
        for line, targets in zip(found.lines.lines, found.targets, strict=True)
    }
    for line in ("- Point 1", "- Measure 1", "- **Revenue Impact:** $X", "[What caused the incident]"):
        assert how[line] == {"asked"}
    for line in ("2. Notify team lead", "Dear VintStreet Users,", "Thank you for your patience."):
        assert how[line] == {"done"}
    assert "done" in how["1. Add to sprint backlog"]


def test_headings_are_counted_apart() -> None:
    """Those of the text, of a template in it, and of tables; a comment in code is none."""
    text = "# A\n```bash\n# b\n```\n```markdown\n## C\n```\n| d |\n|---|\n| e |\n"
    assert heading_lines(text) == [True, False, True, True, False]
    assert len(heading_lines(text)) == len(document_lines(text))
