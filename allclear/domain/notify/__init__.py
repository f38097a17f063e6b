"""What is sent to whom, by which way, and how far it got: the plan's notifications, pages, updates. Pure."""
