"""Who leads: the first person who acts, unless the role in which the person acts only supports the lead."""

from __future__ import annotations

import pytest

from allclear.domain.proof import Proof
from allclear.domain.records import By, RoleTaken
from allclear.engine.people.leading import SUPPORTING, lead_taken_by
from tests.scenario.response_support import vintstreet
from tests.unit.domain.stories import Story


@pytest.mark.parametrize("role", ["on_call", "cto", "tech_lead", "incident_commander"])
def test_the_first_person_to_act_leads(role: str) -> None:
    """Whatever role that is, as long as it does not support the lead."""
    by = By(actor="Ana", role=role, via="cli", proof=Proof.TOKEN)
    assert lead_taken_by(vintstreet().plan, Story().opened().incident, by) == [
        RoleTaken(role="incident_commander", person="Ana")
    ]


@pytest.mark.parametrize("role", SUPPORTING)
def test_who_supports_the_lead_does_not_lead_by_that(role: str) -> None:
    """A status update that is approved before anyone acknowledged makes no lead of the communications lead."""
    by = By(actor="Chi", role=role, via="cli", proof=Proof.TOKEN)
    assert lead_taken_by(vintstreet().plan, Story().opened().incident, by) == []
