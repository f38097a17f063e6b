"""What people are reminded of, and when: questions, deadlines, roles, reviews, what is left in place. Pure."""
