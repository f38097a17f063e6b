"""What people do in an incident: declare it, answer, assess it, take roles, write things down, and close it.

`facade.py` is the one object that the command line, Prefect's forms and the drill call; each other file holds the
rules of one of these.
"""
