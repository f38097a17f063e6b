"""What every action declares, and small behaviour that needs no vendor."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

import pytest

from allclear.domain.action import AnyAction, Fence
from allclear.domain.approval import ONE_PERSON, ONE_PERSON_WITH_REASON, SPEAKERS
from allclear.domain.errors import ConfigError
from allclear.domain.probe import Probe
from allclear.engine.actions.registry import read_params
from allclear.vendors.pagerduty import LONGEST_KEY, fitting
from tasks.cloud_armor.actions import BlockArmorAddresses, UnblockArmorAddresses
from tasks.cloud_run.location import CloudRunParams
from tasks.cloud_run.restore_latest import RestoreLatest
from tasks.cloud_run.rollback import RollbackTraffic
from tasks.email.actions import SendEmail, WriteToCustomers
from tasks.email.meetings import InviteToMeeting
from tasks.feature_flags import DisableFlag, EnableFlag
from tasks.github.issues import CloseIssue, OpenIssue
from tasks.github.merge import Merge
from tasks.github.revert import OpenRevert
from tasks.github.workflow import RunWorkflow
from tasks.jira import AssignTicket, CreateTicket, MoveTicket
from tasks.maintenance import DisableMaintenance, EnableMaintenance
from tasks.own_switches.actions import RestoreSwitch, SetSwitch
from tasks.pagerduty import Acknowledge, Page, Resolve
from tasks.slack import PostMessage
from tasks.slack_meeting import AnnounceMeeting
from tasks.statuspage import OpenIncident, ResolveIncident, UpdateIncident
from tasks.statuspage_post_mortem import PublishPostMortem
from tasks.teams import PostInTeams
from tasks.twilio.call import CallPeople
from tasks.twilio.text import SendText
from tasks.vercel.actions import Deployments, Promote, RollBack
from tasks.vercel.attack_mode import EndAttackMode, StartAttackMode
from tasks.vercel.config import DisableItem, DisableVercelMaintenance, EnableItem, EnableVercelMaintenance
from tasks.vercel.firewall import BlockAddresses, UnblockAddresses
from tasks.vercel.flags import DisableVercelFlag, EnableVercelFlag
from tests.unit.fakes_context import FakeContext

ACTIONS: list[type[AnyAction]] = [
    RollbackTraffic,
    RestoreLatest,
    DisableFlag,
    EnableFlag,
    EnableMaintenance,
    DisableMaintenance,
    Page,
    Acknowledge,
    Resolve,
    PostInTeams,
    PostMessage,
    PublishPostMortem,
    OpenIncident,
    UpdateIncident,
    ResolveIncident,
    RollBack,
    Promote,
    BlockAddresses,
    UnblockAddresses,
    StartAttackMode,
    EndAttackMode,
    DisableVercelFlag,
    EnableVercelFlag,
    DisableItem,
    EnableItem,
    EnableVercelMaintenance,
    DisableVercelMaintenance,
    OpenRevert,
    SetSwitch,
    RestoreSwitch,
    BlockArmorAddresses,
    UnblockArmorAddresses,
    Merge,
    RunWorkflow,
    OpenIssue,
    CloseIssue,
    CreateTicket,
    MoveTicket,
    AssignTicket,
    SendEmail,
    WriteToCustomers,
    InviteToMeeting,
    AnnounceMeeting,
    SendText,
    CallPeople,
]


BY_UNDO_ALONE = {"github.open_revert", "github.run_workflow"}
"""A pull request is closed, and what a workflow did is undone, by no action of its own."""


def test_every_action_is_installed_under_its_own_name() -> None:
    """The entry point and the class agree."""
    installed = {point.name: point.load() for point in entry_points(group="allclear.actions")}
    assert {kind.name: kind for kind in ACTIONS}.items() <= installed.items()


def test_approvals_have_the_documented_defaults() -> None:
    """None for pages and tickets; one person for traffic; a reason for what users notice; speakers for the public."""
    asked = {kind.name: kind.approval for kind in ACTIONS}
    assert asked == {
        "cloud_run.rollback_traffic": ONE_PERSON,
        "cloud_run.restore_latest": ONE_PERSON,
        "feature_flag.disable": ONE_PERSON,
        "feature_flag.enable": ONE_PERSON,
        "maintenance.enable": ONE_PERSON_WITH_REASON,
        "maintenance.disable": ONE_PERSON,
        "pagerduty.page": None,
        "pagerduty.acknowledge": None,
        "pagerduty.resolve": None,
        "slack.post": None,
        "slack.meeting": None,
        "teams.post": None,
        "status_page.open": SPEAKERS,
        "status_page.post_mortem": SPEAKERS,
        "status_page.update": SPEAKERS,
        "status_page.resolve": SPEAKERS,
        "vercel.rollback": ONE_PERSON,
        "vercel.promote": ONE_PERSON,
        "vercel.block_addresses": ONE_PERSON_WITH_REASON,
        "vercel.unblock_addresses": ONE_PERSON,
        "vercel.attack_mode": ONE_PERSON_WITH_REASON,
        "vercel.end_attack_mode": ONE_PERSON,
        "vercel.disable_flag": ONE_PERSON,
        "vercel.enable_flag": ONE_PERSON,
        "vercel.disable_item": ONE_PERSON,
        "vercel.enable_item": ONE_PERSON,
        "vercel.enable_maintenance": ONE_PERSON_WITH_REASON,
        "vercel.disable_maintenance": ONE_PERSON,
        "github.open_revert": ONE_PERSON,
        "http.request": ONE_PERSON_WITH_REASON,
        "http.restore": ONE_PERSON,
        "cloud_armor.block_addresses": ONE_PERSON_WITH_REASON,
        "cloud_armor.unblock_addresses": ONE_PERSON,
        "github.merge": ONE_PERSON,
        "github.issue": None,
        "github.close_issue": None,
        "jira.create": None,
        "jira.transition": None,
        "email.send": None,
        "email.customers": SPEAKERS,
        "calendar.invite": None,
        "jira.assign": None,
        "twilio.text": None,
        "twilio.call": None,
        "github.run_workflow": ONE_PERSON_WITH_REASON,
    }


def test_an_action_reverses_only_actions_that_leave_something_in_place() -> None:
    """`reverses` names an action that has `leaves`, unless only an undo ends what it leaves."""
    owing = {kind.name for kind in ACTIONS if kind.leaves} - BY_UNDO_ALONE
    assert {kind.reverses for kind in ACTIONS if kind.reverses} == owing


def test_fences_match_what_the_vendors_offer() -> None:
    """An etag or an old value, PagerDuty's key, and none for the others, except Vercel's flags and GitHub's head."""
    by_fence = {fence: {kind.name.split(".")[0] for kind in ACTIONS if kind.fence is fence} for fence in Fence}
    assert {DisableVercelFlag.fence, EnableVercelFlag.fence} == {Fence.VERSION}
    assert Merge.fence is Fence.VERSION
    by_fence[Fence.VERSION] -= {"vercel", "github"}
    assert by_fence == {
        Fence.VERSION: {"cloud_run", "feature_flag", "maintenance"},
        Fence.KEY: {"pagerduty"},
        Fence.NONE: {
            "cloud_armor",
            "slack",
            "teams",
            "status_page",
            "vercel",
            "github",
            "jira",
            "http",
            "twilio",
            "email",
            "calendar",
        },
    }


def test_a_long_page_key_is_shortened_and_stays_unique() -> None:
    """PagerDuty takes 255 characters."""
    one, other = fitting("a" * 300), fitting("a" * 301)
    assert len(one) == len(other) == LONGEST_KEY
    assert one != other
    assert fitting("VS-1") == "VS-1"


@pytest.mark.parametrize(
    ("kind", "service"),
    [(RollbackTraffic, {"cloud_run": None}), (EnableMaintenance, {"maintenance": None}), (RollBack, {"vercel": None})],
)
async def test_a_service_without_the_handle_is_a_mistake_in_systems_yaml(
    kind: type[AnyAction], service: dict[str, Any]
) -> None:
    """The sentence names the file."""
    with pytest.raises(ConfigError, match=r"systems\.yaml"):
        await kind(FakeContext(**service)).observe(CloudRunParams(service="shop"))


@pytest.mark.parametrize("kind", [RollBack, Promote, Deployments])
def test_vercels_actions_refuse_a_region(kind: type[AnyAction | Probe[Any]]) -> None:
    """Vercel has none, and a parameter without an effect would mislead."""
    with pytest.raises(ConfigError, match="region"):
        read_params(kind, {"service": "shop", "region": "us-central1"})
