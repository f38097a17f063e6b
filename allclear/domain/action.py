"""Actions and probes: what can be done to production, and how it is described, approved, verified and undone.

A probe only reads. An action writes, and comes in six small parts, so that the executor can show a
change before it is made, refuse it, and find out afterwards (or after a crash) what became of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import Field

from allclear.domain.action_context import ActionContext, Client
from allclear.domain.approval import ONE_PERSON, ApprovalPolicy, Fallback
from allclear.domain.base import Candidate, JsonDict, Model, TicketLink, digest
from allclear.domain.links import LinkTo
from allclear.domain.permission import Permission
from allclear.domain.preflight import Preflight
from allclear.domain.systems import Handle, Service

COMPANY = "COMPANY"
"""Stands for the company's name in a command that a refusal names; the engine puts the name in."""

AS_INTENDED = "It is as intended."
"""The sentence of a successful verification without further facts."""


class Verdict(StrEnum):
    """The result of a check; not a boolean, because it can be inconclusive."""

    SUCCESS = "success"
    FAILURE = "failure"
    INCONCLUSIVE = "inconclusive"


class Finding(Model):
    """A verdict, its sentence for people, and the figures behind it."""

    verdict: Verdict
    sentence: str
    facts: JsonDict = {}
    final: bool = Field(default=False, exclude=True, description="Whether another check cannot change it.")
    ticket: TicketLink | None = Field(default=None, exclude=True, description="The ticket that was read.")


class Refusal(Model):
    """One reason why a change must not be made now."""

    sentence: str
    next_step: str
    candidates: tuple[Candidate, ...] = Field(default=(), description="What a person can choose instead.")
    typed: str = Field(default="", description="What a person can type instead, as `Addresses`; empty for nothing.")
    passes: bool = Field(default=False, description="Whether it ends by itself, as a rollout does, and is waited for.")
    warning: bool = Field(default=False, description="Whether it stops nothing: a check that could not be made.")


class News(Model):
    """Something that people must know about a change that is still in place."""

    key: str = Field(description="Identifies the news, which is recorded once.")
    sentence: str
    moved: bool = Field(default=False, description="Whether the target is no longer as the act left it.")


class Params(Model):
    """An action's or a probe's parameters: typed, and checked before anything is read."""


class LinkedParams(Params):
    """The parameters of a message that carries a link to the incident's page.

    They hold whom the link is for. The action makes the link when it sends the message, so that no record holds one.
    """

    link: LinkTo | None = Field(default=None, description="Where the link leads; allclear fills it in.")


class ParamProblem(Model):
    """A parameter that does not fit the company's services, as systems.yaml describes them."""

    param: str = Field(default="", description="The parameter that is wrong; empty if one is missing.")
    sentence: str
    next_step: str = ""
    known: tuple[str, ...] = Field(default=(), description="The values that fit, if there is no next step.")
    certain: bool = Field(default=True, description="Whether it is an error; if not, a warning.")


class State(Model):
    """The state that an action observes.

    `incidental` names the fields whose change does not matter (an etag, a time): an approval does
    not cover them, and they are read again before the write.
    """

    incidental: ClassVar[frozenset[str]] = frozenset()

    def matters(self) -> JsonDict:
        """Return the fields that an approval signs."""
        return self.model_dump(mode="json", exclude=set(self.incidental))

    def in_words(self) -> str:
        """Return the state in words, as `100 % latest (web-00042)`. If it is empty, people see the fields."""
        return ""

    def fence_token(self) -> str:
        """Return the version that the vendor compares a write with, as an etag; empty if there is none."""
        return ""

    def last_changed(self) -> str:
        """Return who changed it last and when, as `by ci@example.com at 02:10 UTC`; empty if that is not known."""
        return ""


P = TypeVar("P", bound=Params)
S = TypeVar("S", bound=State)


class Change(Model, Generic[S]):
    """A change as a person approves it: exact names, the state before and after, and how to undo it."""

    action: str
    resource: str = Field(description="What is changed, as family:name. One open change at a time for each.")
    summary: str = Field(description="The sentence that a person approves.")
    before: S
    after: S
    was: str = Field(default="", description="The state before, in words; the fields are shown if it is empty.")
    becomes: str = Field(default="", description="The intended state, in words; the fields are shown if it is empty.")
    risk: str
    undo: str = Field(description="What undoing would do, or why it cannot be undone.")
    known_good: bool = Field(default=False, description="Whether its target is known to be good.")
    deadline: timedelta = Field(description="How long it may take until the change can be observed.")

    @property
    def in_words(self) -> tuple[str, str]:
        """Return the states before and after in words: the action's own for this change, or else the states' own."""
        return self.was or self.before.in_words(), self.becomes or self.after.in_words()

    @property
    def digest(self) -> str:
        """Return the hash that an approval signs: action, resource, and the fields that matter before and after."""
        return digest([self.action, self.resource, self.before.matters(), self.after.matters()])


class Receipt(Model):
    """The vendor's answer to a write; empty if the answer holds no facts."""

    facts: JsonDict = {}


class Fence(StrEnum):
    """What stops the vendor from applying the same act twice."""

    VERSION = "version"
    """The vendor compares a version (an etag, an old value): a second write is refused."""
    KEY = "key"
    """The vendor recognises our key: a second write with the same key changes nothing."""
    NONE = "none"
    """Nothing stops it: if the holder may still be alive, the act is indeterminate and is never issued again."""


class Action(ABC, Generic[P, S]):
    """One way to change production. A subclass has one instance in a process, with its context."""

    name: ClassVar[str]
    """`system.verb_noun`, as plans and the journal write it."""
    title: ClassVar[str]
    """What it does, in a few words: `Roll back traffic`."""
    params: ClassVar[type[Params]]
    state: ClassVar[type[State]]
    needs: ClassVar[tuple[type[Client], ...]] = ()
    """The vendors it talks to."""
    uses: ClassVar[tuple[type[Client], ...]] = ()
    """Vendors that it also uses if systems.yaml has them."""
    handles: ClassVar[tuple[type[Handle], ...]] = ()
    """What systems.yaml must give the service that it acts on."""
    preflights: ClassVar[tuple[type[Preflight], ...]] = ()
    """The read-only tests of the vendors that it talks to."""
    permissions: ClassVar[tuple[Permission, ...]] = ()
    """What its keys must be allowed, for each system of `needs` and `uses`."""
    usual_risk: ClassVar[str] = ""
    """What it does to users and to the team, as people read it beforehand. The risk of one change is in `Change`."""
    usual_undo: ClassVar[str] = ""
    """What undoing does, or why it cannot be undone, as people read it beforehand."""
    fence: ClassVar[Fence] = Fence.NONE
    chooses: ClassVar[str] = ""
    """The parameter that a person chooses if `plan` was refused with candidates."""
    if_unanswered: ClassVar[Fallback | None] = None
    """What is sent instead if no one answers while the service is failing."""
    approval: ClassVar[ApprovalPolicy | None] = ONE_PERSON
    """Who must approve if the plan does not say; None for pages and messages, which need no approval."""
    text_params: ClassVar[tuple[str, ...]] = ()
    """The parameters that people read; in a simulation each is marked as simulated."""
    public: ClassVar[bool] = False
    """Whether the public reads its texts: they may hold neither strangers' words nor the team's."""
    pages: ClassVar[bool] = False
    """Whether it pages people."""
    found_again: ClassVar[bool] = False
    """For a message: whether a later read can tell if it was sent, as a ticket is found by our name for it."""
    opens_ticket: ClassVar[bool] = False
    """Whether it opens a ticket, or opens it again, so that a plan may name it for that."""
    closes_ticket: ClassVar[Mapping[str, str] | None] = None
    """The parameters with which it closes a ticket, as `{"to": "done"}`; None if it never does."""
    tells: ClassVar[bool] = False
    """Whether it only informs people: a message, a page, a public post. The post-mortem lists these separately."""
    announces: ClassVar[bool] = False
    """Whether it tells the public of the trouble. Like a page, it waits for no other step of the containment."""
    invites: ClassVar[bool] = False
    """Whether it invites people to a meeting: its state is a `MeetingState`, and giving it another `start` moves it."""
    reaches: ClassVar[str | None] = None
    """For a message that can choose its people: the kind of contact that names them in its parameter `people`."""
    personal: ClassVar[bool] = False
    """Whether each recipient gets a message of their own, so that its link may sign in the one person who reads it."""
    knows_on_call: ClassVar[bool] = False
    """For a page: whether `on_call` can say who is on call now."""
    knows_groups: ClassVar[bool] = False
    """For a page: whether `keys_in` can say which pages the pager has put together, if its system is described."""
    acknowledge_action: ClassVar[str | None] = None
    """For a page: the action that acknowledges it at the vendor, so that no one else is paged."""
    leaves: ClassVar[str | None] = None
    """What it leaves in place, in a few words; None if nothing has to be undone."""
    undone_on_request: ClassVar[bool] = False
    """Whether a person may undo it although it leaves nothing that has to be undone, as a restore."""
    closes_service: ClassVar[bool] = False
    """Whether it closes the service to its users on purpose, as maintenance mode does: they count as affected."""
    reverses: ClassVar[str | None] = None
    """The action that this one undoes on the same resource."""
    shows_late: ClassVar[bool] = False
    """Whether a write may show only later, as in a search: after a crash an unchanged target then proves nothing."""
    reads_every: ClassVar[timedelta] = timedelta(seconds=1)
    """The longest pause between two reads after the write; longer for what takes hours, because vendors limit reads."""

    updates_every: ClassVar[timedelta] = timedelta(seconds=2)
    """For a live message: the shortest time between two updates; changes in between are shown together.

    Slack allows about one message a second. Longer if each update is a message of its own.
    """

    def __init__(self, context: ActionContext) -> None:
        self.context = context

    async def on_call(self, policy: str) -> list[str]:
        """Return who is on call now by an escalation policy of the pager, level by level; each as a contact's address.

        Only for a page that `knows_on_call`. Raises VendorError.
        """
        raise NotImplementedError(policy)

    async def keys_in(self, page: str) -> list[str]:
        """Return the keys of all pages that the pager has put into the one with this id of the pager.

        Only for a page that `knows_groups`. Raises ConfigError or MissingSecret if the pager cannot be read here, and
        VendorError.
        """
        raise NotImplementedError(page)

    def clients(self, params: P) -> tuple[type[Client], ...]:  # noqa: ARG002 - the port
        """Return the vendors that an act with these parameters talks to; by default, all that it needs."""
        return self.needs

    @classmethod
    def needs_for(cls, params: Mapping[str, Any], services: Mapping[str, Service]) -> tuple[type[Client], ...]:  # noqa: ARG003 - the port
        """Return the vendors of `needs` that it talks to with `params`, as a plan writes them; by default, all.

        What the services do not tell is all of them, too.
        """
        return cls.needs

    @classmethod
    def service_of(cls, params: P, services: Mapping[str, Service]) -> str | None:  # noqa: ARG003 - the port
        """Return the name of the service that it acts on, or None if the parameters do not name one."""
        return getattr(params, "service", None)

    @classmethod
    def check_params(cls, params: P, services: Mapping[str, Service]) -> Iterable[ParamProblem]:  # noqa: ARG003 - the port
        """Return why `params` do not fit the company's services. Reads nothing: `allclear check` calls it."""
        return ()

    def review_after(self, params: P) -> timedelta | None:  # noqa: ARG002 - the port
        """Return when to remind of what it leaves in place, if the runbook does not say; None: no reminder."""
        return None

    def leaves_behind(self, params: P) -> str | None:  # noqa: ARG002 - the port
        """Return what an act with these parameters leaves in place; by default `leaves`."""
        return self.leaves

    @classmethod
    def offers(cls, param: str, services: Mapping[str, Service]) -> list[str] | None:
        """Return the values that a form offers for a parameter; None if any text may be typed."""
        return [name for name, one in services.items() if cls.works_for(one)] if param == "service" else None

    @classmethod
    def works_for(cls, service: Service) -> bool:
        """Return whether systems.yaml gives the service each handle, and a value for each parameter to choose."""
        if any(service.handle(kind) is None for kind in cls.handles):
            return False
        required = [name for name, field in cls.params.model_fields.items() if field.is_required()]
        chosen = {name for name in (*required, cls.chooses) if name and name != "service"}
        return all(cls.offers(name, {"": service}) != [] for name in chosen)

    @abstractmethod
    def resource(self, params: P) -> str:
        """Return what is changed, as `family:name`."""

    @abstractmethod
    async def observe(self, params: P) -> S:
        """Read the current state; change nothing. Raises VendorError."""

    async def observe_for_plan(self, params: P) -> S:
        """Read the state that `observe` returns, and facts that only `plan` needs; change nothing.

        Called once for each proposal; every other read calls `observe`. Raises VendorError.
        """
        return await self.observe(params)

    async def observe_result(self, params: P) -> S:
        """Read no more than `verify` and `target_reached` compare, and the fence token; change nothing.

        Called again and again after the write. A part of the vendor that is down must not hide the effect. Raises
        VendorError.
        """
        return await self.observe(params)

    def state_after(self, change: Change[S], seen: S, receipt: Receipt | None) -> S:  # noqa: ARG002 - the port
        """Return the state after the write, as it is recorded; by default `seen`, which was read.

        For a vendor that cannot be read: what its answer to the write says. `receipt` is None when the answer was lost.
        """
        return seen

    async def observe_left(self, params: P) -> S:
        """Read what `news_of` compares, once in a while as long as the change is in place. Raises VendorError."""
        return await self.observe_result(params)

    @abstractmethod
    def plan(self, params: P, before: S) -> Change[S]:
        """Return the exact change; read nothing. Raises Refused if there is no target."""

    async def precheck(self, params: P, change: Change[S]) -> list[Refusal]:  # noqa: ARG002 - the port
        """Return the reasons why the change must not be made now; empty if it may."""
        return []

    @abstractmethod
    async def apply(self, params: P, change: Change[S], key: str) -> Receipt:
        """Write once; no other part writes. `key` is the same for one act in every process that carries it out.

        Raises Conflict, Denied, VendorRefused or Unreachable when nothing was changed, AnswerLost when
        that is not known. A refusal that passes is waited for, within the change's deadline.
        """

    def verify(self, change: Change[S], after: S, receipt: Receipt | None) -> Finding:  # noqa: ARG002 - the port
        """Return whether the target is now as intended; `receipt` is None when the answer was lost."""
        if after.matters() == change.after.matters():
            return Finding(verdict=Verdict.SUCCESS, sentence=AS_INTENDED)
        return Finding(verdict=Verdict.FAILURE, sentence="It is not as intended.")

    def target_reached(self, change: Change[S], now: S) -> bool:
        """Return whether `now` is what the change intended, so that nothing is left to do."""
        return now.matters() == change.after.matters()

    def nothing_left(self, done: Change[S], now: S) -> bool:
        """Return whether nothing of a change is left to undo; by default, if the state is as it was before."""
        return not self.target_reached(done, now) and now.matters() == done.before.matters()

    def news_of(self, done: Change[S], now: S) -> News | None:  # noqa: ARG002 - the port
        """Return what people must know about a change that is still in place, as a deployment that gets no users."""
        return None

    @abstractmethod
    def undo(self, params: P, done: Change[S], now: S) -> Change[S]:
        """Return the inverse of `done`. Raises Refused if the state has changed since, or there is no inverse."""


AnyAction = Action[Any, Any]


class ActStatus(StrEnum):
    """The state of an act, from its proposal to its undo."""

    PLANNED = "planned"
    REFUSED = "refused"
    REJECTED = "rejected"
    APPLIED = "applied"
    VERIFIED = "verified"
    UNVERIFIED = "unverified"
    FAILED = "failed"
    INDETERMINATE = "indeterminate"
    UNDONE = "undone"
    SUPERSEDED = "superseded"


class Outcome(Model):
    """The outcome of an act."""

    status: ActStatus
    sentence: str
    changed: bool = Field(description="False if it was done already, or had no effect.")
    after: JsonDict | None = Field(default=None, description="The state that was seen last.")
    next_step: str = ""
    drifted: bool = Field(default=False, description="Nothing was done, because the state changed since the proposal.")
    passes: bool = Field(default=False, description="Nothing was done, for a reason that ends by itself.")
    ticket: TicketLink | None = Field(default=None, description="The ticket that it opened or closed.")

    @property
    def good(self) -> bool:
        """Return whether the state is as intended, proven by a read."""
        return self.status is ActStatus.VERIFIED
