"""The APIs of the simulated production: each speaks one vendor's protocol, from its documents.

Nothing here shares code with `allclear.vendors`: a misreading of a vendor must not pass on both
sides.
"""
