"""The names of allclear's deployments in Prefect, as `acme-respond/Start an incident`.

Prefect names a deployment `FLOW/DEPLOYMENT`, and its list shows the second part in bold with the first below it. So the
second part says what the deployment does, and the first keeps two companies on one server apart. The processes that
start runs do not import Prefect: they take the names from here, as `deployments/catalog.py` does.

*Source:* Prefect 3.8, the page *Deployments* of its UI; `GET /deployments/name/{flow_name}/{deployment_name}`.
"""

from __future__ import annotations

from urllib.parse import quote

START_INCIDENT = "Start an incident"
"""What a person starts. It is the flow `respond`, as below, with another form."""

STARTED_BY_ALLCLEAR = {
    "respond": "Continue an open incident",
    "detect": "Run the detect phase",
    "contain": "Run the contain phase",
    "investigate": "Run the investigate phase",
    "resolve": "Run the resolve phase",
    "review": "Run the review phase",
    "question": "Ask a question of a response",
}
"""Flow → deployment, for the runs that allclear starts. Each takes an incident's id, and `question` also its own."""


def flow_name(flow: str, company: str) -> str:
    """Return the name of a company's flow in Prefect, as `acme-respond`."""
    return f"{company}-{flow}".replace("_", "-")


def api_path(flow: str, company: str) -> str:
    """Return the path below Prefect's API of the deployment that allclear starts for `flow`."""
    return f"deployments/name/{quote(flow_name(flow, company))}/{quote(STARTED_BY_ALLCLEAR[flow])}"
