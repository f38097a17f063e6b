"""Who a person is, and in which role that person acts."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from allclear.company import Company
from allclear.domain.base import is_blank, person_key
from allclear.domain.errors import MissingText, NotAllowed, NotFound
from allclear.domain.proof import Proof
from allclear.domain.records import By
from allclear.domain.text import plain

_LONGEST_NAME = 100
"""Characters of a person's name."""


class Identity:
    """The people and roles of one plan."""

    def __init__(self, company: Company) -> None:
        self._company = company

    def is_person(self, name: str) -> bool:
        """Return whether the plan names this person."""
        return self._company.plan.person(name) is not None

    def require_known(self, name: str, role: str) -> None:
        """Raise NotAllowed if the plan does not know this person any more.

        It knows a person whom it names, in whatever roles it gives now, and anyone in a `role` for which it names no
        people.
        """
        if self.is_person(name):
            return
        try:
            self.who(name, role or None, "page")
        except (NotAllowed, NotFound):
            raise NotAllowed(
                f"The plan does not name {name!r} any more, so what was signed for this person is not accepted.",
                "Ask the incident lead. A person who still belongs to it is added to plan.yaml.",
            ) from None

    def who(self, name: str, role: str | None, via: str, proof: Proof = Proof.CLAIMED) -> By:
        """Return the person and the role; without a `role`, the first one that the plan gives this person.

        `proof` is what proves the name; by default it is only claimed. If the plan names no people for a role (its
        names are still blanks), anyone may claim that role, and the record shows that it was claimed. A person of the
        plan is recorded in the plan's spelling.

        Raises NotAllowed if the plan names other people for the role, NotFound for an unknown role.
        """
        plan, name = self._company.plan, plain(name, _LONGEST_NAME + 1)
        if is_blank(name):
            next_step = "Give it (on the command line: --as NAME, or set ALLCLEAR_USER)."
            raise MissingText("Your name is missing.", next_step)
        if len(name) > _LONGEST_NAME:
            raise NotAllowed(
                f"{plain(name, 40)} is too long for a name.", f"Give one with at most {_LONGEST_NAME} characters."
            )
        known = plan.person(name)
        lists = [word for short, one in plan.mailing_lists.items() for word in (short, one.title, one.address)]
        if known is None and person_key(name) in map(person_key, lists):
            raise NotAllowed(f"{name!r} is a mailing list, and no person.", "Give your own name.")
        if role is None:
            if known is None:
                meant = self._meant(name, [person.name for person in plan.people])
                raise NotAllowed(
                    f"The plan does not name {name!r}.",
                    f"{meant}Give your role (on the command line: --role ROLE): {', '.join(plan.roles)}.",
                )
            role = known.roles[0]
        role = plan.role_named(given := role)
        if role is None:
            known_roles = ", ".join(f"{name} ({plan.role_title(name)})" for name in plan.roles)
            raise NotFound(f"The plan has no role {given!r}.", f"It has: {known_roles}.")
        holders = plan.holders(role)
        if holders and person_key(name) not in {person_key(person.name) for person in holders}:
            raise NotAllowed(
                f"{name!r} is not {plan.role_title(role)}.",
                f"{self._meant(name, [person.name for person in holders])}"
                f"The plan names: {', '.join(person.name for person in holders)}.",
            )
        return By(actor=known.name if known else name, role=role, via=via, proof=proof)

    def holder(self, name: str, role: str) -> str:
        """Return the person who is to get a role, in the plan's spelling. Raises NotAllowed, NotFound.

        If the plan names anyone at all, it must name this person: an offer to a wrong name is never accepted.
        """
        plan = self._company.plan
        named = [person.name for person in plan.people if person.known]
        if named and plan.person(name) is None:
            meant = self._meant(name, named)
            raise NotAllowed(f"The plan does not name {name!r}.", f"{meant}It names: {', '.join(named)}.")
        return self.who(name, role, "roles").actor

    @staticmethod
    def _meant(name: str, known: Sequence[str]) -> str:
        """Return `Did you mean Ana Ruiz? ` for a first or last name, or one with a slip; empty if none is near."""
        keys = {one: person_key(one) for one in known}
        parts = [one for one, key in keys.items() if person_key(name) in key.split()]
        near = parts or [
            one
            for key in get_close_matches(person_key(name), list(keys.values()), 2, 0.75)
            for one in keys
            if keys[one] == key
        ]
        return f"Did you mean {' or '.join(dict.fromkeys(near))}? " if near else ""
