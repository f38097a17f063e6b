"""Everything that a person can do in an incident, as commands: one small model each, with what carries it out.

The incident's page, the API, the command line and Slack all send these commands, so that each means the same everywhere
and a new one is available everywhere at once. `catalog.py` lists them; adding one is adding a class and its line there.
"""
