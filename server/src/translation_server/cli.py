"""The command `translation-server`.

It serves as an operator should, and as `uvicorn main:app` does not by itself: with the sample password on loopback
only, without asking strangers which address they come from, and out within ten seconds when told to stop.

Exit status: 2 for a configuration or an option that is wrong, or no command, which shows the help on the error output;
otherwise that of uvicorn or of `report_command`.
"""

import argparse
import ipaddress
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TextIO

import uvicorn

from translation_server._version import __version__
from translation_server.app import create_app
from translation_server.asgi import ENV_FILE, WRONG_CONFIGURATION
from translation_server.config.settings import Settings, SettingsError
from translation_server.middleware.users import accounts_of
from translation_server.simulator.configured import faults_of, for_one_process
from translation_server.simulator.report import command

_KEEP_ALIVE: Final = (
    75  # seconds; longer than load balancers keep idle connections, so that none closes under a request
)
DRAINED_AFTER: Final = 7  # seconds
_BACKLOG: Final = 4096  # connections that arrive at once
_MOST_WORKERS: Final = 256
_LAST_PORT: Final = 65_535


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status.

    Args:
        arguments: those of the command line; by default this process's.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help(sys.stderr)
        return WRONG_CONFIGURATION
    if options.command == "report":
        return command.run(options)
    try:
        settings = _load(options.env_file)
        if options.command == "serve":
            _serve(settings, options)
        else:
            _check_config(settings)
    except SettingsError as error:
        _say(str(error), sys.stderr)
        return WRONG_CONFIGURATION
    return 0


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens there; names other than localhost may mean anything."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def refusals(settings: Settings, host: str, workers: int) -> Iterator[str]:
    """Say in a line each why this configuration may not be served like this."""
    if settings.has_sample_password and not is_loopback(host):
        yield f"API_PASSWORD is the one of .env.example, which everyone can read: choose your own to serve on {host}"
    if settings.database_url == "sqlite:///:memory:" and workers > 1:
        yield "DATABASE_URL is sqlite:///:memory:, of which every worker would have its own: serve it with --workers 1"
    for name in for_one_process(settings) if workers > 1 else ():
        yield f"{name} is for one process, and every worker would have its own: serve it with --workers 1"


def _serve(settings: Settings, options: argparse.Namespace) -> None:
    if refused := tuple(refusals(settings, options.host, options.workers)):
        raise SettingsError(refused)
    if options.workers > 1:
        create_app(settings)  # whatever is wrong is said here, once, rather than by each worker
    os.environ[ENV_FILE] = str(_env_file(options.env_file))
    uvicorn.run(
        "translation_server.asgi:worker_app",
        factory=True,
        host=options.host,
        port=options.port,
        workers=options.workers,
        timeout_graceful_shutdown=DRAINED_AFTER,
        timeout_keep_alive=_KEEP_ALIVE,
        backlog=_BACKLOG,
        access_log=False,
        server_header=False,
        ws="none",
        **_proxies(options.trusted_proxies),
    )


def _proxies(trusted: str | None) -> dict[str, Any]:
    """Believe what these say about where a request comes from, and nobody else."""
    if trusted is None:
        return {"proxy_headers": False}
    return {"proxy_headers": True, "forwarded_allow_ips": trusted}


def _check_config(settings: Settings) -> None:
    accounts_of(settings)
    faults_of(settings)
    for name, value in settings.effective().items():
        _say(f"{name}={value}")
    if settings.has_sample_password:
        _say("API_PASSWORD is the one of .env.example: it is served on loopback only", sys.stderr)


def _load(env_file: Path | None) -> Settings:
    if env_file is not None and not env_file.is_file():
        raise SettingsError((f"--env-file is {str(env_file)!r}: there is no such file",))
    return Settings.load(os.environ, _env_file(env_file))


def _env_file(given: Path | None) -> Path:
    return (given or Path(".env")).absolute()


def _say(text: str, where: TextIO | None = None) -> None:
    print(text, file=where)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="translation-server", description="The video translation job service.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--env-file",
        type=Path,
        metavar="FILE",
        help="configuration, over which the environment wins (default: .env in the current folder, if there is one); "
        "relative paths in it are meant from its folder",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    serve = commands.add_parser("serve", parents=[common], help="run the server")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    serve.add_argument("--port", type=_port, default=8000, help="0: any free one (default: %(default)s)")
    serve.add_argument("--workers", type=_workers, default=1, metavar="N", help="processes (default: %(default)s)")
    serve.add_argument(
        "--trusted-proxies",
        metavar="ADDRESSES",
        help="believe X-Forwarded-For and X-Forwarded-Proto from these, comma-separated (default: from nobody)",
    )
    commands.add_parser("check-config", parents=[common], help="show the configuration in force, secrets masked")
    command.add_to(commands)
    return parser


def _port(text: str) -> int:
    return _whole(text, 0, _LAST_PORT)


def _workers(text: str) -> int:
    return _whole(text, 1, _MOST_WORKERS)


def _whole(text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit() and least <= int(text[:9]) <= most):
        raise argparse.ArgumentTypeError(f"allowed is a whole number from {least} to {most}, not {text!r}")
    return int(text)
