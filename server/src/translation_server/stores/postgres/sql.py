"""The SQL for PostgreSQL. Statements that batches carry out take any number of items, as arrays."""

from __future__ import annotations

from typing import Final

from translation_server.jobs.model import Job

_COLUMNS: Final = ", ".join(f"jobs.{field}" for field in Job._fields)
_JOBS: Final = f"SELECT {_COLUMNS} FROM translation_jobs jobs"  # noqa: S608 - constants, here and below

# Reads.
BY_ID: Final = f"{_JOBS} WHERE job_id = ANY($1::text[])"
LATEST: Final = f"""
    SELECT {_COLUMNS} FROM unnest($1::text[]) asked (owner)
    CROSS JOIN LATERAL (
        SELECT * FROM translation_jobs WHERE owner = asked.owner ORDER BY seq DESC LIMIT 1
    ) jobs
"""  # noqa: S608
PAGE: Final = f"{_JOBS} WHERE owner = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3"
PENDING_PAGE: Final = f"""
    WITH jobs AS MATERIALIZED (  -- few, and found by their own index; newest first would look at all that have ended
        SELECT * FROM translation_jobs WHERE owner = $1 AND ending IS NULL AND ends_at > $4::float8
    )
    SELECT {_COLUMNS} FROM jobs WHERE seq < $2 ORDER BY seq DESC LIMIT $3
"""  # noqa: S608
ENDED_PAGE: Final = f"""
    {_JOBS} WHERE owner = $1 AND seq < $2 AND outcome = $5 AND (ending IS NOT NULL OR ends_at <= $4::float8)
    ORDER BY seq DESC LIMIT $3
"""
NEXT_END: Final = """
    SELECT asked.owner, (SELECT min(ends_at) FROM translation_jobs WHERE owner = asked.owner AND ending IS NULL)
    FROM unnest($1::text[]) asked (owner)
"""
ENDED_AFTER: Final = f"""
    SELECT asked.number, {_COLUMNS}
    FROM unnest($1::text[], $2::bigint[], $3::bigint[]) WITH ORDINALITY asked (owner, position, most, number)
    CROSS JOIN LATERAL (
        SELECT * FROM translation_jobs
        WHERE owner = asked.owner AND ending > asked.position ORDER BY ending LIMIT asked.most
    ) jobs
    ORDER BY asked.number, jobs.ending
"""  # noqa: S608
POSITION: Final = "SELECT endings FROM translation_owners WHERE owner = $1"
# Where servers' clocks differ, jobs do not end quite in the order of their moments: begin with the first one of those
# that ended then or later, and trust that no clock is more than an hour wrong.
POSITION_BEFORE: Final = """
    SELECT coalesce(
        (SELECT min(ending) - 1 FROM translation_jobs
         WHERE owner = $1 AND ends_at >= $2::float8 AND ending > coalesce(
            (SELECT ending FROM translation_jobs
             WHERE owner = $1 AND ending > 0 AND ends_at < $2::float8 - 3600 ORDER BY ending DESC LIMIT 1), 0)),
        (SELECT endings FROM translation_owners WHERE owner = $1))
"""
OWNERS_DUE: Final = """
    SELECT owner FROM translation_owners owners WHERE unsettled > 0 AND EXISTS (
        SELECT FROM translation_jobs WHERE owner = owners.owner AND ending IS NULL AND ends_at <= $1::float8)
"""
COUNTS: Final = """
    SELECT coalesce(sum(unsettled), 0)::bigint, coalesce(sum(completed), 0)::bigint, coalesce(sum(errors), 0)::bigint
    FROM translation_owners
"""
PING: Final = "UPDATE translation_store SET pings = pings + 1"
POSITIONS: Final = "SELECT owner, endings FROM translation_owners WHERE endings > 0"
OWNERS: Final = "SELECT owner FROM translation_owners"
# Also the last place given; without a job if all that were given since are of jobs that are deleted.
ENDED_SINCE: Final = """
    SELECT asked.owner, owners.endings, jobs.job_id, jobs.ending
    FROM unnest($1::text[], $2::bigint[]) asked (owner, position)
    JOIN translation_owners owners ON owners.owner = asked.owner AND owners.endings > asked.position
    LEFT JOIN translation_jobs jobs ON jobs.owner = asked.owner AND jobs.ending > asked.position
    ORDER BY asked.owner, jobs.ending LIMIT $3
"""

# Writes.
BEGIN: Final = """
    BEGIN ISOLATION LEVEL READ COMMITTED;
    SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'
"""
LOCK_OWNERS: Final = """
    SELECT owner, endings, unsettled, completed, errors FROM translation_owners
    WHERE owner = ANY($1::text[]) ORDER BY owner FOR UPDATE
"""
ADD_OWNERS: Final = """
    INSERT INTO translation_owners (owner) SELECT unnest($1::text[]) ORDER BY 1 ON CONFLICT DO NOTHING
"""
SETTLE: Final = """
    UPDATE translation_jobs jobs SET ending = due.ending FROM (
        SELECT jobs.job_id, asked.endings + row_number() OVER (PARTITION BY owner ORDER BY ends_at, seq) AS ending
        FROM unnest($1::text[], $2::float8[], $3::bigint[]) asked (owner, now, endings)
        JOIN translation_jobs jobs USING (owner) WHERE jobs.ending IS NULL AND jobs.ends_at <= asked.now
    ) due
    WHERE jobs.job_id = due.job_id RETURNING jobs.owner, jobs.job_id, jobs.ending, jobs.outcome
"""
CANCEL: Final = """
    UPDATE translation_jobs jobs
    SET outcome = 'error', error_code = $1, error_message = $2, ends_at = given.ends_at, ending = given.ending
    FROM unnest($3::text[], $4::float8[], $5::bigint[]) given (job_id, ends_at, ending)
    WHERE jobs.job_id = given.job_id
"""
DELETE: Final = """
    DELETE FROM translation_jobs jobs USING unnest($1::text[], $2::text[]) asked (owner, job_id)
    WHERE jobs.job_id = asked.job_id AND jobs.owner = asked.owner AND jobs.ending IS NOT NULL
    RETURNING jobs.owner, jobs.job_id, jobs.outcome
"""
BY_KEY: Final = f"""
    SELECT jobs.idempotency_key, jobs.fingerprint, {_COLUMNS}
    FROM unnest($1::text[], $2::text[]) asked (owner, key)
    JOIN translation_jobs jobs ON jobs.owner = asked.owner AND jobs.idempotency_key = asked.key
"""  # noqa: S608
ORDINALS: Final = "UPDATE translation_store SET accepted = accepted + $1 RETURNING accepted"
# Returns the owners for whom a job ends earlier now than any did before.
INSERT: Final = """
    WITH given AS (
        SELECT * FROM unnest(
            $1::bigint[], $2::text[], $3::text[], $4::float8[], $5::float8[], $6::text[], $7::text[], $8::text[],
            $9::float8[], $10::text[], $11::text[], $12::text[], $13::bytea[]
        ) given (seq, job_id, owner, created_at, ends_at, outcome, error_code, error_message, video_length, metadata,
            delay_model, idempotency_key, fingerprint)
    ), written AS (
        INSERT INTO translation_jobs (seq, job_id, owner, created_at, ends_at, outcome, error_code, error_message,
            video_length, metadata, delay_model, idempotency_key, fingerprint)
        SELECT * FROM given
    )
    SELECT owner FROM given GROUP BY owner HAVING min(ends_at) < coalesce(
        (SELECT min(ends_at) FROM translation_jobs WHERE owner = given.owner AND ending IS NULL), 'infinity')
"""
FINISH: Final = """
    WITH written AS (
        UPDATE translation_owners owners SET endings = given.endings, unsettled = given.unsettled,
            completed = given.completed, errors = given.errors
        FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])
            given (owner, endings, unsettled, completed, errors)
        WHERE owners.owner = given.owner
    )
    SELECT pg_notify($6, payload) FROM unnest($7::text[]) payload
"""
FORGET: Final = """
    WITH owners AS (
        SELECT owner FROM translation_owners owners WHERE (
            SELECT ends_at FROM translation_jobs
            WHERE owner = owners.owner AND ending IS NOT NULL ORDER BY ending LIMIT 1
        ) < $1::float8
        ORDER BY owner LIMIT $2::bigint FOR UPDATE
    ), old AS (
        SELECT oldest.job_id FROM owners CROSS JOIN LATERAL (
            SELECT job_id, ends_at FROM translation_jobs
            WHERE owner = owners.owner AND ending IS NOT NULL ORDER BY ending LIMIT $2
        ) oldest WHERE oldest.ends_at < $1 LIMIT $2
    ), deleted AS (
        DELETE FROM translation_jobs jobs USING old WHERE jobs.job_id = old.job_id RETURNING jobs.owner, jobs.outcome
    ), counted AS (
        UPDATE translation_owners owners
        SET completed = owners.completed - gone.completed, errors = owners.errors - gone.errors FROM (
            SELECT owner, count(*) FILTER (WHERE outcome = 'completed') completed,
                count(*) FILTER (WHERE outcome = 'error') errors FROM deleted GROUP BY owner
        ) gone WHERE owners.owner = gone.owner
    )
    SELECT count(*) FROM deleted
"""


def can_hold(text: str) -> bool:
    """Return whether an id may be in the tables: no text there holds NUL or a lone surrogate, and no id does."""
    return text.isprintable()
