"""Settings: what is accepted, what is refused, and with which message."""

import pickle
import re
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from server.tests.configuration import CREDENTIALS, SAMPLE, load, refusal, write_env

from translation_server.config.settings import Settings, SettingsError, mask_url, read_env_file
from translation_server.jobs.delays import FORMS
from translation_server.jobs.stages import FORM

ROOT = Path(__file__).resolve().parents[3]
SECONDS = "a number of seconds from 0 to 1000000000"
COUNT = "a whole number from 1 to 1000000000"
LONG = 70


@pytest.fixture
def env(tmp_path):
    """Return a function that writes a `.env` file and returns its path."""
    return partial(write_env, tmp_path)


def test_sample(env):
    """The sample works as it stands, inline comment included; what it leaves out has its default."""
    settings = Settings.load({}, env(SAMPLE))
    assert (settings.api_username, settings.api_password.get_secret_value()) == ("admin", "secretpassword")
    assert (settings.min_delay, settings.max_delay, settings.error_probability) == (3, 7, 0.3)
    assert (settings.random_seed, settings.max_wait, settings.log_level) == (None, 60, "INFO")
    assert (settings.max_pending_jobs, settings.max_waiters, settings.max_body_bytes) == (10_000, 10_000, 65_536)


NUMBERS = ["abc", "3s", "3   # seconds", "nan", "inf", "-inf", "1e999", "1_000", "0x10", "1,5", "٣", "True", "9" * 5000]


@pytest.mark.parametrize("value", [*NUMBERS, "-1", "-0.001", "1000000001"])
@pytest.mark.parametrize("variable", ["MIN_DELAY", "MAX_DELAY"])
def test_delays_refused(variable, value):
    """A delay that is not a number of seconds from 0 is refused by name."""
    shown = repr(value) if len(value) < LONG else repr(value)[:79] + "…"
    assert refusal(CREDENTIALS | {variable: value}) == (f"{variable} is {shown}: allowed is {SECONDS}",)


@pytest.mark.parametrize(
    ("variable", "values", "allowed"),
    [
        (
            "API_USERNAME",
            ["a:b", ":", "a\nb", "a\x00", "\x7f", "a\x85"],
            "text without a colon and without control characters",
        ),
        ("ERROR_PROBABILITY", [*NUMBERS, "-0.1", "1.0001", "30%"], "a number from 0 to 1"),
        (
            "RANDOM_SEED",
            ["1.0", "seed", "1_0", "0x1", "9" * 19, "9" * 5000, "٣"],
            "a whole number of at most 18 digits",
        ),
        ("MAX_WAIT", [*NUMBERS, "0", "-1"], "a number of seconds above 0 and up to 1000000000"),
        ("LOG_FILE", ["a\nb", "a\x00b"], "the path of a file"),
        ("HTPASSWD_FILE", ["a\nb", "a\x00b"], "the path of a file made by htpasswd -B"),
        ("RATE_LIMIT", [*NUMBERS, "-1", "1000000001", "10/s"], "a number of requests from 0 to 1000000000"),
        ("RATE_BURST", ["0", "-1", "1.5", "1e3"], COUNT),
        ("RETENTION", [*NUMBERS, "-1", "30d", "1000000001"], SECONDS),
        (
            "DELAY_MODEL",
            ["5", "uniform:7:3", "fixed", "fixed:-1", "lognormal:60", "lognormal:60:30", "gauss:1:2"],
            f"uniform (from MIN_DELAY to MAX_DELAY), {FORMS}",
        ),
        (
            "STAGES",
            ["a:0", "a:-1", "a:1,a:2", "a b:1"],
            FORM,
        ),
        ("CLOCK_SPEED", [*NUMBERS, "-1", "1000001", "x60"], "a number from 0 to 1000000"),
        ("CONTROL_API", ["yes", "1", "true"], "on or off"),
        ("LOG_FORMAT", ["xml", "json lines", "1"], "text or json"),
        ("MAX_CONNECTIONS", ["0", "-1", "1.5", "unlimited"], COUNT),
        ("LOG_LEVEL", ["loud", "20", "INFO,DEBUG", "NOTSET"], "DEBUG, INFO, WARNING, ERROR or CRITICAL"),
        ("MAX_PENDING_JOBS", ["0", "-1", "1.5", "1e3", "many", "9" * 5000], COUNT),
        ("MAX_WAITERS", ["0", "-1", "1.5", "1e3", "many", "1000000001"], COUNT),
        ("MAX_BODY_BYTES", ["0", "-1", "64k"], COUNT),
        (
            "DATABASE_URL",
            [
                "jobs.db",
                "sqlite:jobs.db",
                "sqlite://jobs.db",
                "sqlite:///",
                "sqlite:///a?mode=ro",
                "mysql://h/db",
                "://",
            ],
            "sqlite:///file.db, sqlite:////absolute/file.db, sqlite:///:memory: or postgresql://…",
        ),
    ],
)
def test_refused(variable, values, allowed):
    """A value that is not allowed is refused with one line: variable, value, what is allowed."""
    for value in values:
        (line,) = refusal(CREDENTIALS | {variable: value})
        shown = repr(value) if len(value) < LONG else repr(value)[:79] + "…"
        assert line == f"{variable} is {shown}: allowed is {allowed}"


@pytest.mark.parametrize("variable", sorted(name.upper() for name in Settings.model_fields))
@pytest.mark.parametrize("value", ["", "  "])
def test_empty(variable, value):
    """An empty value is refused as empty, not taken for the default; spaces may be a password or a name."""
    if value and variable.startswith("API_"):
        assert Settings.load(CREDENTIALS | {variable: value}, None)
    else:
        assert refusal(CREDENTIALS | {variable: value})[0].startswith(f"{variable} is empty: allowed is ")


@pytest.mark.parametrize("missing", ["API_USERNAME", "API_PASSWORD"])
def test_missing_credentials(missing):
    """Without credentials the server does not start."""
    (line,) = refusal({name: value for name, value in CREDENTIALS.items() if name != missing})
    assert line.startswith(f"{missing} is missing from the environment and the .env file: allowed is ")


@pytest.mark.parametrize(
    ("given", "numbers"),
    [
        ({"MIN_DELAY": "5", "MAX_DELAY": "4.5"}, ("5", "4.5")),
        ({"MIN_DELAY": "8"}, ("8", "7")),
        ({"MAX_DELAY": "2"}, ("3", "2")),
    ],
)
def test_min_above_max(given, numbers):
    """A shortest time above the longest is refused with both variables, even if one has its default."""
    line = f"MIN_DELAY is {numbers[0]} and MAX_DELAY is {numbers[1]}: allowed is a MIN_DELAY up to MAX_DELAY"
    assert refusal(CREDENTIALS | given) == (line,)


TOGETHER = "API_USERNAME and API_PASSWORD belong together: allowed is one user, an HTPASSWD_FILE, or both"


def test_users_of_a_file():
    """With a file of users, the variables for one user may be left out, or add one."""
    alone = Settings.load({"HTPASSWD_FILE": "users"}, None)
    assert (alone.api_username, alone.api_password, alone.has_sample_password) == (None, None, False)
    assert alone.htpasswd_file == Path.cwd() / "users"
    assert not {"API_USERNAME", "API_PASSWORD"} & alone.effective().keys()
    both = load(HTPASSWD_FILE="/etc/users")
    assert (both.api_username, both.htpasswd_file) == ("admin", Path("/etc/users"))


@pytest.mark.parametrize("given", CREDENTIALS)
def test_half_of_the_credentials(given):
    """A name without a password, or the reverse, is refused, even with a file of users."""
    missing = next(name for name in CREDENTIALS if name != given)
    (line,) = refusal({given: "x", "HTPASSWD_FILE": "users"})
    assert line.startswith(f"{missing} is missing")
    with pytest.raises(SettingsError, match=TOGETHER):
        Settings(**{name.lower(): "x" if name == given else None for name in CREDENTIALS}, htpasswd_file="users")


def test_nobody_at_all():
    """Settings without any user are refused when built directly as well."""
    with pytest.raises(SettingsError, match=TOGETHER):
        Settings(api_username=None, api_password=None)


def test_everything_wrong_is_said_at_once(env):
    """Every problem is reported at once, a line each: file, credentials, values and their relation."""
    path = env("API_USERNAME=a:b\nMIN_DELY=1\nnonsense\nMIN_DELAY=9\nMAX_WAITERS=none\n")
    assert [line.split(" is ")[0] for line in refusal({}, path)] == [
        f"{path}, line 3,",
        f"{path}, line 2: MIN_DELY",
        "API_USERNAME",
        "API_PASSWORD",
        "MIN_DELAY",
        "MAX_WAITERS",
    ]


@pytest.mark.parametrize(
    ("variable", "value", "attribute", "expected"),
    [
        ("MIN_DELAY", "0", "min_delay", 0),
        ("MIN_DELAY", " 2.5 ", "min_delay", 2.5),
        ("MIN_DELAY", "+.5", "min_delay", 0.5),
        ("MIN_DELAY", "25e-1", "min_delay", 2.5),
        ("MAX_DELAY", "1000000000", "max_delay", 1e9),
        ("ERROR_PROBABILITY", "1", "error_probability", 1),
        ("RANDOM_SEED", "-12", "random_seed", -12),
        ("LOG_LEVEL", "debug", "log_level", "DEBUG"),
        ("MAX_WAIT", "0.5", "max_wait", 0.5),
        ("MAX_WAITERS", "1", "max_waiters", 1),
        ("RATE_LIMIT", "0", "rate_limit", 0),
        ("RATE_LIMIT", "0.5", "rate_limit", 0.5),
        ("RETENTION", "0", "retention", 0),
        ("RETENTION", "86400", "retention", 86_400),
        ("LOG_FORMAT", " JSON", "log_format", "json"),
        ("CONTROL_API", "ON ", "control_api", "on"),
        ("FAULTS", "503; reset", "faults", "503; reset"),
        ("DELAY_MODEL", " Uniform", "delay_model", "uniform"),
        ("DELAY_MODEL", "fixed:5", "delay_model", "fixed:5.0"),
        ("DELAY_MODEL", "lognormal:60:180", "delay_model", "lognormal:60.0:180.0"),
        ("STAGES", "transcribing:1, translating:3;steps", "stages", "transcribing:1,translating:3;steps"),
        ("CLOCK_SPEED", "60", "clock_speed", 60),
        ("HTPASSWD_FILE", "/etc/users", "htpasswd_file", Path("/etc/users")),
        ("API_USERNAME", "Zoë 名", "api_username", "Zoë 名"),
        ("DATABASE_URL", "postgresql://db/jobs", "database_url", "postgresql://db/jobs"),
        ("DATABASE_URL", "sqlite:///:memory:", "database_url", "sqlite:///:memory:"),
        ("DATABASE_URL", "sqlite:////data/a b.db", "database_url", "sqlite:////data/a b.db"),
    ],
)
def test_taken(variable, value, attribute, expected):
    """Every allowed form of a value is understood."""
    assert getattr(load(**{variable: value}), attribute) == expected


@pytest.mark.parametrize("value", [True, None, [], {}, float("nan"), float("inf"), 10**400, "x", b"1"])
@pytest.mark.parametrize("name", ["min_delay", "error_probability", "max_wait", "max_waiters"])
def test_built_directly(name, value):
    """Settings built in a program refuse what is not such a number, with the same error."""
    with pytest.raises(SettingsError, match=f"^{name.upper()} is "):
        Settings(**{"api_username": "admin", "api_password": "x", name: value})


def test_built_directly_unknown():
    """A misspelt name is refused when built directly as well."""
    with pytest.raises(SettingsError, match=r"MAX_WAITER is not a variable .* did you mean MAX_WAITERS\?"):
        Settings(api_username="admin", api_password="x", max_waiter=1)


def test_minus_zero():
    """A delay of -0 is 0, in the log as well."""
    assert load(MIN_DELAY="-0").effective()["MIN_DELAY"] == "0"


def test_frozen():
    """Settings do not change once made."""
    with pytest.raises(ValueError, match="frozen"):
        load().min_delay = 1


# Secrets


@pytest.mark.parametrize("password", ["canary\n", "canary\x00", "canary\udcff"])
def test_refused_password_is_not_shown(password):
    """A password that is refused is not shown, in the message or in the error."""
    with pytest.raises(SettingsError) as caught:
        load(API_PASSWORD=password)
    assert str(caught.value) == (
        "API_PASSWORD is refused (it is not shown): allowed is any text without control characters"
    )
    for text in (repr(caught.value), str(pickle.dumps(caught.value)), repr(caught.value.__cause__)):
        assert "canary" not in text


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("postgresql://me:canary@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me:ca@na:ry/?#@host:5432/db", "postgresql://me:***@host:5432/db"),
        ("postgresql://me@corp:canary@host/db", "postgresql://me@corp:***@host/db"),
        ("postgresql://host/db?password=canary&x=1", "postgresql://host/db?password=***&x=1"),
        ("postgresql://host/db?x=1&sslPassword=canary", "postgresql://host/db?x=1&sslPassword=***"),
        ("postgres//me:canary@host", "postgres//me:***@host"),
        ("mysql:me:canary@host", "mysql:***@host"),
        ("me:canary\n@host", "me:***@host"),
        ("postgresql://host:5432/db", "postgresql://host:5432/db"),
        ("sqlite:////data/x.db", "sqlite:////data/x.db"),
    ],
)
def test_database_password_is_masked(url, masked):
    """The password in a database URL is hidden, wherever it stands and however malformed the URL is."""
    assert mask_url(url) == masked
    shown = repr(Settings.model_construct(**{**load().__dict__, "database_url": url}))
    assert "canary" not in shown


def test_secrets_are_nowhere(env):
    """Neither the settings' text nor a refusal of something else holds a secret."""
    secret = {"API_PASSWORD": "canary1", "DATABASE_URL": "postgresql://me:canary2@host/db"}
    settings = Settings.load(CREDENTIALS | secret, env(""))
    lines = refusal(CREDENTIALS | secret | {"DATABASE_URL": "mysql://me:canary2@host", "MIN_DELAY": "x"})
    for text in (repr(settings), str(settings), str(settings.effective()), "".join(lines)):
        assert "canary" not in text
        assert "DELAY" in text.upper()


NAMES = st.sampled_from(sorted(name.upper() for name in Settings.model_fields))
ANY_TEXT = st.text(st.characters(exclude_categories=()))  # lone surrogates too, as the environment may hold them


@given(st.dictionaries(NAMES, ANY_TEXT))
def test_any_text(variables):
    """Any text in the variables is accepted, or refused with printable lines; nothing else happens."""
    lines: tuple[str, ...] = ()
    try:
        Settings.load(variables, None)
    except SettingsError as error:
        lines = error.problems
    for line in lines:
        assert re.match(r"[A-Z_]+ is ", line)
        assert line.isprintable()


@given(st.binary())
def test_any_file(tmp_path_factory, octets):
    """Any bytes in the file give entries or lines about problems."""
    path = tmp_path_factory.getbasetemp() / "any.env"
    path.write_bytes(octets)
    entries, problems = read_env_file(path)
    assert all(entry.name and entry.line >= 1 for entry in entries)
    assert all(str(path) in problem for problem in problems)


# .env.example


def examples() -> list[tuple[str, str]]:
    """Return name and value of each variable in `.env.example`, those in comments as well."""
    return re.findall(r"^(?:# )?([A-Z_]+)=(\S*)", (ROOT / ".env.example").read_text("utf-8"), re.MULTILINE)


def test_example_names_every_variable():
    """`.env.example` documents every variable, each once, and no other."""
    assert sorted(name for name, _ in examples()) == sorted(name.upper() for name in Settings.model_fields)


def test_example_shows_the_defaults():
    """What `.env.example` shows is what the server does without it."""
    defaults = Settings(api_username="admin", api_password="x").effective()
    shown = dict(examples())
    for name, default in defaults.items():
        if not name.startswith("API_"):
            assert shown[name] == default


def test_example_works(tmp_path):
    """A copy of `.env.example` starts the server, with all of its variables set as well."""
    text = (ROOT / ".env.example").read_text("utf-8")
    for number, content in enumerate([text, re.sub(r"^# (?=[A-Z_]+=)", "", text, flags=re.MULTILINE)]):
        path = tmp_path / f"{number}.env"
        path.write_text(content, "utf-8")
        assert Settings.load({}, path).has_sample_password
