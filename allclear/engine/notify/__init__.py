"""Who is told what and when: reminders, updates of pages, messages that are kept current."""
