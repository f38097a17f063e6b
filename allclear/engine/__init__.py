"""Decides and drives: what comes next in an incident, and how an act is done once, provably."""
