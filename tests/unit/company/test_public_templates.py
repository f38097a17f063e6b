"""The shipped texts to the public and to customers: a line without its fact is left out, and nothing is claimed."""

from __future__ import annotations

from functools import cache

import pytest

from allclear.company import Company, find_company
from allclear.domain.approval import ONE_PERSON, Ask, AskKind
from allclear.domain.errors import Refused
from allclear.domain.records import AskAnswered, AskOpened, IncidentOpened, Recovered
from allclear.domain.template_values import TemplateValues, values
from tests.unit.domain.stories import ANA, BEN, HEALTH, Story

company_of = cache(find_company)
PUBLIC = [
    (company, name)
    for company in ("vintstreet", "retailgen")
    for name in company_of(company).plan.templates
    if name.replace("_", "-").startswith(("status-page", "customer"))
]


def declared() -> Story:
    """Return an incident that a person declared: when it began is not known, and nothing is proven or noted yet."""
    opened = IncidentOpened(
        company="x",
        title="Checkout fails",
        severity="P0",
        service="shop",
        runbook="outage",
        reported="by Ana",
        impact="Checkout fails",
    )
    return Story().record(opened, by=ANA)


def filled(company: Company, story: Story) -> TemplateValues:
    """Return the public values of a company's templates."""
    return values(
        story.incident,
        lambda: story.entries,
        company.plan,
        service_title="The shop",
        impact="Checkout fails",
        now=story.now,
        templates=company.templates,
    ).public()


def text_of(company: str, name: str, story: Story) -> str:
    """Return a template's text; empty if it cannot be sent without a fact that is missing."""
    try:
        return filled(company_of(company), story)[f"t_{name.replace('-', '_')}"]
    except Refused:
        return ""


@pytest.mark.parametrize(("company", "name"), PUBLIC)
def test_a_missing_fact_is_left_out_and_nothing_is_claimed(company: str, name: str) -> None:
    """E9 and E13: no "unknown", no time that no one knows, no word on data, and no recovery that was not proven."""
    text = text_of(company, name, declared()).lower()
    for words in ("unknown", "not yet", "none", "started", "issue resolved", "compromised", "your data", "operational"):
        assert words not in text, text
    assert "operating normally" not in text
    assert not any(line.endswith(":") and "timeline" not in line for line in text.splitlines())


@pytest.mark.parametrize(("company", "name"), PUBLIC)
def test_a_fact_that_is_known_stands_in_its_line(company: str, name: str) -> None:
    """The times, the recovery, and what a person stated about data."""
    template = company_of(company).templates[name]
    story = Story().opened().after(10).record(Recovered(finding=HEALTH))
    ask = Ask(
        id="VS-12/resolve/data-statement",
        kind=AskKind.STEP,
        phase="resolve",
        step="data-statement",
        title="Data?",
        text="?",
        yes="",
        no="",
        policy=ONE_PERSON,
    )
    said = "No payment data was stored."
    text = text_of(
        company, name, story.record(AskOpened(ask=ask)).record(AskAnswered(ask=ask.id, yes=True, reason=said), by=BEN)
    )
    known = {"{began}": "2026-11-22 14:28 UTC", "{resolved}": "2026-11-22 14:40 UTC", "{data_statement}": said}
    for placeholder, value in known.items():
        assert (value in text) is (placeholder in template and bool(text)), placeholder


def test_the_customers_mail_and_the_status_page_are_among_them() -> None:
    """Both companies' texts for the status page, and VintStreet's mail."""
    names = {(company, name.replace("_", "-")) for company, name in PUBLIC}
    assert ("vintstreet", "customer-email") in names
    assert ("retailgen", "status-page-resolved") in names
