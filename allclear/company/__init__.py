"""Reads and checks a company's folder under runbooks/: its plan, systems, runbooks and templates."""

from __future__ import annotations

from allclear.company.capabilities import Capabilities
from allclear.company.check import check_company
from allclear.company.checks.alert_sources import require_alert_sources
from allclear.company.diagnostics import Diagnostic
from allclear.company.load import Company, companies_root, company_names, find_company, load_company

__all__ = [
    "Capabilities",
    "Company",
    "Diagnostic",
    "check_company",
    "companies_root",
    "company_names",
    "find_company",
    "load_company",
    "require_alert_sources",
]
