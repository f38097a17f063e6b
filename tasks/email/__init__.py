"""E-mail: messages to people, and invitations to meetings."""
