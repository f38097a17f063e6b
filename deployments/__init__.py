"""allclear in Prefect: the catalog of deployments, the runner that registers and serves them, and Prefect's server."""

import allclear as allclear  # before Prefect: it has the garbage collector run less often
