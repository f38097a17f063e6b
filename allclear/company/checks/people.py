"""Checks the people and roles of a plan, and that names, contacts and addresses are filled in."""

from __future__ import annotations

from collections.abc import Iterator

from allclear.company.diagnostics import Diagnostic, suggestion
from allclear.company.load import PLAN, Draft
from allclear.company.yaml_file import Place, YamlFile
from allclear.domain.base import person_key
from allclear.domain.plan import Person, Plan, contact_key, is_blank
from allclear.domain.plan.slack_ids import slack_user_id
from allclear.domain.records import PROGRAM

_FILL_IN = "Fill it in."


def check_people(draft: Draft) -> Iterator[Diagnostic]:
    """Yield people that are listed twice, unknown roles, roles without a person, and names that are still blanks."""
    if draft.plan is None:
        return
    plan, file = draft.plan, draft.files[PLAN]
    seen: dict[str, str] = {}
    for index, person in enumerate(plan.people):
        key = person_key(person.name)
        if person.known and key in seen:
            other = "" if seen[key] == person.name else f", first as {seen[key]}"
            yield file.error(
                ("people", index, "name"),
                f"{person.name} is listed twice under `people`{other}.",
                "List all roles of one person in one place. If these are two people, give them different names.",
            )
        seen.setdefault(key, person.name)
        for number, role in enumerate(person.roles):
            if role not in plan.roles:
                place = ("people", index, "roles", number)
                yield file.error(place, f"The plan has no role `{role}`.", suggestion(role, plan.roles))
        yield from _person_blanks(plan, file, index, person)
    yield from _shared_lists(plan, file)
    yield from _shared_ids(plan, file)
    if PROGRAM in plan.roles:
        next_step = "Give the role another name: programs that propose actions have this one, and decide nothing."
        yield file.error(("roles", PROGRAM), f"The role `{PROGRAM}` is no role of people.", next_step)
    for role in plan.roles:
        if not any(role in person.roles for person in plan.people):
            next_step = "Give it to a person under `people`; until then, any person may claim it."
            yield file.warning(("roles", role), f"No one holds the role `{role}`.", next_step)


_IDENTIFY: dict[str, tuple[str, str]] = {
    "pagerduty": (
        "id in PagerDuty",
        "Write each person's own: PagerDuty, People, the person's profile; the address ends in the id.",
    ),
    "slack": ("user id in Slack", "Write each person's own id."),
    "phone": ("phone number", "Write each person's own: a key that is pressed in a call is that person's."),
    "email": ("e-mail address", "Write each person's own: the identity proxy knows people by it."),
}
"""The contacts by which people are recognised, and what to write."""


def _shared_lists(plan: Plan, file: YamlFile) -> Iterator[Diagnostic]:
    """Yield mailing lists that have the address or the title of another one: a message would name the wrong one."""
    seen: dict[tuple[str, str], str] = {}
    for name, one in plan.mailing_lists.items():
        keys = {"address": contact_key("email", one.address), "title": person_key(one.title)}
        for field, key in keys.items():
            other = seen.setdefault((field, key), name) if key else name
            if other != name:
                yield file.error(
                    ("mailing_lists", name, field),
                    f"The mailing lists `{other}` and `{name}` have the same {field}.",
                    "Take one of them out, and name the other one in `notifications` and `post_mortem.invite`.",
                )


def _shared_ids(plan: Plan, file: YamlFile) -> Iterator[Diagnostic]:
    """Yield contacts that two people have, because they do not say who acts, and contacts in Slack without an id."""
    seen = {("email", contact_key("email", one.address)): one.title for one in plan.mailing_lists.values()}
    for index, person in enumerate(plan.people):
        for kind, (words, next_step) in _IDENTIFY.items():
            contact, place = person.contacts.get(kind), ("people", index, "contacts", kind)
            if contact is None or is_blank(contact.address) or not person.known:
                continue
            key = contact_key(kind, contact.address)
            if kind == "slack" and not slack_user_id(key):
                yield file.warning(
                    place,
                    f"{contact.address.strip()} is no user id of Slack, so {person.name} cannot answer there.",
                    "Write the id, as U024BE7LH. In Slack: the person's profile, the three dots, Copy member ID.",
                )
            elif (other := seen.get((kind, key))) and kind == "phone":
                yield file.warning(
                    place,
                    f"{other} and {person.name} have the same phone number, so a key that is pressed there "
                    "acknowledges nothing.",
                    next_step,
                )
            elif other:
                yield file.error(place, f"{other} and {person.name} have the same {words}, {key}.", next_step)
            else:
                seen[kind, key] = person.name


def _person_blanks(plan: Plan, file: YamlFile, index: int, person: Person) -> Iterator[Diagnostic]:
    roles = ", ".join(plan.role_title(role) for role in person.roles)
    if not person.known:
        sentence = f"The name of {roles} is still {_blank(person.name)}."
        yield file.warning(("people", index, "name"), sentence, _FILL_IN)
    for kind, contact in person.contacts.items():
        if is_blank(contact.address):
            place = ("people", index, "contacts", kind)
            yield file.warning(place, f"The {kind} of {roles} is still {_blank(contact.address)}.", _FILL_IN)


def check_addresses(draft: Draft) -> Iterator[Diagnostic]:
    """Yield the addresses of support, resources, channels, mailing lists and the status page that are still blanks."""
    if draft.plan is None:
        return
    plan, file = draft.plan, draft.files[PLAN]
    addresses: list[tuple[Place, str, str]] = [
        *((("support", n, "contact"), f"The contact of {one.name}", one.contact) for n, one in enumerate(plan.support)),
        *((("resources", name), f"The address of {name}", text) for name, text in plan.resources.items()),
        *(
            (("mailing_lists", name, "address"), f"The address of {one.title}", one.address)
            for name, one in plan.mailing_lists.items()
        ),
        *((("channels", name), f"The channel {name}", text) for name, text in plan.channels.items()),
    ]
    if plan.status_page_url:
        addresses.append((("status_page_url",), "The address of the status page", plan.status_page_url))
    for place, subject, text in addresses:
        if is_blank(text):
            yield file.warning(place, f"{subject} is still {_blank(text)}.", _FILL_IN)


def _blank(text: str) -> str:
    return f"the blank `{text.strip()}`" if text.strip() else "empty"
