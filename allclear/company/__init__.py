"""A company's folder under runbooks/ in, its checked plan, systems, runbooks and templates out."""

from __future__ import annotations

from allclear.company.capabilities import Kinds
from allclear.company.check import check_company
from allclear.company.diagnostics import Complaint
from allclear.company.load import Company, companies, companies_root, find_company, load_company

__all__ = [
    "Company",
    "Complaint",
    "Kinds",
    "check_company",
    "companies",
    "companies_root",
    "find_company",
    "load_company",
]
