"""The record of the requests that arrived and of what the client received."""
