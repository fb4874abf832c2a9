"""Runs a notebook as Jupyter does: cell by cell, in a running event loop, with ``await`` at the top level.

python tests/run_notebook.py NOTEBOOK

Prints what the cells print, and ends with the first exception. A kernel of its own would need thirty packages.
"""

import ast
import asyncio
import inspect
import json
import sys
from pathlib import Path

notebook = Path(sys.argv[1])
cells = [cell for cell in json.loads(notebook.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]


async def run_all() -> None:
    """All cells share their names, and the loop."""
    names: dict[str, object] = {"__name__": "__main__"}
    for number, cell in enumerate(cells, 1):
        place = f"{notebook.name}[{number}]"
        code = compile("".join(cell["source"]), place, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        value = eval(code, names)  # noqa: S307 - our own notebook
        if inspect.iscoroutine(value):
            await value


asyncio.run(run_all())
