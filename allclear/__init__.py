"""allclear makes a company's incident response plan run: from the alert to the post-mortem."""

__version__ = "0.1.0"
