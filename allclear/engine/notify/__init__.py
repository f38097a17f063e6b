"""Notifying people: reminders, updates of pages, and live messages."""
