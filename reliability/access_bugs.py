"""Bugs in who may do what, in which bytes, and in what is told of it: what is right, what stands there instead, who notices."""

# ruff: noqa: E501 - a table, and a row that is folded is harder to compare

from __future__ import annotations

from functools import partial

from bugs import Bug

AUTH = ("middleware/test_basic_auth.py",)
OWNERSHIP = ("stores/test_ownership.py",)
PROTECTION = ("http/test_protection.py",)
SECRETS = ("test_secrets.py",)
BODIES = ("http/test_bodies.py",)
SETTINGS = ("config/test_settings.py",)
ENV_FILE = ("config/test_env_file.py",)
LOGINS = ("middleware/test_logins.py", "middleware/test_rate_limit.py")
HASHED = ("middleware/test_htpasswd.py", "middleware/test_users.py")
LINES = ("observability/test_log_format.py", "observability/test_log_file.py")
CONNECTIONS = ("test_connections.py",)
COMMAND = ("test_cli.py",)
WHOLE = ("test_cycle.py",)
GUARD = ("test_guard.py",)
SENT = ("test_outbox.py",)
HELD = ("service/test_waiters.py", "http/test_status.py")
SERVER = partial(Bug, part="server")

ACCESS_BUGS = (
    # P11: before the body is read
    SERVER("any path below an open one's name is open", "middleware/basic_auth.py", 'path.startswith(one + "/")', "path.startswith(one)", AUTH),
    SERVER("the stream is open to everyone", "middleware/basic_auth.py", '"/openapi.json", ', '"/openapi.json", "/events", ', PROTECTION),
    SERVER("the figures are open to everyone", "middleware/basic_auth.py", '"/openapi.json", ', '"/openapi.json", "/metrics", ', PROTECTION),
    SERVER("the first of two Authorization headers counts", "middleware/basic_auth.py", 'return b""', "return found", AUTH),
    SERVER("credentials can be guessed at an open address", "middleware/basic_auth.py", "elif not self._is_open(path_of(scope)):", "elif authorization or not self._is_open(path_of(scope)):", ("middleware/test_basic_auth.py", "http/test_protection.py")),
    SERVER("the announced length is not looked at", "http/bodies.py", "if declared.isdecimal() and", "if False and", PROTECTION),
    SERVER("a body without an announced length may be endless", "http/bodies.py", "        if length > limit:\n", "        if False:\n", BODIES),
    SERVER("a body may take for ever", "http/bodies.py", "asyncio.timeout(seconds)", "asyncio.timeout(None)", BODIES),
    SERVER("slow heads are waited for", "guarded_protocol.py", "        if on:\n            self._common.incomplete.add(self)", "        if on:\n            pass", CONNECTIONS),
    SERVER("a head may have any length", "guarded_protocol.py", "if self._since > _LARGEST_HEAD and self._is_receiving:", "if False:", CONNECTIONS),
    SERVER("connections that ask for nothing stay", "guarded_protocol.py", "            self._common.idle.add(self)", "            pass", CONNECTIONS),
    SERVER("connections that ask in time are closed", "guarded_protocol.py", "        self._common.idle.discard(self)\n        self._in_chunk", "        self._in_chunk", CONNECTIONS),
    SERVER("the web server's own limit is passed by", "guarded_protocol.py", "if limit is None or max(", "if True or max(", WHOLE),
    SERVER("what proxies say is passed by", "guard.py", 'if name.startswith(b"x-forwarded-"):', "if False:", GUARD),
    SERVER("layers of others are passed by", "guard.py", "    inner = app.app if isinstance(app, ProxyHeadersMiddleware) else app\n", "    inner = getattr(app, 'app', app)\n", GUARD),
    SERVER("who is held is not told", "cycle.py", "        self.is_resting = False\n", "", WHOLE),
    SERVER("who has left is held on", "cycle.py", "while self.is_resting and not self.disconnected:", "while self.is_resting:", WHOLE),
    SERVER("who was told is counted on", "service/waiters.py", "                self._registry.discard(self)  # now", "                pass  # now", HELD),
    SERVER("some go on before all are told", "service/waiters.py", "self._registry.turns.take(self._client.rouse)", "self._client.rouse()", HELD),
    SERVER("who cannot be told at once is forgotten", "service/waiters.py", "            else:\n                self._client.rouse()", "            else:\n                pass", HELD),
    SERVER("nobody knows how late who was told", "http/status.py", "        self._note(job)\n", "", HELD),
    SERVER("what waits for others is never sent", "outbox.py", "if self._waiting and not self._expected:", "if False:", SENT),
    SERVER("each answer is sent by itself", "outbox.py", "if self._expected > 1:", "if False:", SENT),
    SERVER("one closed connection keeps others from their answers", "outbox.py", "            if not transport.is_closing():\n                transport.write(data)", "            if transport.is_closing():\n                return\n            transport.write(data)", SENT),
    SERVER("an answer is lost when the server stops", "guarded_protocol.py", "        self._outbox.send()\n        super().shutdown()", "        super().shutdown()", SENT),
    SERVER("an answer is lost when its connection is closed", "guarded_protocol.py", "        self._outbox.send()\n        self.transport.close()", "        self.transport.close()", SENT),
    SERVER("who goes on is expected for ever", "stores/fair_queue.py", "            loop.call_soon(outbox.over, number)\n", "", SENT),
    SERVER("a request keeps itself in memory", "middleware/access.py", "scope.pop(WHOLE, None)", "pass", HELD),
    SERVER("a body that nobody wants stops the reading", "cycle.py", "            self.body.clear()\n            self.flow.resume_reading()\n", "", WHOLE),
    SERVER("strangers push users out", "connections.py", "quiet = [one for one in quiet if not one.is_known] or quiet", "pass", CONNECTIONS),
    SERVER("a header of a whole answer may end itself", "cycle.py", "if HEADER_VALUE_RE.search(value):", "if False:", WHOLE),
    SERVER("layers of others are sent whole answers", "cycle.py", "return found.send_whole if isinstance(found, Cycle) else None", 'return getattr(send, "__self__", None) and found.send_whole', WHOLE),
    SERVER("a whole answer never closes its connection", "cycle.py", "if not self.keep_alive or self.access_log", "if self.access_log", WHOLE),
    SERVER("whole answers have no length", "cycle.py", "(*self.default_headers, *headers, *_length(status, body))", "(*self.default_headers, *headers)", WHOLE),
    SERVER("what is new each time is remembered", "cycle.py", "if name in _EACH_TIME_NEW:", "if False:", WHOLE),
    SERVER("who is answered at once gets a task", "cycle.py", "if answering is DONE:", "if False:", HELD),
    SERVER("an application that fails at once takes others with it", "cycle.py", "        except Exception as error:  # noqa: BLE001 - what uvicorn makes of it comes later\n", "        except KeyError as error:\n", WHOLE),
    SERVER("what is answered at once is not logged", "middleware/access.py", "            self._end(scope, answer)\n            return DONE\n", "            return DONE\n", ("middleware/test_access.py",)),
    SERVER("what fails at once is not answered", "middleware/access.py", "            answering = answer.fail(error, receive)\n", "            raise\n", ("middleware/test_access.py",)),
    SERVER("an error at once is the last word", "http/routing.py", "except self._errors:  # which", "except ZeroDivisionError:  # which", ("http/test_routing.py",)),
    SERVER("half an answer counts as one", "http/routing.py", "if answer is not None and answer.send_whole(scope):", "if answer is not None and [answer.send_whole(scope)]:", ("http/test_routing.py",)),
    SERVER("answers at once go out one by one", "arrivals.py", "self._outbox.expect(len(waiting))", "self._outbox.expect(0)", ("test_arrivals.py",)),
    SERVER("tasks do not wait for each other", "arrivals.py", "loop.call_soon(self._outbox.over, len(waiting) - answered)", "self._outbox.over(len(waiting) - answered)", ("test_arrivals.py",)),
    SERVER("a loop is kept for ever", "arrivals.py", "    return _ARRIVALS.get(loop) or", "    globals().setdefault('kept', []).append(loop)\n    return _ARRIVALS.get(loop) or", ("test_arrivals.py",)),
    SERVER("an end is told before it is written down", "service/service.py", "if job is None or job.must_be_settled(now):", "if job is None:", ("service/test_service.py",)),
    SERVER("what one wishes is told to all", "http/routes.py", "    if not _is_plain(scope):\n        return None\n", "", ("http/test_status.py", "http/test_long_poll.py")),
    SERVER("a client that does not read fills the memory", "cycle.py", "if self.response_started or self.disconnected or self.flow.write_paused:", "if self.response_started or self.disconnected:", WHOLE),
    # P12: jobs of another user
    SERVER("answers are remembered for all users", "stores/sqlite/reads.py", "if job is not None and job.owner == owner else", "if job is not None else", OWNERSHIP),
    SERVER("others' ids are told apart", "stores/sqlite/writes.py", "WHERE job_id = ? AND owner = ?", "WHERE job_id = ? AND ? <> ''", OWNERSHIP),
    SERVER("others' jobs are in the list", "stores/sqlite/store.py", "WHERE owner = :owner AND seq < :before ORDER BY seq DESC LIMIT :limit", "WHERE :owner <> '' AND seq < :before ORDER BY seq DESC LIMIT :limit", OWNERSHIP),
    SERVER("others' ends are streamed", "stores/sqlite/store.py", "WHERE owner = ? AND ending > ? ORDER BY ending LIMIT ?", "WHERE owner <> ? AND ending > ? ORDER BY ending LIMIT ?", OWNERSHIP),
    SERVER("others' keys are known", "stores/sqlite/writes.py", "WHERE owner = ? AND idempotency_key = ?", "WHERE ? <> '' AND idempotency_key = ?", OWNERSHIP),
    # P13: any password
    SERVER("passwords are ASCII", "middleware/credentials.py", "return octets.decode()", 'return octets.decode("ascii")', AUTH),
    SERVER("spellings of one password differ", "middleware/credentials.py", 'return unicodedata.normalize("NFC", text)', "return text", AUTH),
    SERVER("a user that is unknown is told faster", "middleware/users.py", "is_right = await asyncio.to_thread(htpasswd.matches, given.password, hashed or self._file.decoy)", "is_right = hashed is not None and await asyncio.to_thread(htpasswd.matches, given.password, hashed)", HASHED),
    SERVER("a changed htpasswd file is not noticed", "middleware/users.py", "if self._file.hashes().get(user) != hashed:", "if False:", HASHED),
    SERVER("a wrong password is remembered as right", "middleware/users.py", "if hashed is None or not is_right:", "if hashed is None:", HASHED),
    SERVER("guesses cost nothing", "middleware/rate_limit.py", "return max(0.0, last + pause - now)", "return 0.0", LOGINS),
    SERVER("guesses at a name lock its owner out", "middleware/rate_limit.py", "        if last is None:\n            return 0.0\n", "        if last is None:\n            last = now\n", LOGINS),
    # P14: the configuration
    SERVER("misspelt variables are ignored", "config/settings.py", "if e.name not in _VARIABLES]", "if False]", SETTINGS),
    SERVER("MIN_DELAY may be above MAX_DELAY", "config/settings.py", "if shortest > longest:", "if False:", SETTINGS),
    SERVER("a name without a password will do", "config/settings.py", "(name is None) != (password is None) or", "", SETTINGS),
    SERVER("a wrong value does not stop the start", "config/settings.py", "        if problems:\n            raise SettingsError(problems)\n", "", ENV_FILE),
    # P15: nothing secret is shown
    SERVER("the configuration is shown with its password", "config/settings.py", 'return "***"', "return str(value.get_secret_value())", ("config/test_settings.py", "test_secrets.py", "test_cli.py")),
    SERVER("the URL is shown with its password", "config/settings.py", "{found[2]}:***@", "{found[0]}", SETTINGS),
    SERVER("credentials show themselves", "middleware/credentials.py", 'return "Credentials(***)"', "return str(tuple(self))", AUTH),
    SERVER("the query is logged", "middleware/access.py", 'scope.get("raw_path", b"").decode("latin-1") or scope["path"]', '(scope.get("raw_path", b"") + b"?" + scope.get("query_string", b"")).decode("latin-1")', SECRETS),
    # a browser's credentials
    SERVER("other sites may start jobs", "middleware/access.py", "return site not in _OWN_SITES", "return False", PROTECTION),
    SERVER("older browsers are not protected", "middleware/access.py", "return not host or host !=", "return False and host !=", PROTECTION),
    SERVER("a form is JSON", "http/bodies.py", "    _check_declared_as_json(headers)\n", "", PROTECTION),
    SERVER("errors have no security headers", "middleware/access.py", "await answer.fail(error, receive)", "await answer_to(error)(scope, receive, send)", ("middleware/test_access.py",)),
    SERVER("the documentation is blocked by its policy", "middleware/access.py", "script-src 'self' 'unsafe-inline'; style-src", "script-src 'none'; style-src", ("tests/test_browser.py",)),
    SERVER("what is logged may break its line", "observability/log_format.py", 'return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)', "return text", LINES),
    # P10: any bytes
    SERVER("NaN is JSON", "http/bodies.py", ", parse_constant=_constant", "", BODIES),
    SERVER("half a surrogate pair is text", "http/bodies.py", "        if isinstance(item, str):\n            _check_text(item)\n", "", BODIES),
    SERVER("a name may come twice", "http/bodies.py", "if len(found) < len(pairs):", "if False:", BODIES),
    SERVER("any depth will do", "http/bodies.py", "if depth > _DEEPEST:", "if False:", BODIES),
)  # fmt: skip
