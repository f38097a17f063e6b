"""What people declare, answer, assess and close."""
