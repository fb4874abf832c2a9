"""Jobs in a SQLite file, in the server's own process."""
