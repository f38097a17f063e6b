"""allclear in Prefect: the catalog of deployments, the runner that registers and serves them, and Prefect's server."""
