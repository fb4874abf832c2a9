"""The server; `main.py` starts it, `src/` holds it."""
