"""One client for each outside system: it speaks the vendor's language and holds no policy."""
