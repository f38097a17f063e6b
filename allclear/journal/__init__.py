"""The durable record. `ports.py` declares its interface, and `sql_journal.py` implements it."""
