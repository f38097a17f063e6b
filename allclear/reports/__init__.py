"""What the reading commands print, as reports: the responder sends the same ones over HTTP.

A report is written once, by the command line with the journal at hand or by the responder, so that both say the same
sentences and have the same JSON. `catalog.py` lists them; adding one is adding a class and its line there.
"""
