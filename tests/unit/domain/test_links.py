"""Links in texts: one to the incident's page, wherever it stands."""

from __future__ import annotations

import pytest
from typing_extensions import override

from allclear.domain.links import Links, LinkTo, NoLinks, with_link

PAGE = "https://allclear.example.com/i/VS-1"
PERSONAL = "https://allclear.example.com/l/signed"


class _Links(NoLinks):
    @override
    def href(self, to: LinkTo) -> str:
        return PERSONAL if to.person else PAGE


ANYONE, ANA = LinkTo(incident="VS-1"), LinkTo(incident="VS-1", person="Ana")


@pytest.mark.parametrize(
    ("links", "to", "text", "sent"),
    [
        (_Links(), ANYONE, "It is over.\n", f"It is over.\n\n{PAGE}"),
        (_Links(), ANYONE, f"Read it: {PAGE}.\nBye", f"Read it: {PAGE}.\nBye"),
        (_Links(), ANA, f"Read it: {PAGE}", f"Read it: {PERSONAL}"),
        (_Links(), ANA, f"Not this one: {PAGE}0", f"Not this one: {PAGE}0\n\n{PERSONAL}"),
        (NoLinks(), ANA, "It is over.", "It is over."),
    ],
)
def test_a_text_has_one_link_to_the_page(links: Links, to: LinkTo, text: str, sent: str) -> None:
    """The personal link stands in place of the page's address; without an address there is none."""
    assert with_link(text, to, links) == sent
