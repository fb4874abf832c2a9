"""The command `translation-server`.

`serve` is for users: granian, any number of workers, TLS; with the sample password on loopback only, without asking
strangers which address they come from, and out within ten seconds when told to stop. `simulate` is for testers: one
process on uvicorn, whose clock and faults can be set while it runs.

Exit status:

* 0: told to stop (SIGINT, SIGTERM), and stopped; `simulate` ends by the signal SIGTERM itself.
* 1: the port cannot be had, or a worker died again right after it was started again.
* 2: a configuration or an option that is wrong, or no command, which shows the help on the error output.

Those of `report` are in its module.
"""

from __future__ import annotations

import argparse
import ipaddress
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

from translation_server._version import __version__
from translation_server.config.settings import Settings, SettingsError
from translation_server.jobs.numbers import to_count, to_number
from translation_server.simulator.report import command

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from translation_server.vendors.format import Format

_STOPPED: Final = 0
_FAILED: Final = 1
_WRONG: Final = 2
_MOST_WORKERS: Final = 256
_LAST_PORT: Final = 65_535
_LONGEST_TIMEOUT: Final = 600.0  # seconds
_KEEP_ALIVE: Final = 75  # seconds; longer than clients keep idle connections, so that none closes under a request
_STOP_TIMEOUT: Final = 7  # seconds for answers under way; held requests are told to come again before
_FASTEST: Final = 1_000_000
_CLOCKS: Final = {"real": "1", "stepped": "0"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status.

    Args:
        arguments: those of the command line; by default this process's.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help(sys.stderr)
        return _WRONG
    try:
        status: int = options.run(options)
    except SettingsError as error:
        _print(str(error), sys.stderr)
        return _WRONG
    except OSError as error:
        _print(error.strerror or str(error), sys.stderr)
        return _FAILED
    except KeyboardInterrupt:
        return _STOPPED
    return status


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens there; names other than localhost may mean anything."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def refusals(settings: Settings, host: str, workers: int) -> Iterator[str]:
    """Say in a line each why this configuration may not be served to users like this."""
    yield from _exposures(settings, host)
    if settings.database_url == "sqlite:///:memory:" and workers > 1:
        yield "DATABASE_URL is sqlite:///:memory:, of which every worker would have its own: serve it with --workers 1"
    if used := " and ".join(settings.test_instruments):
        yield f"{used}: for tests, not for users: translation-server simulate serves with it"


def _exposures(settings: Settings, host: str) -> Iterator[str]:
    if settings.has_sample_password and not is_loopback(host):
        yield f"API_PASSWORD is the one of .env.example, which everyone can read: choose your own to serve on {host}"


def _serve(options: argparse.Namespace) -> int:
    settings = _load(options.env_file)
    if refused := tuple(refusals(settings, options.host, options.workers)):
        raise SettingsError(refused)
    from translation_server import serve  # noqa: PLC0415 - takes time, which the other commands do not need

    listener = serve.Listener(
        host=options.host,
        port=options.port,
        http=options.http,
        tls_cert=options.tls_cert,
        tls_key=options.tls_key,
        header_timeout=options.header_timeout,
        trusted_proxies=options.trusted_proxies,
    )
    serve.serve(settings, _env_file(options.env_file), listener, options.workers)
    return _STOPPED


def _simulate(options: argparse.Namespace) -> int:
    given = {
        "FAULTS": options.faults,
        "FORMATS": options.formats,
        "CLOCK_SPEED": options.clock,
        "CONTROL_API": "on",
    }
    settings = _load(options.env_file, **{name: value for name, value in given.items() if value is not None})
    if refused := tuple(_exposures(settings, options.host)):
        raise SettingsError(refused)
    import uvicorn  # noqa: PLC0415 - takes time, which the other commands do not need

    from translation_server.app import create_app, formats_of  # noqa: PLC0415 - likewise
    from translation_server.observability import log_file  # noqa: PLC0415 - likewise
    from translation_server.testing.uvicorn_server import listen  # noqa: PLC0415 - likewise

    with listen(options.host, options.port) as sock:
        log_file.configure(settings)
        config = uvicorn.Config(
            create_app(settings),
            http="h11",
            ws="none",
            log_config=None,
            log_level="info",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_graceful_shutdown=_STOP_TIMEOUT,
        )
        for line in _welcome(settings, formats_of(settings), *sock.getsockname()[:2]):
            _print(line, sys.stderr)
        uvicorn.Server(config).run(sockets=[sock])
    return _STOPPED


def _welcome(settings: Settings, formats: Iterable[Format], host: str, port: int) -> Iterator[str]:
    """Say where a simulator is, and what is special about it."""
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    yield f"The simulator is running on {url} (pid {os.getpid()})"
    yield f"  user         {settings.api_username or 'those of HTPASSWD_FILE'}"
    yield f"  control API  {url}/simulator/…, documented at {url}/docs"
    yield f"  report card  translation-server report --base-url {url}"
    yield f"  clock        {_clock_in_words(settings.clock_speed)}"
    yield f"  faults       {settings.faults or 'none yet'}"
    for mount in dict.fromkeys(form.mount for form in formats):
        yield f"  {mount:<11}  {url}/{mount}, API key {settings.api_username or 'USERNAME'}:PASSWORD"


def _clock_in_words(speed: float) -> str:
    match speed:
        case 0:
            return "stepped: stands still until it is advanced"
        case 1:
            return "real, and can be advanced"
    return f"{speed:g} times as fast"


def _check_config(options: argparse.Namespace) -> int:
    settings = _load(options.env_file)
    from translation_server.app import formats_of  # noqa: PLC0415 - takes time, as above
    from translation_server.middleware.users import accounts_of  # noqa: PLC0415 - likewise
    from translation_server.simulator.configured import faults_of  # noqa: PLC0415 - likewise

    accounts_of(settings)
    faults_of(settings)
    formats_of(settings)
    for name, value in settings.effective().items():
        _print(f"{name}={value}")
    if settings.has_sample_password:
        _print("API_PASSWORD is the one of .env.example: it is served on loopback only", sys.stderr)
    return _STOPPED


def _load(env_file: Path | None, **overrides: str) -> Settings:
    if env_file is not None and not env_file.is_file():
        raise SettingsError((f"--env-file is {str(env_file)!r}: there is no such file",))
    return Settings.load(os.environ | overrides, _env_file(env_file))


def _env_file(given: Path | None) -> Path:
    return (given or Path(".env")).absolute()


def _print(text: str, where: TextIO | None = None) -> None:
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
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    where.add_argument("--port", type=_port, default=8000, help="0: any free one (default: %(default)s)")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    _add_serve(commands.add_parser("serve", parents=[where, common], help="run the server"))
    simulate = commands.add_parser(
        "simulate", parents=[where, common], help="run a server for tests, which goes wrong on purpose"
    )
    simulate.add_argument(
        "--faults", metavar="RULES", help="what goes wrong from the beginning: '503 rate=0.1; reset times=2'"
    )
    simulate.add_argument(
        "--formats",
        metavar="NAMES",
        help="other services' APIs, each below its name: heygen,replicate; or all; or your own: package.module:NAME",
    )
    simulate.add_argument(
        "--clock",
        type=_clock,
        metavar="CLOCK",
        help="real, stepped (stands still until it is advanced), or a speed: 60",
    )
    simulate.set_defaults(run=_simulate)
    check = commands.add_parser(
        "check-config", parents=[common], help="show the configuration in force, secrets masked"
    )
    check.set_defaults(run=_check_config)
    command.add_to(commands)
    commands.choices["report"].set_defaults(run=command.run)
    return parser


def _add_serve(serve: argparse.ArgumentParser) -> None:
    serve.add_argument("--workers", type=_workers, default=1, metavar="N", help="processes (default: %(default)s)")
    serve.add_argument(
        "--http",
        choices=["1", "2", "auto"],
        default="1",
        help="HTTP version; with 2 and auto, connections that stay silent are never closed (default: %(default)s)",
    )
    serve.add_argument("--tls-cert", type=Path, metavar="FILE", help="certificate and its chain, PEM")
    serve.add_argument("--tls-key", type=Path, metavar="FILE", help="its private key, PEM, not encrypted")
    serve.add_argument(
        "--header-timeout",
        type=_timeout,
        default=10.0,
        metavar="SECONDS",
        help="close a connection on which no request begins for so long, or on which its head takes as long "
        "(default: %(default)g)",
    )
    serve.add_argument(
        "--trusted-proxies",
        type=_proxies,
        metavar="ADDRESSES",
        help="believe X-Forwarded-For and X-Forwarded-Proto from these addresses and networks, comma-separated, or * "
        "(default: from nobody)",
    )
    serve.set_defaults(run=_serve)


def _port(text: str) -> int:
    return _whole(text, 0, _LAST_PORT)


def _workers(text: str) -> int:
    return _whole(text, 1, _MOST_WORKERS)


def _whole(text: str, least: int, most: int) -> int:
    try:
        return to_count(text, least, most)
    except ValueError:
        raise argparse.ArgumentTypeError(f"allowed is a whole number from {least} to {most}, not {text!r}") from None


def _timeout(text: str) -> float:
    try:
        seconds = to_number(text)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= _LONGEST_TIMEOUT:
        raise argparse.ArgumentTypeError(f"allowed is a number of seconds from 1 to {_LONGEST_TIMEOUT:g}, not {text!r}")
    return seconds


def _clock(text: str) -> str:
    """Return the ``CLOCK_SPEED`` of a clock."""
    speed = _CLOCKS.get(text, text)
    try:
        is_allowed = 0 <= to_number(speed) <= _FASTEST
    except ValueError:
        is_allowed = False
    if not is_allowed:
        raise argparse.ArgumentTypeError(f"allowed is real, stepped, or a speed up to {_FASTEST}, not {text!r}")
    return speed


def _proxies(text: str) -> str:
    """Return the proxies; those with IPv4 addresses also as a listener on IPv6 sees them (RFC 4291, 2.5.5.2)."""
    names = [name.strip() for name in text.split(",")]
    mapped = []
    for name in names if names != ["*"] else ():
        try:
            network = ipaddress.ip_network(name)
        except ValueError:
            allowed = "addresses and networks such as 10.0.0.7,10.1.0.0/16, or *"
            raise argparse.ArgumentTypeError(f"allowed are {allowed}, not {name!r}") from None
        if network.version == 4:  # noqa: PLR2004 - IPv4
            mapped.append(f"::ffff:{network.network_address}/{96 + network.prefixlen}")
    return ",".join(names + mapped)
