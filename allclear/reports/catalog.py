"""The reports, in the order in which the API lists them."""

from __future__ import annotations

from allclear.reports.base import Report
from allclear.reports.incident import PostMortemDocument, Show, Verify
from allclear.reports.incidents import IncidentList, InPlace, OnCall
from allclear.reports.overview import Overview

REPORTS: tuple[type[Report], ...] = (Overview, IncidentList, Show, Verify, InPlace, PostMortemDocument, OnCall)
