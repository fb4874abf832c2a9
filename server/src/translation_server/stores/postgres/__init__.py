"""Jobs in PostgreSQL, shared by any number of server processes."""
