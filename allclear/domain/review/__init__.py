"""What follows an incident: its ticket, its meeting, its post-mortem, its follow-ups and what is learnt. Pure."""
