"""Alerts: deduplicated, joined to incidents, held while they flap, gathered in a storm."""
