"""How allclear is run: the deployments in Prefect and the runner that serves them."""
