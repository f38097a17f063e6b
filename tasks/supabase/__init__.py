"""Supabase: restoring a project's database to a point in time, and how its database is."""
