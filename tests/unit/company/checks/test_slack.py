"""`allclear check` on who is who in Slack, and on the further secrets of a system."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from allclear.company.check import check_company
from allclear.domain.placeholders import PLACEHOLDERS
from allclear.engine.actions.registry import Registry
from tests.contract.simulator_support import REPOSITORY
from tests.unit.company.company_support import KINDS, PLAN, company_folder

ANA = 'contacts:\n      phone: "+1 555 0100"\n'


def findings_for(folder: Path, contact: str, other: str = "") -> list[str]:
    """Return what `check` finds if Ana has this contact in Slack, and Ben, if he is listed, the other one."""
    ben = f"  - name: Ben\n    roles: [on_call]\n    contacts: {{slack: {other}}}\n" if other else ""
    edit = ("plan.yaml", ANA, f"{ANA}      slack: {contact!r}\n{ben}")
    return [str(found) for found in check_company(company_folder(folder, edit), KINDS, {})]


def test_a_contact_that_is_no_user_id_is_a_warning(tmp_path: Path) -> None:
    """A handle mentions no one, and no press would be known as this person's."""
    assert any(
        "@ana is no user id of Slack, so Ana cannot answer there." in one for one in findings_for(tmp_path, "@ana")
    )


def test_a_user_id_that_two_people_have_is_an_error(tmp_path: Path) -> None:
    """It would not say who pressed."""
    found = findings_for(tmp_path, "U024BE7LH", "'<@U024BE7LH>'")
    assert any("Ana and Ben have the same user id in Slack, U024BE7LH." in one for one in found)


def test_a_user_id_is_good(tmp_path: Path) -> None:
    """Nothing is found about it."""
    assert not any("Slack" in one for one in findings_for(tmp_path, "U024BE7LH", "U024BE7LJ"))


@pytest.mark.parametrize(
    ("secrets", "expected"),
    [
        ("{signing: SLACK_SIGNING_SECRET}", "has no further secret `signing`"),
        ("{signing_secret: 8f742231b10e8888abcd99yyyzzz85a5}", "`signing_secret` is not the name of an environment"),
    ],
)
def test_a_further_secret_must_be_one_that_the_client_has(tmp_path: Path, secrets: str, expected: str) -> None:
    """And its value the name of a variable; the value itself is not repeated, because it may be the secret."""
    folder = tmp_path / "vintstreet"
    shutil.copytree(REPOSITORY / "runbooks" / "vintstreet", folder)
    systems = folder / "systems.yaml"
    secret = "    secret: SLACK_BOT_TOKEN\n"
    systems.write_text(systems.read_text().replace(secret, f"{secret}    secrets: {secrets}\n"))
    found = [str(one) for one in check_company(folder, Registry.installed(), PLACEHOLDERS)]
    assert any(expected in one for one in found)
    assert not any("8f742231b10e" in one for one in found)


def test_the_small_company_has_no_slack() -> None:
    """So the tests above add it."""
    assert "slack" not in PLAN
