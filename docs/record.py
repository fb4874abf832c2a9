"""Records the client's command line, in a real terminal against a real server, as a picture.

    .venv/bin/python docs/record.py            writes docs/pictures/session.svg

The picture needs no font and no page from anywhere. Ids and times are those of the run.
"""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyte
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from server_process import ServerProcess, clean_environment  # noqa: E402 - runs from a checkout

WIDTH, HEIGHT = 92, 12
LONGEST = 30.0  # seconds
SHOWN = ["python3", "client/client.py", "--username", "admin"]
FONTS = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
COLOURS = {"brown": "yellow", "default": "default"}


def main() -> int:
    """Record, and write the file that was named."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs/pictures/session.svg"
    with tempfile.TemporaryDirectory() as folder:
        settings = {"API_USERNAME": "admin", "API_PASSWORD": "x", "MIN_DELAY": "3", "MAX_DELAY": "3"}
        with ServerProcess(Path(folder), ERROR_PROBABILITY="0", **settings) as server:
            half, whole = recorded(
                [sys.executable, *SHOWN[1:], "--base-url", server.base_url, "--log-file", f"{folder}/client.log"]
            )
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(picture(half, whole), "utf-8")
    return 0


def recorded(command: list[str]) -> tuple[list[Text], list[Text]]:
    """What the terminal shows when the job is about half done, and when the command has ended."""
    screen = pyte.Screen(WIDTH, HEIGHT)
    stream = pyte.ByteStream(screen)
    master, slave = pty.openpty()
    environment = clean_environment() | {"API_PASSWORD": "x", "TERM": "xterm-256color", "COLUMNS": str(WIDTH)}
    half: list[Text] = []
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdin=slave, stdout=slave, stderr=slave) as process:  # noqa: S603 - ours
        os.close(slave)
        deadline = time.monotonic() + LONGEST
        try:
            while time.monotonic() < deadline and (output := os.read(master, 65536)):
                stream.feed(output)
                if not half and re.search(r"[56]\d %", "\n".join(screen.display)):
                    half = lines_of(screen)
        except OSError:
            pass  # which is how a terminal says that everybody has left
        process.wait(5)
    os.close(master)
    return half, lines_of(screen)


def lines_of(screen: pyte.Screen) -> list[Text]:
    """The lines that are not empty, in their colours."""
    shown = []
    for number in range(screen.lines):
        line = Text()
        for column in range(screen.columns):
            cell = screen.buffer[number][column]
            line.append(cell.data, f"{'bold ' if cell.bold else ''}{colour(cell.fg)}")
        line.rstrip()
        shown.append(line)
    while shown and not shown[-1].plain:
        shown.pop()
    return shown


def colour(name: str) -> str:
    """What rich calls a colour of the terminal."""
    if re.fullmatch(r"[0-9a-f]{6}", name):
        return f"#{name}"
    return COLOURS.get(name, name).replace("bright", "bright_")


def picture(half: list[Text], whole: list[Text]) -> str:
    """Both moments, one below the other."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    prompt = Text.assemble(("$ ", "green"), " ".join(SHOWN))
    for line in [prompt, *half, Text("(and a second later)", "dim italic"), *whole[1:]]:
        console.print(line, soft_wrap=True)
    form = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    form = form.replace("Fira Code, monospace", FONTS)
    drawn = console.export_svg(title="One job", code_format=form, unique_id="session")
    return re.sub(r"[ \t]+$", "", drawn, flags=re.MULTILINE) + "\n"


if __name__ == "__main__":
    sys.exit(main())
