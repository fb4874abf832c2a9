"""One file for each service; every ``Format`` in a file here can be mounted by its name."""
