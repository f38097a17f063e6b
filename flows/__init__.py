"""The response as Prefect flows: the start, one flow for each phase, the commands that people give, and the drill."""
