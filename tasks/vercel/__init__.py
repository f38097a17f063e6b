"""Actions and probes on Vercel."""
