"""The actions and probes, one file or folder for each vendor, and the Prefect task that runs a step."""
