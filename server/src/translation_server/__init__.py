"""A video translation job service that simulates its jobs: run it with `uvicorn main:app` in `server/`."""
