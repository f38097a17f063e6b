"""The response to an incident: which move comes next, and how it is made."""
