"""The small, always-on HTTP service that takes in alerts: it stores each alert before it answers, then acts on it."""
