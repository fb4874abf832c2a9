"""The application as the environment describes it: what a web server imports."""

import multiprocessing
import os
import sys
from pathlib import Path

from translation_server.app import Application, create_app
from translation_server.config.settings import Settings, SettingsError
from translation_server.observability import log_file

WRONG_CONFIGURATION = 2
_GIVE_UP = 3  # tells uvicorn's supervisor of several workers to give up, where it would restart them for ever


def configured_app(env_file: Path | None) -> Application:
    """Return the application, its log set up, or end the process with a line for each thing that is wrong.

    Args:
        env_file: the `.env` file, which need not exist; the environment wins.
    """
    try:
        settings = Settings.load(os.environ, env_file)
        log_file.configure(settings)
        app = create_app(settings)
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the log may not be there yet, and the operator is at the terminal
        sys.exit(_GIVE_UP if multiprocessing.parent_process() else WRONG_CONFIGURATION)
    return app
