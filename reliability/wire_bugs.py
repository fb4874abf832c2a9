"""Bugs in what either client does on real sockets, one a row: what is right, what stands there instead, who notices."""

# ruff: noqa: E501 - a table, and a row that is folded is harder to compare

from __future__ import annotations

from bugs import Bug

FAULTS = ("test_faults.py",)
DEADLINE = ("test_deadline.py",)
TRANSPORT = ("test_transport.py",)
THREADS = ("test_threads.py",)
CLIENTS = ("test_clients.py",)
ARGUMENTS = ("test_arguments.py",)
SECRETS = ("test_client_secrets.py",)
STARTS = ("test_starts.py",)
PAUSES = ("test_retry_after.py",)
MANY = ("test_many_jobs.py",)
TASKS = ("test_async_client.py",)
CLOSING = ("test_closing.py",)
SESSIONS = ("test_sessions.py",)
LOOPS = ("aio/test_loops.py",)

WIRE_BUGS = (
    # both clients
    Bug("Retry-After is not read on the wire", "_wire/responses.py", 'response.headers.get("retry-after", "")', '""', PAUSES),
    Bug("5,000 digits of Retry-After are an exception", "_wire/responses.py", "min(float(value), _FOREVER)", "float(int(value))", PAUSES),
    Bug("somebody else's answer is taken on the wire", "_wire/responses.py", "if job_id is not None and found != job_id:", "if False:", FAULTS),
    Bug("a 404 is retried on the wire", "_wire/responses.py", "frozenset({408, 425, 429})", "frozenset({404, 408, 425, 429})", FAULTS),
    Bug("429 is final on the wire", "_wire/responses.py", "frozenset({408, 425, 429})", "frozenset({408, 425})", FAULTS),
    Bug("a start has a new key with every attempt", "_core/call.py", "yield Send(self._request,",
        'yield Send(self._request._replace(headers={"Idempotency-Key": str(self._now)}),', STARTS),
    Bug("refused connections may have started a job", "_sync/transport.py", "sent = not isinstance(root", "sent = True or not isinstance(root", STARTS),
    Bug("a failed resolver may have started a job", "_sync/transport.py", "failed(cause, UNRESOLVED, sent=False)", "failed(cause, UNRESOLVED)", DEADLINE),
    Bug("the errors of requests are kept whole", "_sync/transport.py", "cause = root.__cause__ if not sent and root.__cause__ is not None else root", "cause = error", SECRETS),
    Bug("tracebacks are kept", "_wire/failures.py", "cause.with_traceback(None)", "cause", SECRETS),
    Bug("credentials are not composed", "_wire/target.py", 'unicodedata.normalize("NFC", f"{username}:{password}")', 'f"{username}:{password}"', TRANSPORT),
    Bug("credentials are Latin-1", "_wire/target.py", '{password}").encode()', '{password}").encode("latin-1", "replace")', TRANSPORT),
    Bug("the environment's credentials win", "_wire/target.py", "if given is None else given", "or given", CLIENTS),
    Bug("a client can be pickled", "_wire/target.py", "def __reduce__(self)", "def _reduce(self)", SECRETS),
    Bug("the password is in the repr", "_wire/target.py", 'f"{self.base_url} as {self.username}"', 'f"{self.base_url} {self._authorization!r}"', SECRETS),
    Bug("a password in base_url is shown", "_wire/target.py", 'raise ValueError("base_url must not contain credentials; give', 'raise ValueError(f"base_url must not contain credentials {base_url}; give', ARGUMENTS),
    Bug("a colon in the user name is let through", "_wire/target.py", 'if ":" in user:', "if False:", ARGUMENTS),
    Bug("ids that are no text reach the wire", "_wire/arguments.py", "if not isinstance(job_id, str):", "if False:", ARGUMENTS),
    Bug("an infinite video_length is sent", "_wire/arguments.py", "and number <= most", "and number == number", ARGUMENTS),
    Bug("polling= and single arguments are mixed", "_core/schedule.py", "        if arguments:\n", "        if False:\n", ARGUMENTS),
    Bug("a page of the list is forgotten", "_core/operations.py", "int(min(left, _LARGEST_PAGE)), cursor)", "int(min(left, _LARGEST_PAGE)), None)", CLIENTS),
    # the client that blocks
    Bug("an abandoned request goes on", "_sync/interruptible.py", "sent = self._interrupter.interrupt()", "sent = True", DEADLINE),
    Bug("what was cut while it was sent was not sent", "_sync/interruptible.py", "                self._used = True\n", "                pass\n", ("sync/test_interruptible.py",)),
    Bug("what had no connection yet was sent", "_sync/interruptible.py", "return self._used", "return True", ("sync/test_interruptible.py",)),
    Bug("an interrupted wait leaves its request behind", "_sync/interruptible.py", "            self.interrupt()\n            raise", "            raise", THREADS),
    Bug("waiting threads hold up the end of the program", "_sync/interruptible.py", "daemon=True", "daemon=False", THREADS),
    Bug("a cut stream is waited for", "_sync/stream.py", "        self._interrupter.interrupt()\n", "", MANY),
    Bug("the stream is left open", "_sync/driver.py", "            self._close_stream()\n\n", "\n", MANY),
    Bug("a read has a deadline, the whole has none", "_sync/interruptible.py", "slices(self.deadline)", "slices(self.deadline + 1e6)", DEADLINE),
    Bug("a signal that interrupts no call is not heeded", "_sync/interruptible.py", "_MAIN = 0.04", "_MAIN = 3600.0", THREADS),
    Bug("connections are shared with a forked process", "_sync/transport.py", "if self._process != os.getpid():", "if self._process == 0:", THREADS),
    Bug("cookies are kept", "_sync/transport.py", "    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))\n", "", TRANSPORT),
    Bug("a .netrc is believed", "_sync/transport.py", "    session.trust_env = False\n", "", TRANSPORT),
    Bug("the environment's proxy and CA bundle are ignored", "_sync/transport.py", '    session.proxies, session.verify, session.cert = settings["proxies"], settings["verify"], settings["cert"]\n', "", TRANSPORT),
    Bug("the hundredth thread earns a warning", "_sync/transport.py", "_CONNECTIONS = 1000", "_CONNECTIONS = 100", THREADS),
    Bug("a dead address hides a live one", "_sync/transport.py", "min(left, _CONNECTING), left", "left, left", DEADLINE),
    Bug("a connection a request", "_sync/transport.py", "                return _read(answer)\n", "                answer.raw.close()\n                return _read(answer)\n", TRANSPORT),
    Bug("a failing callback ends the wait", "_sync/driver.py", "log_failure(action.event, action.job, error)", "raise", CLIENTS),
    # the client that awaits
    Bug("redirects are followed, async", "_aio/transport.py", "allow_redirects=False", "allow_redirects=True", FAULTS),
    Bug("there is no deadline, async", "_aio/exchange.py", "asyncio.timeout_at(_moment(loop, deadline))", "asyncio.timeout_at(None)", DEADLINE),
    Bug("an answer of any length is read, async", "_aio/transport.py", "if len(body) > MAX_BODY:", "if False:", FAULTS),
    Bug("cookies are kept, async", "_aio/connections.py", "aiohttp.DummyCookieJar()", "aiohttp.CookieJar(unsafe=True)", TRANSPORT),
    Bug("aiohttp repeats requests by itself", "_aio/connections.py", "        middlewares=(_send_once,),\n", "", TRANSPORT),
    Bug("the environment's proxy is ignored, async", "_aio/connections.py", 'proxy=select_proxy(base_url, settings["proxies"])', "proxy=None", TRANSPORT),
    Bug("a .netrc is believed, async", "_aio/connections.py", "cookie_jar=aiohttp", "trust_env=True, cookie_jar=aiohttp", TRANSPORT),
    Bug("any certificate will do, async", "_aio/connections.py", "ssl=tls)", "ssl=False)", TRANSPORT),
    Bug("paths are quoted twice, async", "_aio/transport.py", ", encoded=True", "", TRANSPORT),
    Bug("the end of the loop waits for the resolver", "_aio/connections.py", "resolver=DaemonResolver()", "resolver=aiohttp.ThreadedResolver()", DEADLINE),
    Bug("a header that comes twice is halved, async", "_aio/transport.py", '", ".join(answer.headers.getall(name))', "answer.headers.getall(name)[0]", CLIENTS),
    Bug("a hundred connections at most, async", "_aio/connections.py", "limit=0", "limit=100", TASKS),
    Bug("one loop's connections are used in another", "_aio/transport.py", "life = self._lives.get(loop)", "life = next(iter(self._lives.values()), None)", LOOPS),
    Bug("sessions are not closed with their loop", "_aio/connections.py", "        yield session\n", "        try:\n            yield session\n        finally:\n            session.detach()\n", LOOPS),
    Bug("the errors of aiohttp are kept whole", "_aio/exchange.py", 'return ConnectionError(f"{error.status} {error.message}")', "return error", SECRETS),
    Bug("refused connections may have started a job, async", "_aio/exchange.py", "sent=not isinstance(error, aiohttp.ClientConnectorError | ssl.CertificateError)", "sent=True", STARTS),
    Bug("the innermost reason is not told, async", "_aio/exchange.py", "while isinstance(root, aiohttp.ClientError) and root.__cause__ is not None:", "while False:", FAULTS),
    Bug("all requests begin at once", "_aio/exchange.py", "_AT_ONCE = 4", "_AT_ONCE = 10**9", TASKS),
    Bug("requests begin in any order", "_aio/exchange.py", "(deadline, next(self._order), entry)", "(next(self._order), deadline, entry)", TASKS),
    Bug("a coroutine is not awaited", "_aio/driver.py", "if inspect.isawaitable(answer):", "if False:", TASKS),
    Bug("a failing coroutine ends the wait", "_aio/driver.py", "log_failure(action.event, action.job, error)", "raise", TASKS),
    Bug("the stream is left open, async", "_aio/driver.py", "            self._flow.close()\n            self._close_stream()\n", "            self._flow.close()\n", MANY),
    Bug("waits side by side are left behind", "_aio/driver.py", "            task.cancel()\n        await asyncio.gather(*tasks, return_exceptions=True)\n", "            pass\n", TASKS),
    Bug("a sleep that ends early is believed", "_aio/transport.py", "self._limits.until(until):", "self._limits.until(time.monotonic() + 0.97 * (until - time.monotonic())):\n                    until = 0.0", PAUSES),
    Bug("a silent stream is listened to beyond the deadline, async", "_aio/stream.py", "self._limits.until(until)", "self._limits.until(until + 1e6)", MANY),
    # closing, and sessions of the user's
    Bug("a closed client goes on", "_sync/transport.py", "        if self._closed:\n            raise", "        if False:\n            raise", CLOSING),
    Bug("a closed client goes on, async", "_aio/transport.py", "        if self._closed:\n            raise", "        if False:\n            raise", CLOSING),
    Bug("closing leaves requests under way", "_sync/transport.py", "            each.abandon()\n", "            pass\n", CLOSING),
    Bug("closing leaves requests under way, async", "_aio/transport.py", "        self._limits.end()\n", "", CLOSING),
    Bug("closing lets sleepers sleep on", "_sync/transport.py", "        self._open.release()\n        for", "        for", CLOSING),
    Bug("a child ends its parent's requests", "_sync/transport.py", "ours = self._process == os.getpid()", "ours = True", CLOSING),
    Bug("a session's credentials win", "_sync/transport.py", "            auth=_keep_credentials,\n", "", SESSIONS),
    Bug("a request on a session was certainly not sent", "_sync/interruptible.py", "self._used = not reported", "self._used = False", SESSIONS),
    Bug("a session's time limit cuts what is held, async", "_aio/transport.py", "            timeout=_UNLIMITED,\n", "", SESSIONS),
    Bug("a session's credentials are met with each request, async", "_aio/transport.py", "if session.auth is not None or", "if False and", SESSIONS),
    Bug("a session is used in another loop, async", "_aio/transport.py", "if loop is self._given_loop:", "if True:", SESSIONS),
    Bug("a context is altered", "_sync/interruptible.py", "return host, self._tls or tls", "return host, tls", TRANSPORT),
    Bug("a header of the client's may be given", "_wire/arguments.py", "if name.lower() in _OWN_HEADERS:", "if False:", TRANSPORT),
    Bug("the asynchronous library is always imported", "__init__.py", "if TYPE_CHECKING:\n", "if True:\n", LOOPS),
)  # fmt: skip
