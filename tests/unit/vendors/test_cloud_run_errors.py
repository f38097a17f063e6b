"""Cloud Run's denials: the missing permission, the role that has it, and who needs it."""

from __future__ import annotations

from allclear.domain.errors import Conflict, Denied, VendorRefused
from allclear.vendors.cloud_run.errors import CallFailure, error_for
from allclear.vendors.errors import VendorRequest

WRITE = VendorRequest("Cloud Run", "set the traffic of shop", write=True)
PATH = "projects/p/locations/r/services/shop"
OURS = "allclear@p.iam.gserviceaccount.com"


def denied(reason: str, principal: str = OURS) -> Denied:
    """Return the error for a denial with this reason."""
    error = error_for(WRITE, CallFailure("PERMISSION_DENIED", reason), PATH, principal)
    assert isinstance(error, Denied)
    return error


def test_a_missing_permission_is_named_with_its_role_and_our_principal() -> None:
    """The next step can be done as it is written."""
    error = denied(f"Permission 'run.services.update' denied on resource '{PATH}' (or resource may not exist).")
    assert f"Give {OURS} roles/run.developer on {PATH} (permission run.services.update)." in error.next_step


def test_acting_as_the_runtime_account_needs_another_role_on_that_account() -> None:
    """roles/run.developer does not have it."""
    account = "123-compute@developer.gserviceaccount.com"
    error = denied(f"Permission 'iam.serviceaccounts.actAs' denied on service account {account} (or it may not exist).")
    assert error.next_step.startswith(
        f"Give {OURS} the role roles/iam.serviceAccountUser on the service account {account}"
    )


def test_a_denied_read_needs_the_viewer() -> None:
    """Not more than it takes."""
    assert "roles/run.viewer" in denied(f"Permission 'run.revisions.list' denied on resource '{PATH}'").next_step


def test_a_denial_without_details_names_the_usual_role() -> None:
    """The principal may be unknown too."""
    assert denied("No.", principal="").next_step.startswith(
        f"Give their service account roles/run.developer on {PATH}."
    )


def test_an_expired_sign_in_names_whose_it_is() -> None:
    """A role would not help."""
    error = error_for(WRITE, CallFailure("UNAUTHENTICATED", "signing in failed (RefreshError)"), PATH, OURS)
    assert f"our sign-in as {OURS} is missing, expired or revoked" in error.message
    assert "roles/" not in error.next_step


def test_a_taken_name_is_a_refusal_and_a_stale_version_a_conflict() -> None:
    """Only the second is worth another try."""
    taken = error_for(WRITE, CallFailure("ALREADY_EXISTS", "Revision shop-42 exists."), PATH)
    stale = error_for(WRITE, CallFailure("ABORTED", "Conflict for resource."), PATH)
    assert isinstance(taken, VendorRefused)
    assert isinstance(stale, Conflict)
    assert stale.reason == "Conflict for resource"
