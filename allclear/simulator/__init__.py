"""A production that breaks on purpose: one state, and APIs that speak the vendors' wire protocols.

`serve.py` runs it, `world.py` is its state, `scenario.py` reads how a drill wants it, and
`apis/` holds one module for each protocol. Its health follows from the state alone: send the
traffic away from the bad revision and the errors stop, send it to another bad one and they do not.

It shares no code with `allclear.vendors`: no misreading of a vendor can pass on both sides.
"""
