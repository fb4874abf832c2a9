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
COMMAND = ("test_cli.py",)
MOUNTED = ("vendors/test_endpoints.py",)
RECORDED = ("vendors/test_recording.py",)
FATES = ("simulator/test_fates.py",)
HELD = ("service/test_waiters.py", "http/test_responses.py")
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
    SERVER("a body may take for ever", "http/bodies.py", "asyncio.timeout(time_limit)", "asyncio.timeout(None)", BODIES),
    SERVER("who left is counted on", "service/waiters.py", "        self._registry.discard(self)\n", "        pass\n", HELD),
    SERVER("a removed user waits on", "service/waiters.py", "                        waiter.revoked = True\n                        waiter.wake()\n", "                        waiter.revoked = True\n", HELD),
    SERVER("a changed password ends nothing", "service/waiters.py", " or version != self._versions[owner]", "", HELD),
    SERVER("nobody knows how late a held request was answered", "http/responses.py", "        request.scope[TOLD] = ", "        _ = ", HELD),
    SERVER("a whole answer needs a coroutine of its own", "middleware/access.py", "                for message in handled.messages():\n                    await answering(message)\n", "                await handled(scope, receive, answering)\n", HELD),
    SERVER("an endpoint that fails at once is not answered", "http/routes.py", "            return answer_to(error)\n", "            raise\n", ("http/test_routing.py",)),
    SERVER("an end is told before it is written down", "service/service.py", "if job is None or job.must_be_settled(now):", "if job is None:", ("service/test_service.py",)),
    SERVER("a preference is not looked at", "http/routes.py", 'if not scope["query_string"] and _PREFERENCES.isdisjoint(parameters.headers_by_name(scope)):', "if True:", ("http/test_responses.py", "http/test_long_poll.py")),
    # P12: jobs of another user
    SERVER("answers are remembered for all users", "stores/sqlite/reads.py", "if job is not None and job.owner == owner else", "if job is not None else", OWNERSHIP),
    SERVER("others' ids are told apart", "stores/sqlite/sql.py", "WHERE job_id = ? AND owner = ?", "WHERE job_id = ? AND ? <> ''", OWNERSHIP),
    SERVER("others' jobs are in the list", "stores/sqlite/sql.py", "WHERE owner = :owner AND seq < :before ORDER BY seq DESC LIMIT :limit", "WHERE :owner <> '' AND seq < :before ORDER BY seq DESC LIMIT :limit", OWNERSHIP),
    SERVER("others' ends are streamed", "stores/sqlite/sql.py", "WHERE owner = ? AND ending > ? ORDER BY ending LIMIT ?", "WHERE owner <> ? AND ending > ? ORDER BY ending LIMIT ?", OWNERSHIP),
    SERVER("others' keys are known", "stores/sqlite/sql.py", "WHERE owner = ? AND idempotency_key = ?", "WHERE ? <> '' AND idempotency_key = ?", OWNERSHIP),
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
    SERVER("a form is JSON", "http/bodies.py", '    _check_declared_as_json(dict(reversed([*request.scope["headers"]])))  # of several, the first\n', "", PROTECTION),
    SERVER("a refused body is left unread", "middleware/access.py", 'if not self._is_read and message["type"] == "http.response.start":', "if False:", ("middleware/test_access.py", "http/on_the_wire/test_order.py")),
    SERVER("a refused body is read to its end", "middleware/access.py", " and self._length < _LARGEST_REST", "", ("middleware/test_access.py",)),
    SERVER("errors have no security headers", "middleware/access.py", "                await answering(message)\n        finally:", "                await send(message)\n        finally:", ("middleware/test_access.py",)),
    SERVER("the documentation is blocked by its policy", "middleware/access.py", "script-src 'self' 'unsafe-inline'; style-src", "script-src 'none'; style-src", ("tests/test_browser.py",)),
    SERVER("what is logged may break its line", "observability/log_format.py", 'return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)', "return text", LINES),
    # fates
    SERVER("a repeated start uses up another fate", "simulator/fates.py", "if (user, job) not in self._decided:", "if True:", FATES),
    SERVER("a fate is given once too often", "simulator/fates.py", "self._counts[number, user] >= rule.times", "self._counts[number, user] > rule.times", FATES),
    SERVER("a fate of another service's API strikes native starts", "simulator/fates.py", "self.format is None or self.format in formats", "self.format is None or not formats or self.format in formats", FATES),
    SERVER("a fate wins over what the start scripts", "jobs/model.py", "        if draft.outcome is not None:\n            return draft\n        outcome, code", "        outcome, code", FATES),
    SERVER("what a fate leaves out is drawn anew", "jobs/simulation.py", "drawn_duration = model.draw(rng)\n", "drawn_duration = 0.0 if draft.outcome else model.draw(rng)\n", ("jobs/test_simulation.py",)),
    SERVER("a reset leaves fates in force", "simulator/simulator.py", "        self.fates.reset()\n", "", ("simulator/test_fates_served.py",)),
    SERVER("escaped quotes end a directive", "simulator/fates.py", "_parse_words(found[0], _unescaped(found[1]))", "_parse_words(found[0], found[1])", FATES),
    # other services' APIs
    SERVER("jobs of another API are told of", "vendors/endpoints.py", "if format_of(found.job) != self._form.name:", "if False:", MOUNTED),
    SERVER("a start makes some of its jobs", "vendors/endpoints.py", "                if not is_old:\n", "                if is_old:\n", MOUNTED),
    SERVER("a fate gives way to an order in a text", "vendors/endpoints.py", "request.scope.get(FATE) or (_fate_in(call.request) if self._obeys else None)", "(_fate_in(call.request) if self._obeys else None) or request.scope.get(FATE)", MOUNTED),
    SERVER("every user scripts jobs", "vendors/endpoints.py", "if self._obeys else None", "if True else None", ("vendors/test_any_bytes.py",)),
    SERVER("a wrong key asks for Basic credentials", "vendors/mounts.py", ', b"www-authenticate"})', "})", MOUNTED),
    SERVER("links to results need a key", "vendors/mounts.py", 'return mount in self._mounts and f"/{rest}".startswith(FILES)', "return False", MOUNTED),
    SERVER("the fields of a form are endless", "vendors/bodies.py", "if self._limit < 0:", "if False:", MOUNTED),
    SERVER("a word is told too late in a stream", "vendors/view.py", "            least = middle\n", "            most = middle\n", ("vendors/test_view.py",)),
    SERVER("starts without keys are struck for ever", "simulator/recording/exchange_log.py", "        return last.repeats\n", "        return exchange.number\n", RECORDED),
    SERVER("what a client's library repeats is another job", "simulator/report/politeness.py", "if first is None and start.is_retry:", "if False:", RECORDED),
    SERVER("a hint in milliseconds is not seen", "simulator/recording/answers.py", '    (b"x-ms-retry-after-ms", _MILLISECONDS),\n', "", RECORDED),
    SERVER("a status is renamed where there is none", "simulator/faults/altered_response.py", "    place[last] = status\n", "    document[last] = status\n", RECORDED),
    # P10: any bytes
    SERVER("NaN is JSON", "http/bodies.py", ", parse_constant=_constant", "", BODIES),
    SERVER("half a surrogate pair is text", "http/bodies.py", "        if isinstance(item, str):\n            _check_text(item)\n", "", BODIES),
    SERVER("a name may come twice", "http/bodies.py", "if len(found) < len(pairs):", "if False:", BODIES),
    SERVER("any depth will do", "http/bodies.py", "if depth > _DEEPEST:", "if False:", BODIES),
    # a test's server: its certificate and its formats
    SERVER("a restart takes the authority's file away", "testing/server.py", "        with self._certificate or nullcontext():", "        with nullcontext():", ("testing/test_tls.py",)),
    SERVER("a private key outlives its server", "testing/certificate.py", "            if self._inside == 0:\n                self._remove()\n", "", ("testing/test_tls.py",)),
    SERVER("a mount's name stands for no format", "testing/sdk_environment.py", " or [form for form in forms if form.mount == name]", "", ("testing/test_sdk_environment.py",)),
)  # fmt: skip
