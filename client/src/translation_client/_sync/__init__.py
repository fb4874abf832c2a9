"""The client for threads, on requests."""
