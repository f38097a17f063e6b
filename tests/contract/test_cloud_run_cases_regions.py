"""Difficult cases of Cloud Run: permissions, wrong names, maintenance by a revision, and services in two regions."""

from __future__ import annotations

import pytest

from allclear.domain.action import ActStatus, Verdict
from tasks.cloud_run.list_revisions import Revisions
from tasks.cloud_run.location import CloudRunParams
from tasks.cloud_run.rollback import RollbackTraffic
from tasks.maintenance import EnableMaintenance
from tasks.maintenance_handle import MaintenanceHandle
from tests.contract.cloud_run_stages import (
    BAD,
    FIX,
    GOOD,
    NAME,
    OLDER,
    Scene,
    Setting,
    full_name,
)

# --- permissions and names ----------------------------------------------------------------------------------------


async def test_a_missing_permission_is_found_before_people_are_asked(scene: Scene) -> None:
    """The sentence names the permission, the next step the role that has it."""
    stage, acts = await scene()
    stage.forbid()
    act = await acts.proposed()
    assert (act.status, act.asks, stage.writes()) == (ActStatus.REFUSED, [], 0)
    assert act.outcome is not None
    assert act.outcome.sentence == f"Our credentials lack run.services.update on {NAME}."
    assert "roles/run.developer" in act.outcome.next_step


async def test_a_permission_that_is_taken_away_at_the_last_moment_changes_nothing(scene: Scene) -> None:
    """The write is refused, and the record says that nothing was changed."""
    stage, acts = await scene()
    act = await acts.approved()
    stage.before_write(stage.forbid)
    outcome = await acts.carried_out(act)
    assert (outcome.status, outcome.changed, stage.writes()) == (ActStatus.FAILED, False, 0)
    assert outcome.sentence.startswith("Cloud Run does not allow our credentials to set the traffic of vintstreet: ")
    assert "roles/run.developer" in outcome.next_step
    assert stage.serving() == {BAD: 100}


@pytest.mark.parametrize(
    ("setting", "looked_for"),
    [
        (Setting(options={"region": "europe-north1"}), f"vintstreet-prod/locations/europe-north1/services/{NAME}"),
        (Setting(service={"cloud_run": "elsewhere"}), "vintstreet-prod/locations/us-central1/services/elsewhere"),
        (Setting(options={"project": "another-one"}), f"another-one/locations/us-central1/services/{NAME}"),
    ],
    ids=["wrong region", "unknown service", "wrong project"],
)
async def test_a_wrong_name_is_quoted_in_full_with_the_place_to_correct_it(
    scene: Scene, setting: Setting, looked_for: str
) -> None:
    """A wrong project may look like a missing permission: either error gives the full name."""
    _, acts = await scene(setting)
    act = await acts.proposed()
    assert act.outcome is not None
    assert (act.outcome.status, act.outcome.changed) == (ActStatus.FAILED, False)
    assert f"projects/{looked_for}" in act.outcome.sentence
    assert "`project` and `region` in systems.yaml" in act.outcome.next_step


# --- maintenance by a revision, and two regions -------------------------------------------------------------------


PAGE = f"{NAME}-page"
BY_REVISION = {"maintenance": MaintenanceHandle(revision_tag="maintenance")}


async def test_maintenance_by_revision_survives_a_lost_answer_and_an_unrelated_edit(scene: Scene) -> None:
    """It changes traffic too, so the etag protects it in the same way."""
    revisions = {PAGE: True, GOOD: True, BAD: True}
    stage, acts = await scene(Setting(revisions, [(None, 100, ""), (PAGE, 0, "maintenance")], service=BY_REVISION))
    act = await acts.approved(EnableMaintenance)
    stage.before_write(stage.label)
    stage.lose_answer()
    outcome = await acts.carried_out(act)
    assert (outcome.status, stage.serving()) == (ActStatus.VERIFIED, {PAGE: 100})
    assert stage.writes() == 1


EUROPE, EUROPEAN = "europe-west1", f"{NAME}-eu"
IN_EUROPE = full_name(EUROPE, EUROPEAN)
TWO_REGIONS = Setting(
    service={"cloud_run": {"us-central1": NAME, EUROPE: EUROPEAN}} | BY_REVISION,
    traffic=[(None, 100, ""), (OLDER, 0, "maintenance")],
    elsewhere={(EUROPE, EUROPEAN): {f"{EUROPEAN}-1": True, f"{EUROPEAN}-2": True}},
)


async def test_one_act_changes_one_region(scene: Scene) -> None:
    """Each region is a resource of its own, rolled back by a step of its own."""
    stage, acts = await scene(TWO_REGIONS)
    assert (await acts.done(region=EUROPE)).good
    assert (stage.serving(), stage.serving(IN_EUROPE)) == ({BAD: 100}, {f"{EUROPEAN}-1": 100})
    assert (await acts.done(region="us-central1")).good
    resources = {act.proposed.resource for act in acts.incident.acts.values()}
    assert resources == {f"traffic:{stage.path}", f"traffic:{IN_EUROPE}"}
    assert (await acts.done(EnableMaintenance, region="us-central1")).good
    assert (stage.serving(), stage.writes()) == ({OLDER: 100}, 3)
    finding = await Revisions(acts.context).check(CloudRunParams(service="shop", region=EUROPE))
    assert finding.sentence.startswith(f"Traffic is 100 % {EUROPEAN}-1, pinned")


async def test_changes_in_one_region_do_not_affect_an_approval_for_the_other(scene: Scene) -> None:
    """A deployment and moved traffic in one region do not stop the approved write in the other."""
    stage, acts = await scene(TWO_REGIONS)
    act = await acts.approved(region=EUROPE)
    stage.deploy(FIX)
    stage.before_write(lambda: stage.redirect([(GOOD, 100, "")]))
    outcome = await acts.carried_out(act)
    assert (outcome.status, outcome.changed, stage.writes()) == (ActStatus.VERIFIED, True, 1)
    assert (stage.serving(), stage.serving(IN_EUROPE)) == ({GOOD: 100}, {f"{EUROPEAN}-1": 100})


@pytest.mark.parametrize("kind", [RollbackTraffic, EnableMaintenance])
async def test_a_service_in_two_regions_needs_a_region(
    scene: Scene, kind: type[RollbackTraffic | EnableMaintenance]
) -> None:
    """Without a region, or with a wrong one, the refusal lists the regions."""
    stage, acts = await scene(TWO_REGIONS)
    unnamed, elsewhere = await acts.proposed(kind), await acts.proposed(kind, region="asia-east1")
    assert unnamed.outcome is not None
    assert elsewhere.outcome is not None
    assert (unnamed.status, elsewhere.status, stage.writes()) == (ActStatus.REFUSED, ActStatus.REFUSED, 0)
    assert unnamed.outcome.sentence == "shop runs in europe-west1 and us-central1, and one act changes one region."
    assert "`region: europe-west1`" in unnamed.outcome.next_step
    assert elsewhere.outcome.sentence == "shop does not run in asia-east1, but in europe-west1 and us-central1."
    finding = await Revisions(acts.context).check(CloudRunParams(service="shop"))
    assert finding.verdict is Verdict.INCONCLUSIVE
