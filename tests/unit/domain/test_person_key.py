"""Names of people are compared without differences of spelling."""

import pytest

from allclear.domain.base import person_key


@pytest.mark.parametrize(
    "spelling",
    [
        "ada  lovelace",
        " Ada Lovelace\t",
        "ADA LOVELACE",
        "Ada\u00a0Lovelace",
        "Ada\u200b Love\u00adlace",
        "\uff21da Lovelace",
    ],
)
def test_one_name_has_one_key(spelling: str) -> None:
    """Case, spaces, invisible characters and compatibility characters make no difference."""
    assert person_key(spelling) == person_key("Ada Lovelace")


def test_other_names_have_other_keys() -> None:
    """Names that differ, even by one accent, belong to different people."""
    assert len({person_key(name) for name in ("Jose Ruiz", "José Ruiz", "JoseRuiz")}) == 3
