"""Lists the secrets that the plan needs and that are not set on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from allclear.company.capabilities import Capabilities
from allclear.company.diagnostics import Diagnostic
from allclear.company.load import SYSTEMS, Draft
from allclear.company.used_systems import missing_credentials


def check_secrets(draft: Draft, capabilities: Capabilities, secret: Callable[[str], str]) -> Iterator[Diagnostic]:
    """Yield one diagnostic for each; `secret` returns what an environment variable holds, or the empty string."""
    if draft.plan is None or draft.systems is None:
        return
    for missing in missing_credentials(draft.plan, draft.systems, draft.runbooks.values(), capabilities, secret):
        place = ("alerts", missing.source) if missing.source else ("systems", missing.system, "secret")
        yield draft.files[SYSTEMS].here(place, missing.sentence, missing.next_step)
