"""Finds the code in Markdown pages, and runs it as a reader would.

What counts is written in the page and nowhere else. A fence `python`, `bash` or `console` is run; a fence `text` or
`json` right below it is what it prints, `…` standing for anything. In `console`, lines with `$ ` are typed, and those
below are what is printed. Python with a function `test_…` in it is run by pytest, with the plugin.
"""

import contextlib
import itertools
import os
import re
import signal
import subprocess
import sys
import time
import venv
from dataclasses import dataclass
from pathlib import Path

from server_process import ROOT, clean_environment, free_port, is_ready

WRITTEN_URL = "http://127.0.0.1:8000"
PATIENCE = 180.0  # seconds; an installation takes twenty
RUN = ("python", "bash", "console")
SHOWN = ("text", "json", "ini", "yaml", "nginx")  # not for running
SERVES = re.compile(r"\b(uvicorn|translation-server serve)\b")
SOURCES = os.pathsep.join([str(ROOT / "client/src"), str(ROOT / "server/src")])
_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<code>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Snippet:
    """One fence of a page, and what the page says it prints (None: nothing is said)."""

    page: str
    line: int
    language: str
    code: str
    prints: str | None

    def __str__(self):
        return f"{self.page}:{self.line}"


def snippets_of(page, text):
    """All fences of a page, those that only show what another one prints left out."""
    fences = list(_FENCE.finditer(text))
    printed = {
        after.start()
        for before, after in itertools.pairwise(fences)
        if before["language"] in {"python", "bash"} and _is_output(before, after, text)
    }
    for fence, after in itertools.zip_longest(fences, fences[1:]):
        if fence.start() not in printed:
            prints = _code(after) if after and after.start() in printed else None
            yield Snippet(page, text.count("\n", 0, fence.start()) + 1, fence["language"], _code(fence), prints)


def _is_output(before, after, text):
    return after["language"] in {"text", "json"} and not text[before.end() : after.start()].strip()


def _code(fence):
    return re.sub(rf"^{fence['indent']}", "", fence["code"], flags=re.MULTILINE)


def matches(shown, printed):
    """Whether something printed is what a page shows, `…` standing for anything, spaces at line ends for nothing."""
    shown, printed = (re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE).strip() for text in (shown, printed))
    return re.fullmatch(re.escape(shown).replace("…", ".*"), printed, re.DOTALL) is not None


class Runner:
    """Runs snippets against a server, in a folder of their own, with the commands of both distributions at hand.

    Args:
        base_url: The server that stands where a page says http://127.0.0.1:8000.
        folder: Where they run.
        bin_folder: Where the commands are put.
    """

    def __init__(self, base_url, folder, bin_folder):
        self._base_url = base_url
        self._folder = folder
        _install_commands(bin_folder, base_url)
        self._environment = clean_environment() | {
            "PATH": os.pathsep.join([str(bin_folder), str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PYTHONPATH": SOURCES,
            "PYTHONUTF8": "1",
            "COLUMNS": "100",
            "XDG_STATE_HOME": str(bin_folder / "state"),  # where installed commands keep their logs
        }

    def run(self, snippet):
        """Runs one snippet; raises AssertionError unless it ends well and prints what its page shows."""
        code = snippet.code.replace(WRITTEN_URL, self._base_url)
        if snippet.language == "console":
            self._type(code)
            return
        command = ["bash", "-euo", "pipefail", "-c", code.replace("curl ", "curl --silent ")]
        if snippet.language == "python":
            command = self._python(code)
        printed = self._output(command)
        assert snippet.prints is None or matches(snippet.prints, printed), printed

    def _python(self, code):
        if not re.search(r"^(async )?def test_", code, re.MULTILINE):
            return [sys.executable, "-c", code]
        file = self._folder / "test_snippet.py"
        file.write_text(code, "utf-8")
        plugin = ["-p", "translation_server.testing.pytest_plugin"]  # found by itself where the server is installed
        return [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugin, str(file)]

    def _type(self, code):
        """Types the commands of a terminal one after the other into one shell."""
        typed = re.findall(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n?)*)", code, re.MULTILINE)
        served = [command for command, _ in typed if SERVES.search(command)]
        if served:
            self._serve("\n".join(command for command, _ in typed))
            return
        script = "".join(f"{command}\necho '\x01'\n" for command, _ in typed)
        parts = self._output(["bash", "-euo", "pipefail", "-c", script]).split("\x01\n")
        for (command, shown), printed in zip(typed, parts, strict=False):
            assert not shown.strip() or matches(shown, printed), f"{command}\n{printed}"

    def _serve(self, script):
        """Runs commands the last of which is a server, until it is ready; then it must end when it is told to."""
        port = free_port()
        script = re.sub(r"--port \d+", "", script) + f" --port {port}"
        file = self._folder / "served.txt"
        with file.open("wb") as output:
            server = subprocess.Popen(
                ["bash", "-euc", script.replace("--host 0.0.0.0", "--host 127.0.0.1")],
                cwd=self._folder,
                env=self._environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            await_ready(server, port, file)
        finally:
            with contextlib.suppress(ProcessLookupError):  # where it would not start
                os.killpg(server.pid, signal.SIGTERM)
            server.wait(20)

    def _output(self, command):
        done = subprocess.run(
            command,
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,  # as a terminal shows both
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout


def await_ready(server, port, output):
    """Returns when a server that was started answers."""
    deadline = time.monotonic() + PATIENCE
    while not is_ready(f"http://127.0.0.1:{port}"):
        assert server.poll() is None, output.read_text("utf-8")
        assert time.monotonic() < deadline, output.read_text("utf-8")
        time.sleep(0.05)


def _install_commands(folder, base_url):
    """Puts on the path what the distributions install there, and the pip of an environment of its own."""
    venv.create(folder / "environment", with_pip=True)
    python = f"#!{sys.executable}\nimport sys\n"
    last = "if __name__ == '__main__':\n    sys.exit(main())\n"  # workers import the script again
    scripts = {
        "python3": f'#!/bin/sh\nexec "{sys.executable}" "$@"\n',
        "pip": f'#!/bin/sh\nexec "{folder}/environment/bin/pip" --quiet --disable-pip-version-check "$@"\n',
        "translation-client": f"{python}from translation_client.cli.main import main\n"
        f"if '--base-url' not in sys.argv and '--help' not in sys.argv:\n    sys.argv += ['--base-url', '{base_url}']\n"
        f"{last}",
        "translation-server": f"{python}from translation_server.cli import main\n{last}",
    }
    for name, script in scripts.items():
        (folder / name).write_text(script, "utf-8")
        (folder / name).chmod(0o755)
