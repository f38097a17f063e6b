"""Actions on Convex."""
