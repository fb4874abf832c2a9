"""What makes the server a tester's instrument: faults on purpose, a record of what arrived, a verdict on the client."""
