"""What people do in a team's channels: the port that a channel's receiver implements, and what all receivers share."""
