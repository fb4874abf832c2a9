"""A log of exchanges as a client would cause it, in virtual time."""

from dataclasses import dataclass, field

from translation_server.jobs.model import Job, Status
from translation_server.simulator.recording.exchange import Exchange, Kind, Timestamp
from translation_server.simulator.recording.exchange_log import Exchanges
from translation_server.simulator.report.report import Report, make_report

BEGIN = 1000.0


@dataclass
class Story:
    """Logs what happens to a server, request by request; both clocks begin at `BEGIN`."""

    speed: float = 1.0
    now: float = BEGIN
    monotonic: float = BEGIN
    log: Exchanges = field(default_factory=Exchanges)

    def sleep(self, seconds: float) -> None:
        """Let time pass for the client and the server."""
        self.monotonic += seconds
        self.now += seconds * self.speed

    def step(self, seconds: float) -> None:
        """Advance only the server's clock, which is a stepped one."""
        self.now += seconds

    def start(
        self, duration: float = 10.0, *, user: str = "alice", accepted: bool = True, **answer: object
    ) -> Exchange:
        """Log a start, answered with a hint by default."""
        key, body = answer.pop("key", None), answer.pop("fingerprint", "same")
        begun = self._begin(Kind.START, "POST", "/start", user=user, key=key, fingerprint=body)
        if accepted:
            known = begun.job and self.log.jobs().get(f"{user}-{begun.job}")
            self.log.set_job(begun, known or self._job(user, f"{user}-{begun.job}", duration))
        return self._answer(begun, {"status": 202, "told": "pending", "poll_after": 2.0, "retry_after": 2.0} | answer)

    def poll(self, job: int = 1, *, user: str = "alice", held: float | None = None, **answer: object) -> Exchange:
        """Log a poll, answered with the job's status; if held, it takes until the job ends or the time is over."""
        job_id = f"{user}-{job}"
        begun = self._begin(Kind.POLL, "GET", f"/status/{job_id}", user=user, job_id=job_id, wait=held)
        record = self.log.jobs()[job_id]
        if held is not None:
            begun.held = held
            self.sleep(max(0.0, min(held, record.ends_at - self.now) / self.speed))
        told = record.status_at(self.now)
        hint = 0.0 if held else 2.0
        truth = {"told": str(told)} | ({"poll_after": hint} if told is Status.PENDING else {})
        return self._answer(begun, {"status": 200} | truth | answer)

    def begin(self, job: int = 1, user: str = "alice") -> Exchange:
        """Log a poll that is under way."""
        job_id = f"{user}-{job}"
        return self._begin(Kind.POLL, "GET", f"/status/{job_id}", user=user, job_id=job_id)

    def lose(self, exchange: Exchange, **how: object) -> None:
        """End one without an answer."""
        exchange.over = self.now
        for name, value in how.items():
            setattr(exchange, name, value)

    def stream(self, user: str = "alice") -> Exchange:
        """Log a stream that is open."""
        return self._begin(Kind.EVENTS, "GET", "/events", user=user)

    def report_end(self, stream: Exchange, job: int = 1) -> None:
        """Report the end of a job in a stream."""
        stream.endings[f"{stream.user}-{job}"] = Timestamp(self.now, self.monotonic)

    def report(self, **arguments: object) -> Report:
        """Return the report at this moment."""
        return make_report(self.log.requests(), self.log.jobs(), self.now, speed=self.speed, **arguments)

    def _begin(self, kind: Kind, method: str, path: str, **known: object) -> Exchange:
        return self.log.begin(kind, method, path, arrived=self.now, arrived_monotonic=self.monotonic, **known)

    def _answer(self, exchange: Exchange, answer: dict[str, object]) -> Exchange:
        failed = answer["status"] is None
        for name, value in answer.items():
            setattr(exchange, name, None if failed and name != "fault" else value)
        exchange.over = self.now
        if not failed:
            exchange.answered, exchange.answered_monotonic = self.now, self.monotonic
        if exchange.told in {"completed", "error"} and exchange.job_id:
            exchange.endings[exchange.job_id] = Timestamp(self.now, self.monotonic)
        return exchange

    def _job(self, user: str, job_id: str, duration: float) -> Job:
        moments = self.now, self.now + duration
        return Job(1, job_id, user, *moments, Status.COMPLETED, None, None, None, "{}", "uniform:3.0:7.0")
