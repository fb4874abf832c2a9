from pathlib import Path

import pytest

from translation_client import JobStatus, PollingConfig
from translation_client.cli.advice import Place
from translation_client.cli.arguments import parse
from translation_client.cli.options import Options


def parsed(*argv, **environment):
    return parse(argv, place=Place("client"), version="1.2.3", environment=environment)


def test_without_arguments_it_runs_one_job_on_the_local_server():
    """Nothing but credentials need be given, and those may come from the environment."""
    assert parsed() == Options(command="run", base_url="http://127.0.0.1:8000", timeout=600.0, jobs=1)


COMMON = ["--base-url", "https://example.org", "--username", "ada", "--password", "pw", "--timeout", "2.5", "--json"]


@pytest.mark.parametrize("argv", [[*COMMON, "wait", "a"], ["wait", "a", *COMMON], ["wait", *COMMON, "a"]])
def test_options_stand_before_or_after_the_command(argv):
    """An option means the same on either side of the command, and is not undone by what stands there."""
    assert parsed(*argv) == Options(
        command="wait",
        job_ids=("a",),
        base_url="https://example.org",
        username="ada",
        password="pw",
        timeout=2.5,
        json=True,
    )


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--jobs", "20"], Options(jobs=20)),
        (["--video-length", "0.5"], Options(video_length=0.5)),
        (["start", "--video-length", "10"], Options(command="start", video_length=10.0)),
        (["wait", "a", "b", "a"], Options(command="wait", job_ids=("a", "b"))),
        (["status"], Options(command="status")),
        (["status", "a"], Options(command="status", job_ids=("a",))),
        (["list", "--status", "error", "--limit", "3"], Options(command="list", status=JobStatus.ERROR, limit=3)),
        (["cancel", "a", "--quiet"], Options(command="cancel", job_ids=("a",), quiet=True)),
        (["--log-file", "x/y.log", "--verbose"], Options(log_file=Path("x/y.log"), verbose=True)),
        (["--password=-begins-with-a-dash"], Options(password="-begins-with-a-dash")),
        (["-p-begins-with-a-dash"], Options(password="-begins-with-a-dash")),
        (["wait"], Options(command="wait")),
        (["start", "--jobs", "1"], Options(command="start")),
        (["-qjt5", "-n", "3"], Options(quiet=True, json=True, timeout=5.0, jobs=3)),
        (
            ["status", "-b", "http://h", "-u", "ada", "-p", "pw", "-v"],
            Options(command="status", base_url="http://h", username="ada", password="pw", verbose=True),
        ),
        (["start", "-l", "2", "-k", "key"], Options(command="start", video_length=2.0, idempotency_key="key")),
        (["--max-retries", "0", "--max-polls", "3"], Options(polling=PollingConfig(max_retries=0, max_polls=3))),
        (
            ["--initial-delay", "40", "wait", "--max-delay", "60"],
            Options(command="wait", polling=PollingConfig(initial_delay=40, max_delay=60)),
        ),
        (["--jitter", "0", "--backoff-factor", "1.5"], Options(polling=PollingConfig(jitter=0, backoff_factor=1.5))),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_the_arguments_mean(argv, expected):
    """Each command and option is read as documented."""
    assert parsed(*argv) == expected


SECONDS = "argument {}: must be a finite number of seconds above 0, not {!r}"
COUNT = "argument {}: must be a whole number from 1 to 10000, not {!r}"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        *[
            (["--timeout", bad], SECONDS.format("-t/--timeout", bad))
            for bad in ("0", "-1", "nan", "inf", "1e999", "ten")
        ],
        (["--video-length", "0"], SECONDS.format("-l/--video-length", "0")),
        *[(["--jobs", bad], COUNT.format("-n/--jobs", bad)) for bad in ("0", "-3", "1.5", "10001", "9" * 40, "٣")],
        (["list", "--limit", "0"], COUNT.format("--limit", "0")),
        (["list", "--status", "done"], "must be one of pending, completed, error, not 'done'"),
        (["cancel"], "the following arguments are required: JOB_ID"),
        (["wait", "a/b"], "job_id must be"),
        (["status", ""], "job_id must be"),
        (["status", "--jobs", "2"], "--jobs is for starting jobs, not for 'status'"),
        (["start", "--jobs", "2"], "'start' starts one job"),
        (["--jobs", "2", "status"], "--jobs is for starting jobs, not for 'status'"),
        (["--video-length", "2", "wait", "a"], "--video-length is for starting jobs, not for 'wait'"),
        (["--jobs", "2", "start"], "'start' starts one job"),
        (["--quiet", "--verbose"], "--quiet and --verbose contradict each other"),
        (["--quiet", "list", "--verbose"], "--quiet and --verbose contradict each other"),
        (["frolic"], "there is no command frolic. Try"),
        (["strat"], "there is no command strat; did you mean start? Try"),
        (["--timeout"], "argument -t/--timeout: expected one argument"),
        (["status", "--max-polls", "2"], "--max-polls is for waiting, not for 'status'"),
        (["--limit", "2"], "--limit is for listing jobs, the command 'list'"),
        (["--jitter", "x"], "--jitter must be a finite number, at least 0 and at most 1, not 'x'"),
        (["--jitter", "2"], "--jitter must be a finite number, at least 0 and at most 1, not 2"),
        (["--max-delay", "0.1"], "--max-delay must be at least --initial-delay (0.5), not 0.1"),
        (["--backoff-factor", "0.5"], "--backoff-factor must be a finite number, at least 1, not 0.5"),
        (["--max-retries", "-1"], "--max-retries must be a whole number, at least 0, not -1"),
        (["--max-polls", "0"], "--max-polls must be a whole number, at least 1, not 0"),
        (["--max-polls", "9" * 5000], "--max-polls must be a whole number, at least 1, not '9999"),
        (["-n", "2", "-k", "key"], "--idempotency-key is for one job, not for --jobs N"),
        (["--print-completion", "ksh"], "argument --print-completion: must be one of bash, zsh, tcsh"),
        (["--time", "3"], "there is no option --time; did you mean --timeout? Try"),
        (["-x"], "there is no option -x. Try"),
        (["-qx"], "there is no option -x. Try"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_command_line_is_told_in_one_line(argv, message, capsys):
    """Exit status 2 and one line on standard error that names the argument, its value and what is allowed."""
    with pytest.raises(SystemExit) as stop:
        parsed(*argv)
    said = capsys.readouterr()
    assert (stop.value.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert said.err.startswith("client")
    assert message in said.err
    assert "--help'" in said.err


@pytest.mark.parametrize(
    "argv",
    [["--passwrd", "canary"], ["-P", "canary"], ["-Pcanary"], ["--pasword=canary"], ["--password", "-canary"]],
    ids=" ".join,
)
def test_a_mistyped_option_does_not_print_the_password_behind_it(argv, capsys):
    """What follows an unknown option may be a secret, and is not repeated."""
    with pytest.raises(SystemExit):
        parsed(*argv)
    assert "canary" not in capsys.readouterr().err


def test_the_password_is_not_part_of_what_options_look_like():
    """Options can be logged."""
    assert "canary" not in repr(parsed("--password", "canary"))


@pytest.mark.parametrize("argv", [["--help"], ["-h"], ["--version"], ["wait", "--help"]], ids=" ".join)
def test_help_and_version_go_to_standard_output(argv, capsys):
    """They end with exit status 0, and are plain ASCII that any terminal can show."""
    with pytest.raises(SystemExit) as stop:
        parsed(*argv)
    said = capsys.readouterr()
    assert (stop.value.code, said.err) == (0, "")
    assert said.out.isascii()


def test_help_documents_every_exit_status(capsys):
    """A script's author finds there what each exit status means, and how many jobs are summed up."""
    with pytest.raises(SystemExit):
        parsed("--help")
    said = capsys.readouterr().out
    assert all(f"\n  {status} " in said for status in (0, 1, 2, 3, 4, 5, 70, 130))
    assert "4, 5, 3, 1, 0" in said


def test_the_options_in_words_are_those_that_were_given():
    """For the log: what differs from the defaults, and no password."""
    options = Options(command="wait", job_ids=("j1",), base_url="http://host", password="canary")
    assert str(options) == "wait job_ids=('j1',) base_url=http://host"
    assert str(Options()) == "run"
    assert "canary" not in str(Options(metadata={"note": "canary"}))


@pytest.mark.parametrize(
    ("argv", "environment", "expected"),
    [
        ([], {"API_BASE_URL": "http://from.env"}, "http://from.env"),
        (["-b", "http://option"], {"API_BASE_URL": "http://from.env"}, "http://option"),
        ([], {"API_BASE_URL": ""}, "http://127.0.0.1:8000"),
        ([], {}, "http://127.0.0.1:8000"),
    ],
)
def test_the_server_is_that_of_the_option_else_of_the_environment(argv, environment, expected):
    """`--base-url` wins over `API_BASE_URL`, which counts as unset where it is empty."""
    assert parsed(*argv, **environment).base_url == expected


def test_the_help_fits_eighty_columns(monkeypatch, capsys):
    """No line of it is broken by a terminal of the usual width, of any command."""
    monkeypatch.setenv("COLUMNS", "80")
    for argv in ([], ["start"], ["wait"], ["status"], ["list"], ["cancel"]):
        with pytest.raises(SystemExit):
            parsed(*argv, "--help")
        assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


def test_the_help_says_where_the_log_is(capsys):
    """The very file, or that there is none."""
    for log_file, said in (
        (Path("/var/x/client.log"), "/var/x/client.log"),
        (None, "none unless --log-file names one"),
    ):
        with pytest.raises(SystemExit):
            parse(["list", "-h"], place=Place("client", log_file), version="1")
        assert f"Log file: {said}\n" in capsys.readouterr().out


def test_the_help_of_a_command_shows_what_it_takes(capsys):
    """What is for another command is understood, and not shown."""
    with pytest.raises(SystemExit):
        parsed("status", "--help")
    said = capsys.readouterr().out
    assert "--timeout" in said
    assert "--max-polls" not in said
    assert "--jobs" not in said
