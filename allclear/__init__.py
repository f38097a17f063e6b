"""allclear makes a company's incident response plan run: from the alert to the post-mortem."""

import gc

__version__ = "0.1.0"

gc.set_threshold(50_000, 20, 100)
"""A process of ours begins with some hundred thousand objects that stay. Python's own threshold, 700, has it look
through them again and again while it imports, which is a quarter of the start's processor time."""
