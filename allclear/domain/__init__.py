"""The words of incident response as plain data: no I/O, nothing of a vendor, nothing of a company."""
