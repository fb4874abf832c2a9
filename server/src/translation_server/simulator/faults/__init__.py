"""Injected faults: which there are, which requests they affect, and how a response is altered or a connection cut."""
