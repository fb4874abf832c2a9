"""What the tests of the configuration share."""

from pathlib import Path

import pytest

from translation_server.config.settings import Settings, SettingsError

CREDENTIALS = {"API_USERNAME": "admin", "API_PASSWORD": "pass"}
SAMPLE = """
API_USERNAME=admin
API_PASSWORD=secretpassword
MIN_DELAY=3               # seconds before a job may end
MAX_DELAY=7
ERROR_PROBABILITY=0.3
"""


def load(**variables: str) -> Settings:
    return Settings.load(CREDENTIALS | variables, None)


def refusal(environ: dict[str, str], env: Path | None = None) -> tuple[str, ...]:
    """Return the lines with which a configuration is refused."""
    with pytest.raises(SettingsError) as caught:
        Settings.load(environ, env)
    return caught.value.problems


def write_env(folder: Path, text: str | bytes) -> Path:
    """Write a `.env` file beside a server, and return its path."""
    path = folder / "server" / ".env"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path
