"""Checks a company's folder before an incident needs it: everything that is wrong, each with file and line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from pathlib import Path

from allclear.company.capabilities import Capabilities
from allclear.company.checks.alert_sources import check_alert_sources
from allclear.company.checks.approvals import check_plan_approvals
from allclear.company.checks.assumptions import list_assumptions
from allclear.company.checks.containment_order import check_containment_order
from allclear.company.checks.people import check_addresses, check_people
from allclear.company.checks.placeholders import (
    check_plan_placeholders,
    check_route_texts,
    check_template_placeholders,
    check_unused_templates,
)
from allclear.company.checks.references import check_references
from allclear.company.checks.reminders import check_reminders
from allclear.company.checks.rotas import check_rotas
from allclear.company.checks.routes import check_routes, check_runbook_files
from allclear.company.checks.runbooks import check_runbooks
from allclear.company.checks.secrets import check_secrets
from allclear.company.checks.severities import check_severities
from allclear.company.checks.systems import check_systems
from allclear.company.checks.tickets import check_tickets
from allclear.company.checks.ways import check_notifications, check_ways
from allclear.company.checks.words import check_words
from allclear.company.diagnostics import Diagnostic
from allclear.company.load import Draft, read_draft
from allclear.company.traceability import check_traceability

DraftCheck = Callable[[Draft], Iterable[Diagnostic]]
"""A check that another package adds, because this one must not import it: the drills'."""


def check_company(
    folder: Path,
    capabilities: Capabilities,
    post_mortem_placeholders: Mapping[str, str] | None = None,
    extra_check: DraftCheck | None = None,
    secret: Callable[[str], str] | None = None,
) -> list[Diagnostic]:
    """Return everything that is wrong, without effect or assumed in `folder`, errors first.

    A file that cannot be read does not hide the errors in the others. Without `post_mortem_placeholders`, the
    post-mortem's template only has to exist. With `secret`, which returns what an environment variable holds, the
    secrets that are not set here are listed. Reads files, and connects to nothing.
    """
    draft = read_draft(folder)
    found = chain(
        draft.diagnostics,
        check_people(draft),
        check_addresses(draft),
        check_plan_approvals(draft, capabilities),
        check_routes(draft),
        check_runbook_files(draft),
        check_references(draft),
        check_rotas(draft),
        check_severities(draft, capabilities),
        check_reminders(draft, capabilities),
        check_ways(draft, capabilities),
        check_notifications(draft, capabilities),
        check_tickets(draft, capabilities),
        check_systems(draft, capabilities),
        check_alert_sources(draft, capabilities.sources),
        check_runbooks(draft, capabilities),
        check_containment_order(draft, capabilities),
        check_plan_placeholders(draft),
        check_route_texts(draft),
        check_template_placeholders(draft, post_mortem_placeholders),
        check_unused_templates(draft),
        check_words(draft),
        check_traceability(draft),
        extra_check(draft) if extra_check else (),
        list_assumptions(draft),
        check_secrets(draft, capabilities, secret) if secret else (),
    )
    # Runbooks that share a base find the same error in it: it is reported once.
    return sorted(dict.fromkeys(found), key=lambda diagnostic: diagnostic.sort_key)
