"""A file that several processes append to, and that is begun anew when it is full."""

import contextlib
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

if sys.platform != "win32":
    import fcntl


class RotatingFile:
    """Appends to a file that other processes append to and rotate as well.

    Args:
        path: the file, made with its folder if it is missing; only its owner may read it.
        most_bytes: where a new file is begun.
        old_files: how many are kept beside it, as `name.1` (the newest) and so on.

    Raises:
        OSError: the file cannot be opened.
    """

    def __init__(self, path: Path, most_bytes: int, old_files: int) -> None:
        self._path = path
        self._most_bytes = most_bytes
        self._old_files = old_files
        self._descriptor: int | None = None
        self._follow()

    def write(self, data: bytes) -> None:
        """Append whole lines, with one system call unless the disk is nearly full.

        Raises:
            OSError: they could not be written, or not all of them.
        """
        descriptor = self._follow()
        if self._is_full(descriptor, len(data)):
            with contextlib.suppress(OSError):  # a file that grows too long is better than no line
                self._rotate(len(data))
            descriptor = self._follow()
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]

    def close(self) -> None:
        """Give the file back; the next `write` opens it again."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _follow(self) -> int:
        """Return the descriptor of the file that now has the name: the one before may have been rotated away."""
        if self._descriptor is not None:
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(self._path.stat(), os.fstat(self._descriptor)):
                    return self._descriptor
        self.close()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        found = os.fstat(self._descriptor)
        if stat.S_ISREG(found.st_mode) and found.st_mode & 0o077:
            self._path.chmod(0o600)
        return self._descriptor

    def _is_full(self, descriptor: int, more: int) -> bool:
        found = os.fstat(descriptor)
        return stat.S_ISREG(found.st_mode) and found.st_size > 0 and found.st_size + more > self._most_bytes

    def _rotate(self, more: int) -> None:
        with _only_one(self._path.parent):
            if not self._is_full(self._follow(), more):
                return  # another process was faster
            self.close()
            for number in range(self._old_files - 1, 0, -1):
                with contextlib.suppress(FileNotFoundError):
                    self._old(number).replace(self._old(number + 1))
            self._path.replace(self._old(1))

    def _old(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")


@contextlib.contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Let one process at a time in; where there are no such locks (Windows), several workers need a file each."""
    if sys.platform == "win32":
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
