"""Drills: a simulated production breaks and simulated people answer; everything else is the production code."""
