"""Personal links to the page of an incident: made for one person, verified when opened, and revoked.

Opening a link shows the page and signs the person in for that incident. It never decides anything, because mail
scanners and previews open links, too.
"""

from __future__ import annotations

from urllib.parse import quote

from allclear.domain.base import Clock, is_blank
from allclear.domain.errors import NotAllowed
from allclear.domain.links import LinkTo, Revocation
from allclear.domain.proof import Proof
from allclear.domain.records import PROGRAM
from allclear.engine.people.identity import Identity
from allclear.engine.people.signed_statements import Purpose, Signatures, SignedStatement, Statement
from allclear.journal.ports import Journal

_IDENTIFY = frozenset({Purpose.LINK, Purpose.SESSION, Purpose.TOKEN})
"""The purposes of what says by itself who a person is; a form and its result belong to one of these."""


class PersonalLinks:
    """Makes, verifies and revokes links, sign-ins, forms and tokens. Implements `allclear.domain.links.Links`."""

    def __init__(
        self,
        signatures: Signatures,
        journal: Journal,
        identity: Identity,
        public_url: str,
        clock: Clock,
        *,
        outside_url: str = "",
    ) -> None:
        """`public_url` is the responder's address as people's browsers reach it; empty if they cannot.

        `outside_url` is that at which vendors reach it; empty if none can.
        """
        self._signatures = signatures
        self._journal = journal
        self._identity = identity
        self._public_url = public_url.rstrip("/")
        self._clock = clock
        self._outside_url = outside_url.rstrip("/")

    def from_outside(self, path: str) -> str:
        """Return the address at which a vendor reaches a path of the responder; empty if none can."""
        return self._outside_url and self._outside_url + path

    def href(self, to: LinkTo) -> str:
        """Return the address of the incident's page, signed for the person if `to` names one and there is a key."""
        if not self._public_url:
            return ""
        if is_blank(to.person) or not self._signatures.can_sign:
            return self._public_url + page_path(to.incident, to.ask)
        proof = Proof.PAGE_LINK if to.paged else Proof.LINK
        statement = Statement(person=to.person, role=to.role, incident=to.incident, ask=to.ask, proof=proof)
        return f"{self._public_url}/l/{self._signatures.sign(Purpose.LINK, statement)}"

    def require_key(self) -> None:
        """Raise NotAllowed without a key: links are plain then, and open no page by themselves."""
        self._signatures.require_key()

    def sign(self, purpose: Purpose, statement: Statement) -> str:
        """Return a signed statement. Raises NotAllowed without a key."""
        return self._signatures.sign(purpose, statement)

    def read(self, purpose: Purpose, text: str) -> SignedStatement:
        """Return what a signed statement says.

        Raises NotAllowed if it is forged, expired or revoked, or if the plan does not know its person any more;
        JournalError.
        """
        statement = self._signatures.read(purpose, text)
        revoked = self._journal.revocation(statement.person, statement.incident)
        if revoked and statement.signed_at <= revoked.at:
            raise NotAllowed(
                f"The links of {statement.person} from before {revoked.at:%H:%M} UTC were revoked by {revoked.by}.",
                "Ask the incident lead for a new link, or sign in again.",
            )
        if purpose in _IDENTIFY and statement.role != PROGRAM:
            self._identity.require_known(statement.person, statement.role)
        return statement

    def revoke(self, person: str, incident: str, by: str, reason: str, request: str = "") -> str:
        """Refuse from now on what was signed before for a person, an incident or both; return a sentence.

        An empty `person` means everyone, an empty `incident` all incidents. A `request` that is sent again revokes
        nothing more. Raises NotAllowed without a reason, Refused for the idempotency key of another request.
        """
        if is_blank(reason):
            raise NotAllowed("The reason is missing.", "Say why the links are revoked.")
        at = self._clock()
        with self._journal.transaction():
            if self._journal.claim_request(request):  # else links that were made since would be refused
                self._journal.revoke(
                    Revocation(person=person.strip(), incident=incident, by=by, reason=reason.strip(), at=at)
                )
        whose = f"of {person.strip()}" if not is_blank(person) else "of everyone"
        where = f" to {incident}" if incident else ""
        return f"All links, sign-ins and tokens {whose}{where} from before now are refused."


def page_path(incident: str, ask: str = "") -> str:
    """Return the path of an incident's page, at a question if one is named: `/i/VS-12#contain-roll-back`."""
    anchor = f"#{anchor_of(ask)}" if ask else ""
    return f"/i/{quote(incident, safe='')}{anchor}"


def anchor_of(ask: str) -> str:
    """Return the name of a question's place in the page: `contain-roll-back` for VS-12/contain/roll-back."""
    return ask.partition("/")[2].replace("/", "-")
