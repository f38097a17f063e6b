"""Cloud Run as its clients see it: gRPC, REST v2 and REST v1."""
