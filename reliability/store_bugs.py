"""Bugs in the stores, most of them in what several servers share: what is right, what stands there instead, who notices."""

# ruff: noqa: E501 - a table, and a row that is folded is harder to compare

from __future__ import annotations

from functools import partial

from bugs import Bug

CONTRACT = ("stores/test_store.py",)
SHARED = ("stores/test_postgres_store.py",)
FAULTS = ("stores/test_postgres_faults.py",)
SCHEMA = ("stores/test_postgres_schema.py",)
GATHERING = ("stores/test_postgres_gathering.py",)
MACHINES = ("tests/test_many_machines.py",)
COMMITS = ("stores/test_group_commit.py",)
FILES = ("stores/test_database_file.py",)
READING = ("stores/test_sqlite_reads.py",)
SERVER = partial(Bug, part="server")
SQL = "stores/postgres/sql.py"
WRITES = "stores/postgres/writes.py"
CHANGES = "stores/postgres/changes.py"
CONNECTIONS = "stores/postgres/connections.py"

STORE_BUGS = (
    # PostgreSQL: one transaction
    SERVER("owners are not locked", SQL, 'ORDER BY owner FOR UPDATE\n"""\nADD', 'ORDER BY owner\n"""\nADD', SHARED),
    SERVER("keys are looked for before the lock", WRITES, "        if keyed:\n", "        if keyed and not self._owners:\n", SHARED),
    SERVER("one transaction, one key, two jobs", WRITES, "insert.name in known or insert.name in new", "insert.name in known", CONTRACT),
    SERVER("the limit counts what has ended unnoticed", WRITES, "> limit:\n", "> 10**9:\n", CONTRACT),
    SERVER("the limit lets one more in", WRITES, "owner.unsettled >= insert.limit", "owner.unsettled > insert.limit", CONTRACT),
    SERVER("ordinals are taken from each server's own count", WRITES, "await self._connection.fetchval(sql.ORDINALS, len(inserts))",
        "await self._connection.fetchval('SELECT coalesce(max(seq), 0) + $1 FROM translation_jobs WHERE owner = $2', len(inserts), inserts[0].draft.owner)", CONTRACT),
    SERVER("places in the order of ending begin anew", WRITES, "self.endings = self.endings_before", "self.endings = 0", CONTRACT),
    SERVER("ends are numbered by acceptance", SQL, "ORDER BY ends_at, seq) AS ending", "ORDER BY seq) AS ending", CONTRACT),
    SERVER("an end that is written down is written again", SQL, "USING (owner) WHERE jobs.ending IS NULL AND", "USING (owner) WHERE", SHARED),
    SERVER("cancelling does not settle first", WRITES, "case Settle(owner, now) | Cancel(owner, _, now):", "case Settle(owner, now):", CONTRACT),
    SERVER("anybody's job can be cancelled", WRITES, "if job is not None and job.owner != cancel.owner:", "if False:", ("stores/test_ownership.py", "stores/test_store.py")),
    SERVER("a cancellation may be before the start", WRITES, "ends_at=max(now, job.created_at)", "ends_at=now - 1", CONTRACT),
    SERVER("a rollback passes for a commit", WRITES, 'await self._connection.execute("COMMIT") != "COMMIT"', 'not await self._connection.execute("ROLLBACK")', CONTRACT),
    SERVER("a session may skip the disk", SQL, "SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'", "SELECT 1", SCHEMA),
    SERVER("counts do not follow what is forgotten", SQL, "SET completed = owners.completed - gone.completed", "SET completed = owners.completed", CONTRACT),
    SERVER("pending jobs are forgotten", SQL, "WHERE owner = owners.owner AND ending IS NOT NULL ORDER BY ending LIMIT $2", "WHERE owner = owners.owner ORDER BY ending LIMIT $2", CONTRACT),
    SERVER("a read knows no owner", "stores/postgres/reads.py", "is not None and job.owner == owner", "is not None", CONTRACT),
    SERVER("a replay begins at the end", SQL, "ends_at < $2::float8 - 3600", "ends_at < $2::float8 + 3600", SHARED),
    # PostgreSQL: an answer that is lost
    SERVER("a repeated transaction forgets what it made", "stores/postgres/writes.py", "insert.made.append(job.job_id)", "pass", FAULTS),
    SERVER("nothing is tried again", CONNECTIONS, "(again and isinstance(error, REPEATABLE))", "False", FAULTS),
    SERVER("all is tried for ever", CONNECTIONS, "or loop.time() + pause >= deadline", "", FAULTS),
    SERVER("those who gathered wait once more", "stores/postgres/gathering.py", "for asked in [*batch, *self._take()]:", "for asked in batch:", GATHERING),
    SERVER("one bad write takes others with it", "stores/postgres/gathering.py", "if len(batch) == 1:", "if batch:", GATHERING),
    # PostgreSQL: what others write
    SERVER("a server hears itself", CHANGES, "        if sender == self.sender:\n            return\n", "", SHARED),
    SERVER("only notifications are believed", CHANGES, "        except TimeoutError:\n            self._look_for(_EVERYTHING)\n", "        except TimeoutError:\n            pass\n", SHARED),
    SERVER("a gap is not looked into", CHANGES, "self._gap = True\n                self._look_for(_EVERYTHING)", "self._gap = False", SHARED),
    SERVER("what ended before listening is forgotten", CHANGES, "self._ended = {_EVERYTHING}", "self._ended = set()", SHARED),
    SERVER("a name that is too long breaks the start", CHANGES, "if len(payload.encode()) <= _LARGEST_PAYLOAD else _EVERYTHING", "", SHARED),
    SERVER("all stores of a database share a channel", "stores/postgres/store.py", 'f"translation_{identity}"', '"translation"', SHARED),
    SERVER("a job that hastens the next end is not told", WRITES, "dict.fromkeys(self._hastened, HASTENED)", "dict.fromkeys((), HASTENED)", SHARED),
    # PostgreSQL: its tables
    SERVER("servers that start at once race", "stores/postgres/schema.py", "; SELECT pg_advisory_xact_lock({_LOCK})", "", SCHEMA),
    SERVER("newer tables are used", "stores/postgres/schema.py", "if rows[0][1] > VERSION:", "if False:", SCHEMA),
    SERVER("somebody else's tables are used", "stores/postgres/schema.py", "rows[0][0] != _OURS", "False", SCHEMA),
    SERVER("a migration is half done", "stores/postgres/schema.py", '_BEGIN = f"BEGIN; SET LOCAL', '_BEGIN = f"SET LOCAL', SCHEMA),
    SERVER("the error repeats the URL", CONNECTIONS, "raise StoreError(_MALFORMED) from None", 'raise StoreError(f"{_MALFORMED}: {url}") from None', SCHEMA),
    # two servers, one database, a balancer
    SERVER("cancellations stay where they were made", CHANGES, "        else:\n            self._look_for(owner)\n", "        else:\n            pass\n", SHARED),
    SERVER("nothing is heard of others", CHANGES, "                            yield change\n", "                            self._ended.discard(change.owner)\n                    yield Change('', None)\n", MACHINES),
    SERVER("each server has its own end of a job", SQL, "created_at, ends_at, _OUTCOMES", "created_at, ends_at + __import__('os').getpid() % 7, _OUTCOMES", MACHINES),
    SERVER("each server knows its own keys only", WRITES, "        if keyed:\n", "        if False:\n", MACHINES),
    # calls in turn
    SERVER("a crowd goes on all at once", "stores/fair_queue.py", "min(_CALLS_PER_ROUND, len(self._waiting))", "len(self._waiting)", ("stores/test_fair_queue.py",)),
    SERVER("a call that fails stops those behind it", "stores/fair_queue.py", "        finally:  # a call", "        except ImportError:\n            pass\n        else:  # a call", ("stores/test_fair_queue.py",)),
    # SQLite
    SERVER("a failed transaction is left open", "stores/sqlite/writer.py", "            transaction.finish()\n        except BaseException:\n            self._roll_back()\n", "            transaction.finish()\n        except BaseException:\n", COMMITS),
    SERVER("a failed commit is left open", "stores/sqlite/writer.py", "            self._changes.take_back()\n            self._roll_back()\n", "            self._changes.take_back()\n", COMMITS),
    SERVER("one commit a write", "stores/sqlite/group_commit.py", "_LARGEST_BATCH = 128", "_LARGEST_BATCH = 1", COMMITS),
    SERVER("starts are acknowledged before they are committed", "stores/sqlite/group_commit.py", "            self._hand_over(tasks, partial(self._writer.commit, made, begun))", "            self._tell(tasks, made)\n            self._hand_over(tasks, partial(self._writer.commit, made, begun))", COMMITS),
    SERVER("the event loop waits for other processes", "stores/sqlite/group_commit.py", "        writer.wait_for_others(0.0)\n        self._jobs", "        self._jobs", COMMITS),
    SERVER("a lock of others is a failure", "stores/sqlite/writer.py", "        self.wait_for_others(database_file.BUSY_TIMEOUT)\n", "", COMMITS),
    SERVER("long writes hold up the event loop", "stores/sqlite/group_commit.py", "all(task.is_short for task in tasks)", "tasks", COMMITS),
    SERVER("two batches use one connection", "stores/sqlite/group_commit.py", "        self._is_busy = True\n        self._jobs", "        self._jobs", COMMITS),
    SERVER("a key of the same transaction is overlooked, SQLite", "stores/sqlite/writes.py", "if (draft.owner, draft.key) in self._new_keys:", "if False:", COMMITS),
    SERVER("a new job is not found in its transaction, SQLite", "stores/sqlite/writes.py", "        self._insert_new()\n        due =", "        due =", COMMITS),
    SERVER("what others wrote is not read", "stores/sqlite/reads.py", "if counted != self._seen:", "if not self._records:", READING),
    SERVER("nobody looks again whether others wrote", "stores/sqlite/reads.py", "            self._look(self._changes)\n", "            self._look(self._changes) if self._seen < 0 else None\n", READING),
    SERVER("a round never ends", "stores/sqlite/reads.py", "        self._is_certain = False\n\n    def _find", "        pass\n\n    def _find", READING),
    SERVER("a record is read each time", "stores/sqlite/reads.py", "            self._records[job_id] = job\n", "", READING),
    SERVER("records fill the memory", "stores/sqlite/reads.py", "if len(self._records) >= _MOST_KEPT:", "if False:", READING),
    SERVER("large records are kept", "stores/sqlite/reads.py", " and len(job.metadata) <= _LONGEST_KEPT", "", READING),
    SERVER("a store in memory overlooks its own writes", "stores/sqlite/store.py", "changes if self._shared else None", "changes", CONTRACT),
    SERVER("what others changed passes for one's own", "stores/sqlite/changes.py", "            if made is None:\n                return None\n", "            if made is None:\n                return changed\n", ("stores/test_sqlite_changes.py", "stores/test_sqlite_reads.py")),
    SERVER("a transaction that failed keeps its number", "stores/sqlite/writer.py", "            self._changes.take_back()\n", "", READING),
    SERVER("nobody knows what he changed himself", "stores/sqlite/changes.py", "            self._made[before] = after, job_ids\n", "            pass\n", READING),
    SERVER("one's own changes are told as others'", "stores/sqlite/writes.py", "        if job_ids and not self._changed:\n", "        if job_ids:\n", READING),
    SERVER("an end is no change", "stores/sqlite/writes.py", "        self._will_change(ended)\n", "        self._will_change(ended[:-1])\n", READING),
    SERVER("a cancellation is no change", "stores/sqlite/writes.py", "        self._will_change([job_id])\n", "        self._will_change(['other'])\n", READING),
    SERVER("a deletion is no change", "stores/sqlite/writes.py", "            self._will_change([job_id for *_, job_id in old])\n", "            self._will_change(['other'])\n", READING),
    SERVER("changes are not counted", "stores/sqlite/database_file.py", "AFTER UPDATE ON jobs BEGIN UPDATE store SET changes = changes + 1", "AFTER UPDATE ON jobs BEGIN UPDATE store SET changes = changes", READING),
    SERVER("deletions are not counted", "stores/sqlite/database_file.py", "AFTER DELETE ON jobs BEGIN UPDATE store SET changes = changes + 1", "AFTER DELETE ON jobs BEGIN UPDATE store SET changes = changes", READING),
    SERVER("a foreign file is written to", "stores/sqlite/database_file.py", 'int.from_bytes(header[68:72], "big") != APPLICATION_ID', "False", FILES),
    SERVER("a file of a newer version is used", "stores/sqlite/database_file.py", "if version > VERSION", "if False", FILES),
    SERVER("the file is for everybody", "stores/sqlite/database_file.py", "os.O_CREAT, 0o600", "os.O_CREAT, 0o644", FILES),
    SERVER("a key belongs to all users, SQLite", "stores/sqlite/writes.py", "WHERE owner = ? AND idempotency_key = ?", "WHERE ? <> '' AND idempotency_key = ?", CONTRACT),
    SERVER("ordinals are given twice, SQLite", "stores/sqlite/writes.py", '_ACCEPTED = "SELECT accepted FROM store"', '_ACCEPTED = "SELECT coalesce(max(seq), 0) FROM jobs"', CONTRACT),
    SERVER("an end outlives no clock, SQLite", "stores/sqlite/writes.py", "or job.status_at(now) is not Status.PENDING:", "or job.ends_at <= now:", CONTRACT),
)  # fmt: skip
