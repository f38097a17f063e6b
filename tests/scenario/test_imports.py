"""What a process imports when it starts, read in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from allclear.vendors.cloud_run.client import CloudRun

pytestmark = pytest.mark.slow


def test_loading_the_actions_loads_no_vendors_library() -> None:
    """The responder starts in half a second: the heavy libraries come when they are used."""
    check = (
        "import sys, tasks.cloud_run.rollback, tasks.feature_flags, tasks.maintenance, tasks.slack, tasks.pagerduty,"
        " tasks.statuspage, tasks.http_probes, tasks.vercel.actions;"
        "print([name for name in ('grpc', 'google.cloud', 'postgrest', 'supabase', 'httpx', 'prefect')"
        " if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)  # noqa: S603 - our own interpreter
    assert found.stdout.strip() == "[]"
    assert CloudRun.system == "cloud_run"


@pytest.mark.parametrize("module", ["allclear.postmortem.document", "allclear.cli.incidents", "flows.artifacts"])
def test_the_drawing_library_is_imported_only_when_a_chart_is_drawn(module: str) -> None:
    """The command line and the flows start without it."""
    code = f"import sys, {module}; sys.exit('pygal' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603 - our own code


def test_drawing_leaves_the_imports_of_other_modules_alone() -> None:
    """The library's own importer has no `find_spec`, so a later import of a missing module would warn."""
    lines = (
        "import sys, warnings",
        "from allclear.postmortem import failures_chart",
        "failures_chart._pygal()",
        "warnings.simplefilter('error')",
        "assert 'pygal' in sys.modules",
        "try: import no_such_module",
        "except ModuleNotFoundError: sys.exit(0)",
        "sys.exit(1)",
    )
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=False)  # noqa: S603 - our own code
    assert done.returncode == 0, done.stderr
