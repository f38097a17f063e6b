"""The small, always-on HTTP service that hears alerts: it keeps each before it answers, then works."""
