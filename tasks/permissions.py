"""What the key of each system must be allowed, and the smallest role that holds it. The actions' classes name these.

Source: Google Cloud's lists of roles and permissions, 2026; Slack's method pages, 2026; PagerDuty's "API access keys",
2026; Supabase's "Understanding API keys", 2026; Vercel's "Access roles", 2026. Not confirmed: whether a change of
traffic alone needs `iam.serviceAccounts.actAs`, and that Statuspage's keys have no roles.
"""

from __future__ import annotations

from allclear.domain.permission import Permission

CLOUD_RUN_READ = Permission(
    "cloud_run", "run.services.get, run.revisions.get, run.revisions.list", "roles/run.viewer on the service"
)
CLOUD_RUN_WRITE = Permission(
    "cloud_run",
    "run.services.get, run.services.update, run.revisions.get, run.revisions.list, run.operations.get",
    "roles/run.developer on the service, and roles/iam.serviceAccountUser on its service account if Google asks for it",
)
METRICS_READ = Permission("cloud_monitoring", "monitoring.timeSeries.list", "roles/monitoring.viewer on the project")
LOGS_READ = Permission("cloud_logging", "logging.logEntries.list", "roles/logging.viewer on the project")

FLAGS_WRITE = Permission(
    "supabase",
    "SELECT and UPDATE on the table of the flags",
    "a secret key (sb_secret_...) of the project, or its service_role key",
)

DATABASE_READ = Permission(
    "supabase_management",
    "projects:read and database:read of the project",
    "an access token (sbp_...) of an account that may read the project, or an OAuth app with these scopes",
)
DATABASE_RESTORE = Permission(
    "supabase_management",
    "projects:read, database:read and database:write of the project",
    "an access token (sbp_...) of an account with the role Administrator, or an OAuth app with these scopes",
)

CONVEX_DEPLOY = Permission(
    "convex",
    "to pause the deployment, and to read and set its environment variables",
    "a deploy key of the production deployment; Convex's deploy keys have no roles",
)

SLACK_POST = Permission("slack", "chat:write, channels:read, channels:history", "a bot token with these scopes")

TEAMS_POST = Permission(
    "teams", "to start the flow", "the flow's whole address; its owner must be in the team of the channel"
)

PAGER_EVENTS = Permission(
    "pagerduty", "to send events to one service", "the integration key (Events API v2) of that service"
)
PAGER_WRITE = Permission(
    "pagerduty_rest", "to read users, services and on-calls; to write incidents", "a user's API key, role Responder"
)

STATUS_PAGE_WRITE = Permission(
    "statuspage", "to read components and write incidents of the page", "an API key; Statuspage's keys have no roles"
)

VERCEL_DEPLOY = Permission(
    "vercel", "to read and promote the project's production deployments", "a token of a team member, role Member"
)
VERCEL_FIREWALL = Permission(
    "vercel", "to read and write the project's firewall", "a token of a team member, role Member or Security"
)
VERCEL_SWITCHES = Permission(
    "vercel", "to read and write the project's flags or Global Config", "a token of a team member, role Member"
)

_GITHUB_ROLE = "a fine-grained token, or an installation of an app, for this one repository"
GITHUB_PULLS = Permission(
    "github",
    "Contents and Pull requests: write; Workflows: write, if a change under .github/workflows is reverted",
    _GITHUB_ROLE,
)
GITHUB_RUN = Permission(
    "github",
    "Actions: write; Contents: read",
    _GITHUB_ROLE,
)

GITHUB_CHECKS = Permission(
    "github",
    "Checks and Commit statuses: read",
    _GITHUB_ROLE,
)
GITHUB_ISSUES = Permission(
    "github",
    "Issues: write",
    _GITHUB_ROLE,
)

OWN_SYSTEMS = Permission(
    "http", "the requests that the switch's `look`, `proof`, `set` and `undo` name", "a key that may make these alone"
)

ARMOR_WRITE = Permission(
    "cloud_armor",
    "compute.securityPolicies.get, compute.securityPolicies.update, compute.backendServices.get,"
    " compute.globalOperations.get",
    "a custom role with these on the project; roles/compute.securityAdmin with roles/compute.viewer allows more",
)
JIRA_WRITE = Permission(
    "jira",
    "Browse projects, Create, Transition and Assign issues; scopes read:jira-work, write:jira-work, read:jira-user",
    "an API token of an account with these permissions in the one project",
)
TWILIO_SEND = Permission(
    "twilio",
    "to send messages, place calls, and read messages, calls and the account's numbers",
    "the account's auth token, or a standard API key of the account",
)
EMAIL_SEND = Permission(
    "email", "to send as the one sender's address", "an account of the mail server that may do nothing else"
)
