"""A rehearsal on the production engine: a simulated production breaks, simulated people answer, the rest is real."""
