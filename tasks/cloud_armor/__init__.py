"""Blocking addresses with Cloud Armor."""
