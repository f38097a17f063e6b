"""The background workers of the responder, and their supervisor."""
