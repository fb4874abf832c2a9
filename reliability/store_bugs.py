"""Bugs in the stores: the right code, the wrong code, and the tests that must notice."""

# ruff: noqa: E501 - a table, and a row that is folded is harder to compare

from __future__ import annotations

from functools import partial

from bugs import Bug

CONTRACT = ("server/tests/stores/test_store.py",)
SHARED = ("server/tests/stores/test_postgres_store.py",)
FAULTS = ("server/tests/stores/test_postgres_faults.py",)
SCHEMA = ("server/tests/stores/test_postgres_schema.py",)
BATCHING = ("server/tests/stores/test_postgres_batching.py",)
MACHINES = ("tests/test_many_machines.py",)
COMMITS = ("server/tests/stores/test_group_commit.py",)
FILES = ("server/tests/stores/test_database_file.py",)
LOST = ("server/tests/stores/test_lost_file.py",)
READING = ("server/tests/stores/test_sqlite_reads.py",)
DELETION = ("server/tests/stores/test_deletion.py",)
SERVER = partial(Bug, part="server")
SQL = "stores/postgres/sql.py"
WRITES = "stores/postgres/writes.py"
CHANGES = "stores/postgres/changes.py"
CONNECTIONS = "stores/postgres/connections.py"
LITE_FILE = "stores/sqlite/database_file.py"
LITE_WRITES = "stores/sqlite/writes.py"
LITE_READS = "stores/sqlite/reads.py"
LITE_COMMIT = "stores/sqlite/group_commit.py"

STORE_BUGS = (
    # PostgreSQL: one transaction
    SERVER("owners are not locked", SQL, 'ORDER BY owner FOR UPDATE\n"""\nADD', 'ORDER BY owner\n"""\nADD', SHARED),
    SERVER("keys are looked for before the lock", WRITES, "        if keyed:\n", "        if keyed and not self._owners:\n", SHARED),
    SERVER("one transaction, one key, two jobs", WRITES, "insert.name in known or insert.name in new", "insert.name in known", CONTRACT),
    SERVER("the limit counts what has ended unnoticed", WRITES, "> limit:\n", "> 10**9:\n", CONTRACT),
    SERVER("the limit lets one more in", WRITES, "owner.unsettled >= insert.limit", "owner.unsettled > insert.limit", CONTRACT),
    SERVER("ordinals are taken from each server's own count", WRITES, "await self._connection.fetchval(sql.ORDINALS, len(inserts))",
        "await self._connection.fetchval('SELECT coalesce(max(seq), 0) + $1 FROM translation_jobs WHERE owner = $2', len(inserts), inserts[0].draft.owner)", CONTRACT),
    SERVER("places in the order of ending begin anew", WRITES, "Owner(*counters) for", "Owner(0, *counters[1:]) for", CONTRACT),
    SERVER("ends are numbered by acceptance", SQL, "ORDER BY ends_at, seq) AS ending", "ORDER BY seq) AS ending", CONTRACT),
    SERVER("an end that is written down is written again", SQL, "USING (owner) WHERE jobs.ending IS NULL AND", "USING (owner) WHERE", SHARED),
    SERVER("cancelling does not settle first", WRITES, "case Settle(owner, now) | Cancel(owner, _, now):", "case Settle(owner, now):", CONTRACT),
    SERVER("anybody's job can be cancelled", WRITES, "if job is not None and job.owner != cancel.owner:", "if False:", ("server/tests/stores/test_ownership.py", "server/tests/stores/test_store.py")),
    SERVER("a cancellation may be before the start", WRITES, "ends_at=max(now, job.created_at)", "ends_at=now - 1", CONTRACT),
    SERVER("a rollback passes for a commit", WRITES, 'await self._connection.execute("COMMIT") != "COMMIT"', 'not await self._connection.execute("ROLLBACK")', CONTRACT),
    SERVER("a session may skip the disk", SQL, "SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'", "SELECT 1", SCHEMA),
    SERVER("counts do not follow what is forgotten", SQL, "SET completed = owners.completed - gone.completed", "SET completed = owners.completed", CONTRACT),
    SERVER("pending jobs are forgotten", SQL, "WHERE owner = owners.owner AND ending IS NOT NULL ORDER BY ending LIMIT $2", "WHERE owner = owners.owner ORDER BY ending LIMIT $2", CONTRACT),
    SERVER("a read knows no owner", "stores/postgres/reads.py", "is not None and job.owner == owner", "is not None", CONTRACT),
    SERVER("a replay begins at the end", SQL, "ends_at < $2::float8 - 3600", "ends_at < $2::float8 + 3600", SHARED),
    SERVER("pending jobs are deleted", SQL, "jobs.owner = asked.owner AND jobs.ending IS NOT NULL\n    RETURNING", "jobs.owner = asked.owner\n    RETURNING", DELETION),
    SERVER("counts do not follow a deletion", WRITES, "            self._owners[owner].count(outcome, -1)\n", "", DELETION),
    SERVER("a key that is asked for is anybody's", "stores/postgres/reads.py", "jobs = {(job.owner, key): job for", "jobs = {(items[0][0], key): job for", DELETION),
    # PostgreSQL: an answer that is lost
    SERVER("a repeated transaction forgets what it made", "stores/postgres/writes.py", "insert.made.append(job.job_id)", "pass", FAULTS),
    SERVER("a repeated deletion finds nothing", WRITES, "            first[owner, job_id].done = True\n        self._answers |= {delete: delete.done for delete in deletes}",
        "            self._answers[first[owner, job_id]] = True\n        self._answers = {delete: False for delete in deletes} | self._answers", FAULTS),
    SERVER("nothing is tried again", CONNECTIONS, "(retry and isinstance(error, REPEATABLE))", "False", FAULTS),
    SERVER("all is tried for ever", CONNECTIONS, "or loop.time() + pause >= deadline", "", FAULTS),
    SERVER("a standby passes for a mistake of ours", CONNECTIONS, "    asyncpg.ReadOnlySQLTransactionError,  # what was the primary is a standby now\n", "", FAULTS),
    SERVER("those who gathered wait once more", "stores/postgres/batching.py", "for request in [*batch, *self._next_batch()]:", "for request in batch:", BATCHING),
    SERVER("one bad write takes others with it", "stores/postgres/batching.py", "if len(batch) == 1:", "if batch:", BATCHING),
    # PostgreSQL: what others write
    SERVER("a server hears itself", CHANGES, "        if sender == self._sender:\n            return\n", "", SHARED),
    SERVER("only notifications are believed", CHANGES, "        except TimeoutError:\n            self._schedule(_EVERYBODY)\n", "        except TimeoutError:\n            pass\n", SHARED),
    SERVER("a gap is not looked into", CHANGES, "self._gap = True\n                self._schedule(_EVERYBODY)", "self._gap = False", SHARED),
    SERVER("what ended before listening is forgotten", CHANGES, "self._ended = {_EVERYBODY}", "self._ended = set()", SHARED),
    SERVER("a name that is too long breaks the start", CHANGES, "if len(payload.encode()) <= _MAX_PAYLOAD else _EVERYBODY", "", SHARED),
    SERVER("all stores of a database share a channel", "stores/postgres/store.py", 'f"translation_{identity}"', '"translation"', SHARED),
    SERVER("a job that hastens the next end is not told", WRITES, "dict.fromkeys(self._hastened, HASTENED)", "dict.fromkeys((), HASTENED)", SHARED),
    SERVER("an end that is deleted already wakes nobody", CHANGES, "if unread[owner] + last > 0:", "if False:", DELETION),
    # PostgreSQL: its tables
    SERVER("servers that start at once race", "stores/postgres/schema.py", "; SELECT pg_advisory_xact_lock({_LOCK})", "", SCHEMA),
    SERVER("newer tables are used", "stores/postgres/schema.py", "if rows[0][1] > VERSION:", "if False:", SCHEMA),
    SERVER("somebody else's tables are used", "stores/postgres/schema.py", "rows[0][0] != _OURS", "False", SCHEMA),
    SERVER("a migration is half done", "stores/postgres/schema.py", '_BEGIN = f"BEGIN; SET LOCAL', '_BEGIN = f"SET LOCAL', SCHEMA),
    SERVER("the error repeats the URL", CONNECTIONS, "raise StoreError(_MALFORMED) from None", 'raise StoreError(f"{_MALFORMED}: {url}") from None', SCHEMA),
    # two servers, one database, a balancer
    SERVER("cancellations stay where they were made", CHANGES, "        else:\n            self._schedule(owner)\n", "        else:\n            pass\n", SHARED),
    SERVER("nothing is heard of others", CHANGES, "                            yield change\n", "                            self._ended.discard(change.owner)\n                    yield Change('', None)\n", MACHINES),
    SERVER("each server has its own end of a job", "stores/records.py", "created_at, ends_at, _OUTCOMES", "created_at, ends_at + __import__('os').getpid() % 7, _OUTCOMES", MACHINES),
    SERVER("each server knows its own keys only", WRITES, "        if keyed:\n", "        if False:\n", MACHINES),
    # calls in turn
    SERVER("a crowd goes on all at once", "stores/fair_queue.py", "min(_CALLS_PER_ROUND, len(self._waiting))", "len(self._waiting)", ("server/tests/stores/test_fair_queue.py",)),
    SERVER("a call that fails stops those behind it", "stores/fair_queue.py", "        finally:  # a call", "        except ImportError:\n            pass\n        else:  # a call", ("server/tests/stores/test_fair_queue.py",)),
    # SQLite: one transaction for many
    SERVER("a failed transaction is left open", LITE_WRITES, "            transaction.finish()\n        except BaseException:\n            self._roll_back()\n", "            transaction.finish()\n        except BaseException:\n", COMMITS),
    SERVER("a failed commit is left open", LITE_WRITES, "            self._own_changes.clear()\n            self._roll_back()\n", "            self._own_changes.clear()\n", COMMITS),
    SERVER("one commit a write", LITE_COMMIT, "_LARGEST_BATCH: Final = 128", "_LARGEST_BATCH: Final = 1", COMMITS),
    SERVER("starts are acknowledged before they are committed", LITE_COMMIT, "            self._hand_over(batch, partial(self._writer.commit", "            self._resolve(batch, results)\n            self._hand_over(batch, partial(self._writer.commit", COMMITS),
    SERVER("the event loop waits for other processes", LITE_COMMIT, "        writer.set_busy_timeout(0.0)\n        self._batches", "        self._batches", COMMITS),
    SERVER("a lock of others is a failure", LITE_WRITES, "        self.set_busy_timeout(database_file.BUSY_TIMEOUT)\n", "", COMMITS),
    SERVER("long writes hold up the event loop", LITE_COMMIT, "all(task.is_short for task in batch)", "True", COMMITS),
    SERVER("two batches use one connection", LITE_COMMIT, "        self._is_busy = True\n        self._batches", "        self._batches", COMMITS),
    SERVER("each request logs the same trouble", "stores/outage.py", "        self._is_on = True\n", "", COMMITS + FAULTS),
    SERVER("a key of the same transaction is overlooked, SQLite", LITE_WRITES, "if (draft.owner, draft.key) in self._new_keys:", "if False:", COMMITS),
    SERVER("a new job is not found in its transaction, SQLite", LITE_WRITES, "        self._insert_new()\n        due =", "        due =", COMMITS),
    SERVER("a key belongs to all users, SQLite", "stores/sqlite/sql.py", "WHERE owner = ? AND idempotency_key = ?", "WHERE ? <> '' AND idempotency_key = ?", CONTRACT),
    SERVER("ordinals are given twice, SQLite", "stores/sqlite/sql.py", '"SELECT accepted FROM store"', '"SELECT coalesce(max(seq), 0) FROM jobs"', CONTRACT),
    SERVER("an end outlives no clock, SQLite", LITE_WRITES, "or job.status_at(now) is not Status.PENDING:", "or job.ends_at <= now:", CONTRACT),
    # SQLite: what was read before
    SERVER("what others wrote is not read", LITE_READS, "if count != self._count:", "if not self._records:", READING),
    SERVER("the count of changes is read once", LITE_READS, "            self._drop_changed(self._own_changes)\n", "            self._drop_changed(self._own_changes) if self._count < 0 else None\n", READING),
    SERVER("a round never ends", LITE_READS, "        self._is_current = False\n\n    def _read", "        pass\n\n    def _read", READING),
    SERVER("a record is read each time", LITE_READS, "            self._records[job_id] = job\n", "", READING),
    SERVER("records fill the memory", LITE_READS, "if len(self._records) >= _MOST_RECORDS:", "if False:", READING),
    SERVER("large records are kept", LITE_READS, " and len(job.metadata) <= _LONGEST_METADATA", "", READING),
    SERVER("a store in memory overlooks its own writes", "stores/sqlite/store.py", "Reader(self._writing, None)", "Reader(self._writing, own_changes)", CONTRACT),
    SERVER("what others changed passes for one's own", LITE_READS, "            if transaction is None:\n                return None\n", "            if transaction is None:\n                return changed\n", READING),
    SERVER("a transaction that failed keeps its number", LITE_WRITES, "            self._own_changes.clear()\n", "", READING),
    SERVER("nobody knows what he changed himself", LITE_READS, "            self._transactions[before] = after, job_ids\n", "            pass\n", READING),
    SERVER("one's own changes are told as others'", LITE_WRITES, "        if job_ids and not self._changed:\n", "        if job_ids:\n", READING),
    SERVER("an end is no change", LITE_WRITES, "        self._announce_change(ended)\n", "        self._announce_change(ended[:-1])\n", READING),
    SERVER("a cancellation is no change", LITE_WRITES, "        self._announce_change([job_id])\n", "        self._announce_change(['other'])\n", READING),
    SERVER("a deletion is no change", LITE_WRITES, "            self._announce_change([job_id for *_, job_id in old])\n", "            self._announce_change(['other'])\n", READING),
    SERVER("a deletion by name is no change", LITE_WRITES, "        self._announce_change([job_id])\n        self._connection.execute(sql.DELETE", "        self._announce_change(['other'])\n        self._connection.execute(sql.DELETE", DELETION),
    SERVER("counts do not follow a deletion, SQLite", LITE_WRITES, "        self._owner(owner).count(job.outcome, -1)\n", "", DELETION),
    SERVER("an end that is deleted already wakes nobody, SQLite", "stores/sqlite/store.py", "if len(job_ids) < place - position:", "if False:", DELETION),
    SERVER("changes are not counted", LITE_FILE, "AFTER UPDATE ON jobs BEGIN UPDATE store SET changes = changes + 1", "AFTER UPDATE ON jobs BEGIN UPDATE store SET changes = changes", READING),
    SERVER("deletions are not counted", LITE_FILE, "AFTER DELETE ON jobs BEGIN UPDATE store SET changes = changes + 1", "AFTER DELETE ON jobs BEGIN UPDATE store SET changes = changes", READING),
    # SQLite: the file
    SERVER("a foreign file is written to", LITE_FILE, 'int.from_bytes(header[68:72], "big") != APPLICATION_ID', "False", FILES),
    SERVER("a file of a newer version is used", LITE_FILE, "if version > VERSION", "if False", FILES),
    SERVER("a file of an older version is left as it is", LITE_FILE, "enumerate(_MIGRATIONS[version:], start", "enumerate(_MIGRATIONS[len(_MIGRATIONS) if version else 0:], start", FILES),
    SERVER("the file is for everybody", LITE_FILE, "os.O_CREAT, 0o600", "os.O_CREAT, 0o644", FILES),
    SERVER("a lost file is noticed too late", LITE_WRITES, "        self._check()  # what was committed", "        # what was committed", LOST),
    SERVER("starts are written to a lost file", LITE_WRITES, '            self._check()\n            self._connection.execute("BEGIN IMMEDIATE")\n        except', '            self._connection.execute("BEGIN IMMEDIATE")\n        except', LOST),
    SERVER("other writes are made to a lost file", LITE_WRITES, "        self._check()\n        self.set_busy_timeout", "        self.set_busy_timeout", LOST),
    SERVER("a loss is noticed when somebody writes", LITE_WRITES, "        self._check()\n        return read(", "        return read(", LOST),
    SERVER("any file of that name will do", LITE_FILE, "    return status.st_dev, status.st_ino\n", "    return status.st_dev, 0\n", LOST),
    SERVER("the log and its index are not watched", LITE_FILE, "        self._files |= {", "        _ = {", LOST),
    SERVER("a file is lost for good", LITE_FILE, "        if finding != self._finding:\n", "        finding = self._finding or finding\n        if finding != self._finding:\n", LOST),
    SERVER("each request logs that the file is lost", LITE_FILE, "            self._finding = finding\n", "            self._finding = '' if finding else finding\n", LOST),
)  # fmt: skip
