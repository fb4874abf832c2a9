"""A file system that records what SQLite writes and when it syncs, and the disk image that a power cut would leave.

The model: what was written before a file's last sync is there. Of what was written since, each sector is there or not,
independently. Until the next sync of any file, a deletion may be lost: file systems keep the order of such changes.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw

if TYPE_CHECKING:
    import random

_DELETED = -1
_SECTOR = 512
VFS = "recording"


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a file: bytes at an offset, a new length (below 0: a deletion), or else a sync."""

    file: str
    offset: int = 0
    data: bytes | None = None
    length: int | None = None

    @property
    def is_sync(self) -> bool:
        """Whether everything before it is on the disk."""
        return self.data is None and self.length is None


class Recorder:
    """All events in their order; the number of events so far says when something else happened."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._deleted: set[str] = set()
        self._lock = threading.Lock()
        self._vfs = _Vfs(self)

    def add(self, event: Event) -> None:
        """Append an event."""
        with self._lock:
            self.events.append(event)
            if event.length == _DELETED:
                self._deleted.add(event.file)
            if event.is_sync:
                self.events += map(Event, self._deleted)
                self._deleted.clear()

    def connect(self, path: str) -> apsw.Connection:
        """Return a connection whose writes are recorded."""
        return apsw.Connection(path, vfs=VFS)


class _Vfs(apsw.VFS):
    def __init__(self, recorder: Recorder) -> None:
        super().__init__(VFS, "")
        self._recorder = recorder

    def xOpen(self, name: Any, flags: list[int]) -> Any:  # noqa: ANN401, N802 - the interface of SQLite
        return _File(self._recorder, name, flags)

    def xDelete(self, name: str, syncdir: bool) -> None:  # noqa: FBT001, N802 - as above
        super().xDelete(name, syncdir)
        self._recorder.add(Event(Path(name).name, length=_DELETED))
        if syncdir:
            self._recorder.add(Event(Path(name).name))


class _File(apsw.VFSFile):
    def __init__(self, recorder: Recorder, name: Any, flags: list[int]) -> None:  # noqa: ANN401 - as above
        super().__init__("", name, flags)
        self._recorder = recorder
        self._name = Path(name.filename() if isinstance(name, apsw.URIFilename) else str(name)).name

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - the interface of SQLite
        super().xWrite(data, offset)
        self._recorder.add(Event(self._name, offset, bytes(data)))

    def xTruncate(self, size: int) -> None:  # noqa: N802 - as above
        super().xTruncate(size)
        self._recorder.add(Event(self._name, length=size))

    def xSync(self, flags: int) -> None:  # noqa: N802 - as above
        super().xSync(flags)
        self._recorder.add(Event(self._name))


def after_power_cut(events: list[Event], choices: random.Random) -> tuple[dict[str, bytes], int]:
    """Return the files as they are if the power fails after these events, and the number of unsynced sectors lost."""
    files: dict[str, bytes] = {}
    lost = 0
    for name in sorted({event.file for event in events}):
        mine = [event for event in events if event.file == name]
        synced = max((number for number, event in enumerate(mine) if event.is_sync), default=-1)
        late = [part for event in mine[synced + 1 :] for part in _sectors(event)]
        kept = [part for part in late if choices.random() < 0.5]  # noqa: PLR2004 - there or not
        lost += len(late) - len(kept)
        image = _image([*mine[: synced + 1], *kept])
        if image is not None:
            files[name] = image
    return files, lost


def _image(events: list[Event]) -> bytes | None:
    """Return the content that the events of a file lead to; None if there is no file."""
    image, there = bytearray(), False
    for event in events:
        there = (there or not event.is_sync) and event.length != _DELETED
        if event.data is not None:
            image.extend(b"\0" * (event.offset - len(image)))
            image[event.offset : event.offset + len(event.data)] = event.data
        elif event.length is not None:
            del image[max(0, event.length) :]
    return bytes(image) if there else None


def _sectors(event: Event) -> list[Event]:
    if event.data is None:
        return [event]
    first = event.offset - event.offset % _SECTOR
    ends = range(first + _SECTOR, event.offset + len(event.data) + _SECTOR, _SECTOR)
    parts = []
    for end in ends:
        begin = max(event.offset, end - _SECTOR)
        data = event.data[begin - event.offset : end - event.offset]
        parts.append(Event(event.file, begin, data))
    return parts
