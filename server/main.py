"""The server: `uvicorn main:app`, configured by the environment and the `.env` file beside this one."""

import sys
from pathlib import Path

SERVER = Path(__file__).resolve().parent
sys.path.insert(0, str(SERVER / "src"))  # so that it runs from a checkout, without installation

from translation_server.asgi import configured_app  # noqa: E402 - found only once the path is set

app = configured_app(SERVER / ".env")
