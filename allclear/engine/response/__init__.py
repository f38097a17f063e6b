"""The course of a response: the next move of an incident, and how it is made."""
