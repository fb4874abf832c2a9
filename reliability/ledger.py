"""Remembers everything a server has told, and notices when it tells something else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from figures import Findings

_FIXED = ("created_at", "video_length", "metadata")


class Ledger:
    """What was told about every job, by whichever server, in whichever answer."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self.by_key: dict[str, str] = {}
        self.jobs: dict[str, dict[str, Any]] = {}

    @property
    def pending(self) -> list[str]:
        """Ids of jobs that nobody has been told the end of."""
        return [job_id for job_id, job in self.jobs.items() if job["status"] == "pending"]

    def acknowledged(self, key: str, job: dict[str, Any]) -> None:
        """A start was answered with a 2xx."""
        known = self.by_key.setdefault(key, job["job_id"])
        if known != job["job_id"]:
            self._findings.breach(f"duplicated: key {key} was answered with {known}, then with {job['job_id']}")
        self.hear(job)

    def hear(self, job: dict[str, Any]) -> None:
        """A job was told of."""
        known = self.jobs.get(job["job_id"])
        if known is not None:
            self._compare(known, job)
        if known is None or known["status"] == "pending":
            self.jobs[job["job_id"]] = job
        if job["status"] != "pending":
            self._findings.count("terminal statuses read")

    def _compare(self, known: dict[str, Any], job: dict[str, Any]) -> None:
        ended = known["status"] != "pending"
        for name in known if ended else _FIXED:
            if known[name] != job[name]:
                self._findings.breach(f"changed: {job['job_id']}: {name} was {known[name]!r}, is {job[name]!r}")
        if ended:
            self._findings.count("terminal statuses read again")
