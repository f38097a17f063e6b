"""Publishing the post-mortem of an incident on the status page.

The page takes one only after the incident is resolved there. What is published is the text that a person approved.
Writing the same text again changes nothing, and the undo makes it a draft again.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from typing_extensions import override

from allclear.domain.action import Change, Finding, Params, Receipt, State, Verdict
from allclear.domain.errors import Refused
from allclear.vendors.statuspage import LONGEST_BODY
from tasks.permissions import STATUS_PAGE_WRITE
from tasks.statuspage_base import DEADLINE, StatusPageAction
from tasks.statuspage_subscribers import counted, whom


class PostMortemParams(Params):
    """Which incident, and what the public reads."""

    incident: str = Field(min_length=1, description="The incident's id. Each incident has one on the page.")
    text: str = Field(min_length=1, description="The post-mortem for the public, in Markdown.")
    notify: bool = Field(default=False, description="Whether the page's subscribers by e-mail are notified.")


class PostMortemState(State):
    """The post-mortem on the page; `text` is empty while nothing is published."""

    incidental: ClassVar[frozenset[str]] = frozenset({"id", "link", "subscribers"})

    page: str
    key: str
    published: bool = Field(default=False, description="Whether the incident is on the page.")
    resolved: bool = Field(default=False, description="Whether the page says that the incident is resolved.")
    text: str = ""
    subscribers: dict[str, int] | None = Field(
        default=None, description="The page's subscribers by e-mail, when planning; None if they could not be counted."
    )
    id: str = ""
    link: str = ""

    @override
    def in_words(self) -> str:
        return self.text or "no post-mortem published"


class PublishPostMortem(StatusPageAction[PostMortemParams, PostMortemState]):
    """Publishes the post-mortem of a resolved incident on the status page."""

    name = "status_page.post_mortem"
    title = "Publish the post-mortem on the status page"
    text_params = ("text",)
    permissions = (STATUS_PAGE_WRITE,)
    usual_risk = "It is public. Subscribers are notified if `notify` is true."
    usual_undo = "Makes it a draft again; who has read it has read it."
    params = PostMortemParams
    state: ClassVar[type[State]] = PostMortemState
    found_again = True
    undone_on_request = True

    @override
    def resource(self, params: PostMortemParams) -> str:
        return f"status-page-post-mortem:{self.site.page}/{params.incident}"

    @override
    async def observe(self, params: PostMortemParams) -> PostMortemState:
        incident = (await self.site.find(params.incident)).incident
        state = PostMortemState(page=self.site.page, key=params.incident)
        if incident is None:
            return state
        resolved = incident.status in {"resolved", "postmortem"}
        text = (await self.site.post_mortem(incident.id)).published.strip() if resolved else ""
        shown = {"published": True, "resolved": resolved, "text": text, "id": incident.id, "link": incident.link}
        return state.model_copy(update=shown)

    @override
    async def observe_for_plan(self, params: PostMortemParams) -> PostMortemState:
        state = await self.observe(params)
        found = await counted(self.site) if params.notify else {}
        by_mail = None if found is None else {kind: count for kind, count in found.items() if kind == "email"}
        return state.model_copy(update={"subscribers": by_mail})

    @override
    def plan(self, params: PostMortemParams, before: PostMortemState) -> Change[PostMortemState]:
        if not before.published:
            raise Refused(
                f"{params.incident} is not on the status page, so it has no place for a post-mortem.",
                "Publish the text elsewhere.",
            )
        if not before.resolved:
            raise Refused(
                f"{params.incident} is not resolved on the status page, which takes a post-mortem only afterwards.",
                "Resolve it there first: status_page.resolve.",
            )
        if len(params.text) > LONGEST_BODY:
            raise Refused(
                f"The post-mortem has {len(params.text):,} characters; allclear publishes at most {LONGEST_BODY:,}.",
                "Shorten it.",
            )
        replaces = "It replaces the one that the public reads now." if before.text else ""
        risk = f"{whom(before.subscribers, notify=params.notify)} {replaces}".strip()
        verb = "Replace" if before.text else "Publish"
        return self._change(params, before, params.text.strip(), f"{verb} the post-mortem on the status page", risk)

    @override
    async def apply(self, params: PostMortemParams, change: Change[PostMortemState], key: str) -> Receipt:
        incident, text = change.before.id, change.after.text
        if text:
            await self.site.publish_post_mortem(incident, text, notify=params.notify)
        else:
            await self.site.revert_post_mortem(incident)
        return Receipt(facts={"id": incident, "link": change.before.link})

    @override
    def verify(self, change: Change[PostMortemState], after: PostMortemState, receipt: Receipt | None) -> Finding:
        if self.target_reached(change, after):
            sentence = "The status page shows the post-mortem." if after.text else "The post-mortem is a draft again."
            return Finding(verdict=Verdict.SUCCESS, sentence=sentence, facts={"link": after.link})
        return Finding(verdict=Verdict.INCONCLUSIVE, sentence="The status page does not show the change yet.")

    @override
    def target_reached(self, change: Change[PostMortemState], now: PostMortemState) -> bool:
        # The page may write white space in its own way.
        return now.published and now.text.split() == change.after.text.split()

    @override
    def undo(
        self, params: PostMortemParams, done: Change[PostMortemState], now: PostMortemState
    ) -> Change[PostMortemState]:
        if now.text.split() != done.after.text.split():
            raise Refused(
                "The post-mortem on the status page was changed since, so it is not taken back.",
                "Change or take it back in Statuspage itself.",
            )
        return self._change(params, now, "", "Make the post-mortem on the status page a draft again", "")

    def _change(
        self, params: PostMortemParams, before: PostMortemState, text: str, summary: str, risk: str
    ) -> Change[PostMortemState]:
        before = before.model_copy(update={"subscribers": None})
        return Change(
            action=self.name,
            resource=self.resource(params),
            summary=f"{summary}: {params.incident}",
            before=before,
            after=before.model_copy(update={"text": text}),
            risk=risk or "The public can no longer read it.",
            undo="Makes it a draft again; who has read it has read it.",
            deadline=DEADLINE,
        )
