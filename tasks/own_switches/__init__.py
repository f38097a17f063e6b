"""Switches of the company's own systems, declared in systems.yaml."""
