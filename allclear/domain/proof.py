"""How it is known who a person is: proven by something, or only claimed."""

from __future__ import annotations

from enum import StrEnum


class Proof(StrEnum):
    """What stands behind the name of a person who acts."""

    CLAIMED = "claimed"
    """Nothing: the person typed a name."""
    LINK = "link"
    """A signed link that was made for this person. Who reads the message in which it stands can open it, too."""
    PAGE_LINK = "page link"
    """The same, in a page: every person who can read the pages of the service in the pager can open it."""
    PROXY = "proxy"
    """An identity proxy in front of the responder, which signs who has signed in."""
    TOKEN = "token"  # noqa: S105 - a kind of proof
    """This person's own token, on the command line or in another program."""
    SLACK = "slack"
    """Slack, which signs who pressed a button."""
    CHANNEL = "channel"
    """Another channel in which the team talks, which says who acted."""
    PAGERDUTY = "pagerduty"
    """PagerDuty, which signs who acknowledged a page."""
    PHONE = "phone"
    """A key that was pressed in a call to this person's number, which Twilio signs."""

    @property
    def words(self) -> str:
        """Return the words for it within a sentence: `identified by a personal link`."""
        return _WORDS[self]


_WORDS: dict[Proof, str] = {
    Proof.CLAIMED: "the name is only claimed",
    Proof.LINK: "identified by a personal link",
    Proof.PAGE_LINK: "identified by the personal link in a page",
    Proof.PROXY: "identified by the identity proxy",
    Proof.TOKEN: "identified by a personal token",
    Proof.SLACK: "identified by Slack",
    Proof.CHANNEL: "identified by the channel",
    Proof.PAGERDUTY: "identified by PagerDuty",
    Proof.PHONE: "identified by a key on this person's phone",
}
