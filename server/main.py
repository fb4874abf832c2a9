"""The server: `uvicorn main:app`. The only place that reads the environment."""

import multiprocessing
import os
import sys
from pathlib import Path

from fastapi import FastAPI

SERVER = Path(__file__).resolve().parent
sys.path.insert(0, str(SERVER / "src"))  # so that it runs from a checkout, without installation

from translation_server import logs  # noqa: E402 - found only once the path is set
from translation_server.app import create_app  # noqa: E402 - as above
from translation_server.settings import Settings, SettingsError  # noqa: E402 - as above


def _configured_app() -> FastAPI:
    """Return the application, or end the process with a line for each thing that is wrong in its configuration."""
    try:
        settings = Settings.load(os.environ, SERVER / ".env")
        logs.configure(settings)
        return create_app(settings)
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the log may not be there yet, and the operator is at the terminal
        # 3 tells uvicorn's supervisor of several workers to give up, where it would restart them for ever.
        sys.exit(3 if multiprocessing.parent_process() else 2)


app = _configured_app()
