"""Reads a company's folder under runbooks/: its plan, systems, runbooks and templates.

`allclear.company.check` checks a folder; a response needs none of that, so it is not imported here.
"""

from __future__ import annotations

from allclear.company.capabilities import Capabilities
from allclear.company.checks.alert_sources import require_alert_sources
from allclear.company.diagnostics import Diagnostic
from allclear.company.load import Company, companies_root, company_names, find_company, load_company

__all__ = [
    "Capabilities",
    "Company",
    "Diagnostic",
    "companies_root",
    "company_names",
    "find_company",
    "load_company",
    "require_alert_sources",
]
