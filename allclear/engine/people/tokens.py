"""Personal tokens: each identifies one person, or one program, to the API and at the command line."""

from __future__ import annotations

from allclear.domain.base import is_blank, person_key
from allclear.domain.errors import NotAllowed
from allclear.domain.proof import Proof
from allclear.domain.records import PROGRAM, By
from allclear.engine.people.identity import Identity
from allclear.engine.people.personal_links import PersonalLinks
from allclear.engine.people.signed_statements import Purpose, Statement


class Tokens:
    """Makes and reads the tokens of people and programs."""

    def __init__(self, links: PersonalLinks, identity: Identity) -> None:
        self._links = links
        self._identity = identity

    def for_person(self, name: str, role: str | None) -> str:
        """Return a token of a person, who acts in that `role` only; without one, in each role that the plan gives.

        Raises NotAllowed without a key or for a role of other people, NotFound for a role that the plan lacks.
        """
        by = self._identity.who(name, role, "token", Proof.TOKEN)
        return self._sign(by.actor, role or "")

    def for_program(self, name: str) -> str:
        """Return a token of a program, which reads and proposes and never decides. Raises NotAllowed without a key."""
        if is_blank(name):
            raise NotAllowed("The program's name is missing.", "Give it: allclear token --program NAME.")
        if self._identity.is_person(name):
            raise NotAllowed(
                f"{name.strip()} is a person of the plan, and a program must not be mistaken for one.",
                "Name the program otherwise: allclear token --program NAME.",
            )
        return self._sign(name.strip(), PROGRAM)

    def read(self, token: str) -> Statement:
        """Return whom a token identifies. Raises NotAllowed if it is forged, expired or revoked; JournalError."""
        return self._links.read(Purpose.TOKEN, token)

    def author(self, statement: Statement, via: str, *, name: str = "", role: str = "") -> By:
        """Return who acts, and the role: `role` if it is given, else the token's, else the first that the plan gives.

        `name` is who its user says that it is. Raises NotAllowed if the token is another person's or for another role,
        NotFound for a role that the plan lacks.
        """
        if name and person_key(name) != person_key(statement.person):
            raise NotAllowed(
                f"Your token is for {statement.person}, not for {name}.",
                "Leave the name out, or use your own token: ALLCLEAR_TOKEN.",
            )
        if role and statement.role and role != statement.role:
            raise NotAllowed(
                f"Your token is for the role {statement.role}, not for {role}.",
                "Leave the role out, or make another token: allclear token NAME --role ROLE.",
            )
        if statement.role == PROGRAM:
            return By(actor=statement.person, role=PROGRAM, via=via, proof=Proof.TOKEN)
        return self._identity.who(statement.person, role or statement.role or None, via, Proof.TOKEN)

    def _sign(self, name: str, role: str) -> str:
        return self._links.sign(Purpose.TOKEN, Statement(person=name, role=role, proof=Proof.TOKEN))
