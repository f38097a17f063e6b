"""The client of Cloud Run, over gRPC or REST."""
