"""The durable record. `port` says what the rest of allclear may ask of it; `sql` is behind it."""
