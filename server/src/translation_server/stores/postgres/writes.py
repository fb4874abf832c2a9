"""Transactions in PostgreSQL: any number of requests, written in a handful of statements.

Whoever writes anything of an owner holds the lock on the owner's row until the commit. So places in the order of ending
have no gaps and become visible in order, pending jobs are counted right, and a key that is not found under the lock is
new. The store's row, which holds the ordinal, is locked last, and by starts only. Rows are locked in the order of the
owners' names, so that no two transactions wait for each other.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING

from translation_server.jobs.model import CANCELLED, CANCELLED_MESSAGE, Draft, Job, Status
from translation_server.stores.postgres import sql
from translation_server.stores.postgres.changes import ENDED, HASTENED
from translation_server.stores.protocol import Accepted, Cancelled, KeyTaken, StoreUnavailableError, TooMany
from translation_server.stores.records import Owner, to_job

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from translation_server.stores.postgres.changes import Changes
    from translation_server.stores.postgres.connections import Connection


@dataclass(slots=True, eq=False)
class Insert:
    """A start, see ``JobStore.insert``; a value, so that it can be repeated.

    Attributes:
        made: Ids of the jobs made of the draft in transactions of which nobody knows whether they were committed.
    """

    draft: Draft
    make: Callable[[Draft, int], Job]
    limit: int
    made: list[str] = field(default_factory=list)

    @property
    def owner(self) -> str:
        """Whose job it is."""
        return self.draft.owner

    @property
    def name(self) -> Hashable:
        """The same for two starts that may get only one job."""
        return self if self.draft.key is None else (self.draft.owner, self.draft.key)

    def answer(self, job: Job, fingerprint: bytes | None) -> Accepted | KeyTaken:
        """Return the answer, now that there is a job of that name."""
        if fingerprint != self.draft.fingerprint:
            return KeyTaken(job.job_id)
        return Accepted(job, replayed=job.job_id not in self.made)


@dataclass(frozen=True, slots=True, eq=False)
class Settle:
    """See ``JobStore.settle``."""

    owner: str
    now: float


@dataclass(frozen=True, slots=True, eq=False)
class Cancel:
    """See ``JobStore.cancel``."""

    owner: str
    job_id: str
    now: float


@dataclass(slots=True, eq=False)
class Delete:
    """See ``JobStore.delete``; a value, so that it can be repeated.

    Attributes:
        done: Whether it deleted the job, perhaps in a transaction of which nobody knows whether it was committed.
    """

    owner: str
    job_id: str
    done: bool = False


Write = Insert | Settle | Cancel | Delete
Answer = Accepted | KeyTaken | TooMany | Cancelled | bool | tuple[str, ...]


class Transaction:
    """Writes that are committed together or not at all.

    After ``commit`` has raised anything, the connection must be ended. Whether the writes were committed is unknown
    then; the same writes in another transaction find it out, because they wait for the locks of this one.

    Args:
        connection: A connection with no transaction open.
        changes: Makes the notifications of other processes.
    """

    def __init__(self, connection: Connection, changes: Changes) -> None:
        self._connection = connection
        self._changes = changes
        self._owners: dict[str, Owner] = {}
        self._endings_before: dict[str, int] = {}
        self._ended: dict[str, tuple[str, ...]] = {}
        self._answers: dict[Write, Answer] = {}
        self._hastened: set[str] = set()

    async def commit(self, writes: Sequence[Write]) -> Sequence[Answer]:
        """Carry out the writes, and return the answer to each."""
        await self._connection.execute(sql.BEGIN)
        await self._lock(sorted({write.owner for write in writes}))
        await self._settle(self._moments(writes))
        for write in writes:
            if isinstance(write, Settle):
                self._answers[write] = self._ended.pop(write.owner, ())
        await self._cancel([write for write in writes if isinstance(write, Cancel)])
        await self._delete([write for write in writes if isinstance(write, Delete)])
        await self._accept([write for write in writes if isinstance(write, Insert)])
        await self._finish()
        return [self._answers[write] for write in writes]

    @property
    def endings(self) -> Mapping[str, tuple[int, int]]:
        """Of each owner whose jobs ended: the last place in the order of ending before, and now."""
        endings = ((name, self._endings_before[name], owner.endings) for name, owner in self._owners.items())
        return {name: (before, now) for name, before, now in endings if now > before}

    async def _lock(self, names: Sequence[str]) -> None:
        rows = await self._connection.fetch(sql.LOCK_OWNERS, names)
        if len(rows) < len(names):
            await self._connection.execute(sql.ADD_OWNERS, names)
            rows = await self._connection.fetch(sql.LOCK_OWNERS, names)
        self._owners = {name: Owner(*counters) for name, *counters in rows}
        self._endings_before = {name: owner.endings for name, owner in self._owners.items()}

    def _moments(self, writes: Sequence[Write]) -> Mapping[str, float]:
        """Return the owners whose jobs are to be settled, and until which moment."""
        starts = Counter(write.owner for write in writes if isinstance(write, Insert))
        moments: defaultdict[str, float] = defaultdict(float)
        for write in writes:
            match write:
                case Insert(draft, _, limit):
                    # Perhaps some have ended, which is worth finding out only if there are too many otherwise.
                    if self._owners[draft.owner].unsettled + starts[draft.owner] > limit:
                        moments[draft.owner] = max(moments[draft.owner], draft.created_at)
                case Settle(owner, now) | Cancel(owner, _, now):
                    moments[owner] = max(moments[owner], now)
        return moments

    async def _settle(self, moments: Mapping[str, float]) -> None:
        if not moments:
            return
        endings = [self._owners[name].endings for name in moments]
        rows = await self._connection.fetch(sql.SETTLE, list(moments), list(moments.values()), endings)
        ended: defaultdict[str, list[str]] = defaultdict(list)
        for name, job_id, _, outcome in sorted(rows, key=itemgetter(0, 2)):
            self._owners[name].end(outcome)
            ended[name].append(job_id)
        self._ended = {name: tuple(job_ids) for name, job_ids in ended.items()}

    async def _cancel(self, cancels: Sequence[Cancel]) -> None:
        if not cancels:
            return
        rows = await self._connection.fetch(sql.BY_ID, [cancel.job_id for cancel in cancels])
        jobs = {job.job_id: job for job in map(to_job, rows)}
        cancelled: list[Job] = []
        for cancel in cancels:
            job, ended = jobs.get(cancel.job_id), self._ended.pop(cancel.owner, ())
            if job is not None and job.owner != cancel.owner:
                job = None
            elif job is not None and job.status_at(cancel.now) is Status.PENDING:
                job = jobs[job.job_id] = self._cancelled(job, cancel.now)
                cancelled.append(job)
                ended += (job.job_id,)
            self._answers[cancel] = Cancelled(job, ended)
        values = ([job.job_id for job in cancelled], [job.ends_at for job in cancelled], [j.ending for j in cancelled])
        if cancelled:
            await self._connection.execute(sql.CANCEL, CANCELLED, CANCELLED_MESSAGE, *values)

    def _cancelled(self, job: Job, now: float) -> Job:
        return job._replace(
            outcome=Status.ERROR,
            error_code=CANCELLED,
            error_message=CANCELLED_MESSAGE,
            ends_at=max(now, job.created_at),
            ending=self._owners[job.owner].end(Status.ERROR),
        )

    async def _delete(self, deletes: Sequence[Delete]) -> None:
        if not deletes:
            return
        first = {(delete.owner, delete.job_id): delete for delete in reversed(deletes)}
        for owner, job_id, outcome in await self._connection.fetch(sql.DELETE, *map(list, zip(*first, strict=True))):
            self._owners[owner].count(outcome, -1)
            first[owner, job_id].done = True
        self._answers |= {delete: delete.done for delete in deletes}

    async def _accept(self, inserts: Sequence[Insert]) -> None:
        known = await self._find(inserts)
        new: dict[Hashable, Insert] = {}
        for insert in inserts:
            owner = self._owners[insert.owner]
            if insert.name in known or insert.name in new:
                continue
            if owner.unsettled >= insert.limit:
                self._answers[insert] = TooMany()
            else:
                owner.accept()
                new[insert.name] = insert
        jobs = await self._insert(list(new.values()))
        for insert, job in zip(new.values(), jobs, strict=True):
            known[insert.name] = job, insert.draft.fingerprint
        for insert in inserts:
            if insert not in self._answers:
                self._answers[insert] = insert.answer(*known[insert.name])

    async def _find(self, inserts: Sequence[Insert]) -> dict[Hashable, tuple[Job, bytes | None]]:
        """Return the jobs that exist already: under the same keys, or as an earlier attempt was committed after all."""
        known: dict[Hashable, tuple[Job, bytes | None]] = {}
        keyed = [insert.draft for insert in inserts if insert.draft.key is not None]
        if keyed:
            names = [draft.owner for draft in keyed], [draft.key for draft in keyed]
            for key, fingerprint, *row in await self._connection.fetch(sql.BY_KEY, *names):
                job = to_job(row)
                known[job.owner, key] = job, fingerprint
        made = {job_id: insert for insert in inserts for job_id in insert.made}
        if made:
            for job in map(to_job, await self._connection.fetch(sql.BY_ID, list(made))):
                known[made[job.job_id].name] = job, made[job.job_id].draft.fingerprint
        return known

    async def _insert(self, inserts: Sequence[Insert]) -> Sequence[Job]:
        if not inserts:
            return ()
        last = await self._connection.fetchval(sql.ORDINALS, len(inserts))
        first = last - len(inserts) + 1
        jobs = [insert.make(insert.draft, ordinal) for ordinal, insert in enumerate(inserts, start=first)]
        for insert, job in zip(inserts, jobs, strict=True):
            insert.made.append(job.job_id)
        # Each column is an array. A job's last field, its ending, is left out: it has none yet.
        columns = [*zip(*jobs, strict=True)][:-1]
        keys = [insert.draft.key for insert in inserts], [insert.draft.fingerprint for insert in inserts]
        self._hastened = {name for (name,) in await self._connection.fetch(sql.INSERT, *columns, *keys)}
        return jobs

    async def _finish(self) -> None:
        changed = {name: owner for name, owner in self._owners.items() if owner.changed}
        if changed:
            rows = [(o.endings, o.unsettled, o.completed, o.errors) for o in changed.values()]
            values = list(changed), *map(list, zip(*rows, strict=True)), self._changes.channel, self._notifications()
            await self._connection.execute(sql.FINISH, *values)
        if await self._connection.execute("COMMIT") != "COMMIT":
            raise StoreUnavailableError("the transaction was rolled back")

    def _notifications(self) -> Sequence[str]:
        events = dict.fromkeys(self._hastened, HASTENED) | dict.fromkeys(self.endings, ENDED)  # which says both
        return [self._changes.to_payload(event, name) for name, event in events.items()]
