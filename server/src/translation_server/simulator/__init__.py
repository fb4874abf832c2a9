"""The server as a test tool: it injects faults, records what arrives, and judges the client."""
