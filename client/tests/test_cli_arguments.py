from pathlib import Path

import pytest

from translation_client import JobStatus
from translation_client._cli_arguments import Options, parse


def parsed(*argv):
    return parse(argv, prog="client", version="1.2.3")


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
        *[(["--timeout", bad], SECONDS.format("--timeout", bad)) for bad in ("0", "-1", "nan", "inf", "1e999", "ten")],
        (["--video-length", "0"], SECONDS.format("--video-length", "0")),
        *[(["--jobs", bad], COUNT.format("--jobs", bad)) for bad in ("0", "-3", "1.5", "10001", "9" * 40, "٣")],
        (["list", "--limit", "0"], COUNT.format("--limit", "0")),
        (["list", "--status", "done"], "must be one of pending, completed, error, not 'done'"),
        (["wait"], "the following arguments are required: JOB_ID"),
        (["cancel"], "the following arguments are required: JOB_ID"),
        (["wait", "a/b"], "job_id must be"),
        (["status", ""], "job_id must be"),
        (["status", "--jobs", "2"], "--jobs and --video-length are for starting jobs, not for 'status'"),
        (["start", "--jobs", "2"], "'start' starts one job"),
        (["--jobs", "2", "status"], "--jobs and --video-length are for starting jobs, not for 'status'"),
        (["--video-length", "2", "wait", "a"], "--jobs and --video-length are for starting jobs, not for 'wait'"),
        (["--jobs", "2", "start"], "'start' starts one job"),
        (["--quiet", "--verbose"], "--quiet and --verbose contradict each other"),
        (["--quiet", "list", "--verbose"], "--quiet and --verbose contradict each other"),
        (["frolic"], "there is no command frolic. Try"),
        (["strat"], "there is no command strat; did you mean start? Try"),
        (["--timeout"], "argument --timeout: expected one argument"),
        (["--time", "3"], "there is no option --time; did you mean --timeout? Try"),
        (["-x"], "there is no option -x. Try"),
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
    "argv", [["--passwrd", "canary"], ["-p", "canary"], ["--pasword=canary"], ["--password", "-canary"]], ids=" ".join
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
