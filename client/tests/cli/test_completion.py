"""What `--print-completion` prints, in a real shell."""

import shutil
import subprocess
import sys

import pytest

from client.tests.script import GENEROUS, SCRIPT
from translation_client.cli.main import main

BASH = shutil.which("bash")
ASKED = """\
source /dev/stdin <<< "$COMPLETION"
COMP_WORDS=({words}) COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
COMP_LINE="{words}" COMP_POINT=${{#COMP_LINE}} COMP_TYPE=9
function=$(complete -p translation-client | sed 's/.*-F \\([^ ]*\\).*/\\1/')
"$function" translation-client "${{COMP_WORDS[-1]}}" "${{COMP_WORDS[-2]}}" || true
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture(scope="module")
def completion():
    """What is printed for bash."""
    command = [sys.executable, SCRIPT, "--print-completion", "bash"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=GENEROUS).stdout  # noqa: S603 - our own script


@pytest.mark.skipif(BASH is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("translation-client wa", {"wait"}),
        ("translation-client li", {"list"}),
        ("translation-client --time", {"--timeout"}),
        ("translation-client list --sta", {"--status"}),
        ("translation-client list --status c", {"completed"}),
        ("translation-client wait --max-p", {"--max-polls"}),
        ("translation-client status --max-p", {""}),
    ],
)
def test_bash_completes(words, expected, completion):
    """Commands, the options of each, and the values that are known."""
    asked = [BASH, "--norc", "-c", ASKED.format(words=words)]
    done = subprocess.run(  # noqa: S603 - ours
        asked, env={"COMPLETION": completion, "PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True
    )
    assert {word.strip() for word in done.stdout.splitlines()} == expected, done.stderr


@pytest.mark.parametrize("shell", ["zsh", "tcsh"])
def test_other_shells_get_a_script_too(shell, capsys):
    """For the installed command, from wherever it is asked for."""
    assert main(["--print-completion", shell]) == 0
    said = capsys.readouterr()
    assert "translation-client" in said.out
    assert "max-polls" in said.out
    assert said.err == ""


def test_without_shtab_it_says_what_to_install(monkeypatch, capsys):
    """In one line."""
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["--print-completion", "bash"]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert "--print-completion needs the package shtab: pip install 'translation-client[cli]'" in said.err
