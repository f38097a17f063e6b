"""Microsoft Teams as a channel in which a team talks: its messages are acts of `teams.post`.

A webhook has no threads and no buttons. Each message names its incident, and a question has a link to the incident's
page.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from typing_extensions import override

from allclear.domain.notify.channel import Channel, Post
from tasks.teams import PostInTeams


class TeamsChannel(Channel):
    """The one channel of the flow; nothing comes back from there, so it has no receiver."""

    name: ClassVar[str] = "teams"
    contact: ClassVar[str] = "teams"
    action: ClassVar[str] = PostInTeams.name

    @override
    def params(self, summary: Mapping[str, Any], post: Post) -> dict[str, Any]:
        params: dict[str, Any] = {"message": f"{summary['message']}/{post.key}", "text": post.text}
        if post.people:
            params["people"] = post.people
        if post.card:
            params["card"] = post.card.model_dump(mode="json")
        return params
