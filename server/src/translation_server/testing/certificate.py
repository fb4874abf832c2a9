"""The certificate of an embedded server that speaks https, and the authority of its own that signed it.

Both are made on the spot by the library ``trustme``, so no private key is ever shipped, committed or reused, and no
certificate is out of date one day. The authority stays the same as long as its `Certificate` exists: whoever trusts it
goes on trusting a server that was stopped and started again.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

_NAMES: Final = ("localhost", "127.0.0.1", "::1")
_AUTHORITY: Final = "ca.pem"
_CERTIFICATE: Final = "server.pem"
_NOT_INSTALLED: Final = "TLS needs the library trustme, which makes certificates: pip install 'translation-server[tls]'"


class Certificate:
    """A certificate for ``localhost``, ``127.0.0.1`` and ``::1``; its files are there inside ``with``.

    They are in a folder that only this user can read. Several may be inside at the same time; with the last one the
    folder goes. The next one makes it again, in the same place.

    Raises:
        ModuleNotFoundError: The library ``trustme`` is not installed; the message names the extra that installs it.
    """

    def __init__(self) -> None:
        try:
            import trustme  # noqa: PLC0415 - an extra, which only TLS needs
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(_NOT_INSTALLED, name=error.name) from error
        authority = trustme.CA()
        self._authority = authority.cert_pem.bytes()
        self._certificate = authority.issue_cert(*_NAMES).private_key_and_cert_chain_pem.bytes()
        self._folder: Path | None = None
        self._inside = 0
        self._lock = threading.Lock()  # a server's thread leaves while another one may enter
        self._remove: Callable[[], object] = lambda: None

    def __enter__(self) -> Self:
        with self._lock:
            if self._inside == 0:
                self._write()
            self._inside += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._remove()

    @property
    def ca_file(self) -> str:
        """The authority's own certificate, as the path of a PEM file."""
        return self._path(_AUTHORITY)

    @property
    def server_file(self) -> str:
        """The server's private key and its certificates, as the path of a PEM file."""
        return self._path(_CERTIFICATE)

    def _path(self, name: str) -> str:
        assert self._folder is not None  # noqa: S101 - it is asked for inside `with`
        return str(self._folder / name)

    def _write(self) -> None:
        """Make the folder; it is removed as well when the program ends, or forgets this object, inside ``with``."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="translation-server-"))
        else:
            self._folder.mkdir(mode=0o700)  # which fails if somebody else has taken the name meanwhile
        self._remove = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        (self._folder / _AUTHORITY).write_bytes(self._authority)
        (self._folder / _CERTIFICATE).write_bytes(self._certificate)
