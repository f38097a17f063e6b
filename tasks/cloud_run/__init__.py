"""Actions and probes on Cloud Run."""
