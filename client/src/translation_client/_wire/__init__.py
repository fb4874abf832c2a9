"""What is sent to the server and what comes back: pure functions and values."""
