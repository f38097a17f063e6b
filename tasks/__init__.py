"""What a response can do: the actions and probes, one file for each family, and the Prefect task that runs a step."""
