"""An incident that was contained, failed again, and was contained again."""

from __future__ import annotations

from allclear.domain.action import ActStatus, Outcome
from allclear.domain.records import FIRES_AGAIN, ActFinished, ActProposed, AlertJoined, Contained, StepDone
from tests.unit.domain.stories import HEALTH, TROUBLE, Story


def recurring() -> Story:
    """Return the incident: contained at 14:34, lost at 14:44, contained again at 14:54."""
    return lost_and_contained(Story().opened().verified().paged().roll_back_proposed().contained())


def lost_and_contained(story: Story) -> Story:
    """Record that a health check failed after ten minutes, and that maintenance mode helped after ten more."""
    failed = StepDone(phase="contain", step="recheck", title="Look again", finding=TROUBLE, health_check=True)
    story.after(10).record(failed).after(10)
    return story.record(
        failed.model_copy(update={"finding": HEALTH}),
        Contained(by="Maintenance mode", act="contain/page", finding=HEALTH),
    )


def came_back(story: Story | None = None) -> Story:
    """Return a contained incident whose alert was resolved after ten minutes, and fired again after ten more.

    The check after it is good. Without `story`, the incident was contained at 14:34.
    """
    story = story or Story().opened().verified().paged().roll_back_proposed().contained()
    fires_again(story).after(1)
    check = StepDone(phase="contain", step="contained-still", title="Checked again", finding=HEALTH, health_check=True)
    return story.record(check)


def fires_again(story: Story) -> Story:
    """Record that the incident's alert was resolved after ten minutes, and fired again after ten more."""
    resolved = alert(state="resolved")
    return story.after(10).record(resolved).after(10).record(alert(state="firing", news=FIRES_AGAIN))


def alert(**changed: str) -> AlertJoined:
    """Return an alert of the incident; `changed` are its fields."""
    fields = {"delivery": "9", "source": "alertmanager", "key": "payments", "title": "Payment processing down"}
    return AlertJoined.model_validate(fields | {"state": "firing"} | changed)


def maintained() -> Story:
    """Return the incident that maintenance mode contained at 14:40. It is undone by `opened_again`."""
    story = Story().opened().verified().after(10)
    return _finished(story, "contain/maintenance", None).record(
        StepDone(phase="contain", step="maintenance-proof", title="Maintenance mode", finding=HEALTH),
        Contained(by="Maintenance mode", act="contain/maintenance", finding=HEALTH),
    )


def opened_again(story: Story) -> Story:
    """Record that maintenance mode was undone."""
    return _finished(story, "resolve/undo-maintenance", "contain/maintenance")


def _finished(story: Story, act: str, undoes: str | None) -> Story:
    phase, _, step = act.partition("/")
    proposed = ActProposed(
        act=act,
        phase=phase,
        step=step,
        action="maintenance.enable",
        title="Maintenance mode",
        params={},
        change={"summary": "Go into maintenance"},
        undoes=undoes,
        leaves=None if undoes else "maintenance on",
        closes_service=not undoes,
    )
    outcome = Outcome(status=ActStatus.VERIFIED, changed=True, sentence="It is so.")
    return story.record(proposed, ActFinished(act=act, outcome=outcome))
