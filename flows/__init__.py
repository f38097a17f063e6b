"""The response as Prefect flows: one for each phase, and small ones for what a person starts by hand."""
