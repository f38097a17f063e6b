"""Tickets as issues on GitHub: opening one, and closing it with the incident.

GitHub has no idempotency key. Ours is a line at the end of the issue's text, by which the issue is found among the
newest ones. Later the number in our record finds it. After a lost answer the issues are only listed: none is opened
again.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from types import MappingProxyType
from typing import ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from allclear.domain.action import Action, Change, Client, Fence, Finding, Params, Receipt, State, Verdict
from allclear.domain.approval import ApprovalPolicy
from allclear.domain.base import TicketLink
from allclear.domain.errors import NotFound, Refused
from allclear.domain.preflight import Preflight
from allclear.domain.systems import Handle
from allclear.domain.text import as_sentence
from allclear.vendors.github import Github
from allclear.vendors.github_issues import LONGEST_BODY, Issue, Issues
from allclear.vendors.lengths import shortened
from tasks.github.handles import GithubHandle, repository_of
from tasks.github.preflight import GithubPreflight
from tasks.permissions import GITHUB_ISSUES
from tasks.service_params import ServiceParams
from tasks.tickets import is_opened

DEADLINE = timedelta(seconds=30)
_MARK = "allclear ticket"
_INVISIBLE = "\u200b"
"""A space without a width: the text looks the same, and `@` begins no name."""


class IssueParams(ServiceParams):
    """Which service, and our name for the ticket."""

    ticket: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
        description="Our name for the ticket, as VS-12. A ticket of that name is never opened twice.",
    )


class OpenIssueParams(IssueParams):
    """The ticket's text, and to whom it goes."""

    title: str = Field(min_length=1, description="The headline.")
    text: str = Field(min_length=1, description="What the team reads.")
    labels: list[str] = Field(default=[], description="The labels that it gets, as the name of a team.")
    assignees: list[str] = Field(default=[], description="The logins of the people to whom it is assigned.")


class IssueState(State):
    """Our issue in a repository."""

    incidental: ClassVar[frozenset[str]] = frozenset({"number", "url", "title", "labels", "assignees"})

    repository: str
    ticket: str
    state: Literal["none", "open", "closed"] = "none"
    number: int | None = None
    url: str = ""
    title: str = ""
    labels: tuple[str, ...] = ()
    assignees: tuple[str, ...] = ()

    @override
    def in_words(self) -> str:
        if self.state == "none":
            return f"no issue is called {self.ticket}"
        return f"issue {f'#{self.number} ' if self.number else ''}is {self.state}"


class _IssueAction(Action[IssueParams, IssueState]):
    """The base of opening and closing an issue."""

    params: ClassVar[type[Params]] = IssueParams
    state: ClassVar[type[State]] = IssueState
    needs: ClassVar[tuple[type[Client], ...]] = (Github,)
    handles: ClassVar[tuple[type[Handle], ...]] = (GithubHandle,)
    preflights: ClassVar[tuple[type[Preflight], ...]] = (GithubPreflight,)
    fence: ClassVar[Fence] = Fence.NONE
    approval: ClassVar[ApprovalPolicy | None] = None
    tells = True
    found_again = True
    permissions = (GITHUB_ISSUES,)
    usual_risk = "Everyone who can read the repository reads it."

    def issues(self, params: IssueParams) -> Issues:
        """Return the issues of the service's repository."""
        return Issues(self.context.client(Github), repository_of(self.context, params.service).repository)

    @override
    def resource(self, params: IssueParams) -> str:
        return f"issue:{repository_of(self.context, params.service).repository}/{params.ticket}"

    @override
    async def observe(self, params: IssueParams) -> IssueState:
        repository = repository_of(self.context, params.service).repository
        found = await self._find(params)
        if found is None:
            return IssueState(repository=repository, ticket=params.ticket)
        return IssueState(
            repository=repository,
            ticket=params.ticket,
            state=found.state,
            number=found.number,
            url=found.url,
            title=found.title,
            labels=tuple(label.name for label in found.labels),
            assignees=tuple(person.login for person in found.assignees),
        )

    async def _find(self, params: IssueParams) -> Issue | None:
        """Return our issue: by its number in our record, or else by the last line of its text among the newest."""
        issues = self.issues(params)
        known = await asyncio.to_thread(self.context.record.last_state, self.resource(params), "number")
        if known and isinstance(known.get("number"), int):
            try:
                return await issues.issue(known["number"])
            except NotFound:  # it was deleted or transferred: there may be another one
                pass
        mark = _mark(params.ticket)
        newest = [one for one in await issues.newest() if not one.by_stranger]  # strangers can write the mark, too
        return next((one for one in newest if (one.body or "").rstrip().endswith(mark)), None)

    @override
    async def apply(self, params: IssueParams, change: Change[IssueState], key: str) -> Receipt:
        issues, before = self.issues(params), change.before
        if before.number is not None:
            await issues.set_state(before.number, is_open=change.after.state == "open")
            return Receipt(facts={"number": before.number})
        if not isinstance(params, OpenIssueParams) or change.after.state != "open":
            return Receipt(facts={"write": "already"})
        begun = await self._find(params)
        if begun is not None:
            return Receipt(facts={"write": "already", "number": begun.number})
        mark = f"\n\n{_mark(params.ticket)}"
        body = shortened(_calls_no_one(params.text), LONGEST_BODY - len(mark)) + mark
        made = await issues.create(
            title=_calls_no_one(params.title), body=body, labels=params.labels, assignees=params.assignees
        )
        return Receipt(facts={"number": made.number, "url": made.url})

    @override
    def verify(self, change: Change[IssueState], after: IssueState, receipt: Receipt | None) -> Finding:
        facts = {"number": after.number, "url": after.url}
        ticket = TicketLink(number=f"#{after.number}", url=after.url) if after.number else None
        if not self.target_reached(change, after):
            return Finding(verdict=Verdict.FAILURE, sentence=_sentence(after), facts=facts, ticket=ticket)
        lost = [name for name in (*change.after.labels, *change.after.assignees) if name not in _given(after)]
        dropped = f" GitHub left out {', '.join(lost)}: the token's account may not set them." if lost else ""
        sentence = f"{_sentence(after)}{dropped}"
        return Finding(verdict=Verdict.SUCCESS, sentence=sentence, facts=facts, ticket=ticket)

    def changed(self, params: IssueParams, before: IssueState, summary: str, **after: object) -> Change[IssueState]:
        """Return the change to `after`, with the sentences for people."""
        return Change(
            action=self.name,
            resource=self.resource(params),
            summary=summary,
            before=before,
            after=before.model_copy(update=after),
            risk=self.usual_risk,
            undo=self.usual_undo,
            deadline=DEADLINE,
        )


class OpenIssue(_IssueAction):
    """Opens an issue in a service's repository, as a ticket. If people have closed it, it is opened again."""

    name = "github.issue"
    title = "Open a ticket as an issue on GitHub"
    params = OpenIssueParams
    text_params = ("title", "text")
    opens_ticket = True
    usual_undo = "Closes the issue."

    @override
    def target_reached(self, change: Change[IssueState], now: IssueState) -> bool:
        if change.after.state == "open":
            return is_opened(change.before.state, now.state)
        return super().target_reached(change, now)  # its undo, which closes the issue

    @override
    def plan(self, params: IssueParams, before: IssueState) -> Change[IssueState]:
        if not isinstance(params, OpenIssueParams):
            raise TypeError(params)
        given = {"labels": tuple(params.labels), "assignees": tuple(params.assignees), "title": params.title}
        verb = f"Open #{before.number} again" if before.number else "Open an issue"
        summary = f"{verb} in {before.repository}: {params.title}"
        return self.changed(params, before, summary, state="open", **given)

    @override
    def undo(self, params: IssueParams, done: Change[IssueState], now: IssueState) -> Change[IssueState]:
        if now.state != "open":
            raise Refused(f"There is no open issue {now.ticket}.", "Nothing is left of this to undo.")
        return self.changed(params, now, f"Close #{now.number} of {now.repository}.", state="closed")


class CloseIssue(_IssueAction):
    """Closes the issue that was opened as a ticket."""

    name = "github.close_issue"
    title = "Close a ticket on GitHub"
    closes_ticket = MappingProxyType[str, str]({})
    usual_undo = "Opens the issue again."

    @override
    def plan(self, params: IssueParams, before: IssueState) -> Change[IssueState]:
        if before.state == "none":
            return self.changed(params, before, f"No issue of {before.repository} is called {before.ticket}.")
        return self.changed(params, before, f"Close #{before.number} of {before.repository}.", state="closed")

    @override
    def undo(self, params: IssueParams, done: Change[IssueState], now: IssueState) -> Change[IssueState]:
        if now.state != "closed":
            raise Refused(f"There is no closed issue {now.ticket}.", "Nothing is left of this to undo.")
        return self.changed(params, now, f"Open #{now.number} of {now.repository} again.", state="open")


def _calls_no_one(text: str) -> str:
    """Return `text` in which no name is a mention: an alert's words must not notify strangers on GitHub."""
    return text.replace("@", f"@{_INVISIBLE}")


def _mark(ticket: str) -> str:
    return f"{_MARK} {ticket}"


def _given(state: IssueState) -> set[str]:
    return {*state.labels, *state.assignees}


def _sentence(state: IssueState) -> str:
    where = f": {state.url}" if state.url else ""
    return as_sentence(f"{state.in_words()}{where}")
