"""The report card: how well a client behaved."""
