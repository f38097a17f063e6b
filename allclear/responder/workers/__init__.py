"""The background workers of the responder, and what supervises them."""
