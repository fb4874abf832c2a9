"""Parts of the pages that are made from the code while the site is built, so that they cannot be wrong.

MkDocs calls `on_page_markdown` for each page. A line `<!-- made from: NAME -->` becomes what `PARTS[NAME]` makes.
"""

from __future__ import annotations

import argparse
import inspect
import logging
import re
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "client/src"), str(ROOT / "server/src")]

from translation_client import _errors  # noqa: E402 - from the checkout, whatever is installed
from translation_client.cli import arguments as client_arguments  # noqa: E402
from translation_server import cli  # noqa: E402
from translation_server.app import create_app  # noqa: E402
from translation_server.config.settings import Settings  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# That the control API is on is no warning here, where nothing is served.
logging.getLogger("translation_server").addHandler(logging.NullHandler())

_PLACE: Final = re.compile(r"^<!-- made from: ([\w ]+) -->$", re.MULTILINE)
_METHODS: Final = ("get", "post", "delete")


def on_page_markdown(markdown: str, **_: object) -> str:
    """Fill the places of one page; raises ``KeyError`` for a name nobody knows."""
    return _PLACE.sub(lambda place: PARTS[place[1]](), markdown)


def settings() -> str:
    """The table of variables, from ``Settings``."""
    head = ["| variable | default | meaning | allowed |", "|---|---|---|---|"]
    return "\n".join([*head, *_setting_rows()])


def _setting_rows() -> Iterator[str]:
    for name, field in Settings.model_fields.items():
        extra = field.json_schema_extra
        allowed = extra["allowed"] if isinstance(extra, dict) else ""
        default = (
            "required" if field.is_required() else "unset" if field.default is None else f"`{_shown(field.default)}`"
        )
        yield f"| `{name.upper()}` | {default} | {field.description} | {_cell(str(allowed))} |"


def _shown(value: object) -> str:
    return f"{value:.16g}" if isinstance(value, float) else str(value)


def client_command() -> str:
    """What ``translation-client --help`` prints, and that of each subcommand."""
    return _helps(client_arguments._parser("translation-client", ""))  # noqa: SLF001 - argparse knows no other way


def server_command() -> str:
    """What ``translation-server --help`` prints, and that of each subcommand."""
    return _helps(cli._parser())  # noqa: SLF001 - likewise


def _helps(parser: argparse.ArgumentParser) -> str:
    parsers = [parser]
    for action in parser._actions:  # noqa: SLF001 - likewise
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - likewise
            parsers += action.choices.values()
    return "\n\n".join(f"### `{one.prog}`\n\n```text\n{one.format_help().strip()}\n```" for one in parsers)


def error_tree() -> str:
    """How the client's errors descend from each other, as drawn beside them."""
    drawn = inspect.cleandoc(_errors.__doc__ or "").split("::\n\n")[1].split("\n\nAll")[0]
    return f"```text\n{textwrap.dedent(drawn)}\n```"


def errors() -> str:
    """One entry for each error of the client."""
    names = re.findall(r"─ (\w+)", error_tree())
    return "\n\n".join(_entry(f"translation_client.{name}") for name in ["TranslationClientError", *names])


def _entry(name: str) -> str:
    return f"::: {name}\n    options: {{ heading_level: 3, inherited_members: false }}"


def http_api() -> str:
    """Every request and every answer of the OpenAPI document, that of the simulator included."""
    document = create_app(
        Settings(api_username="user", api_password="password", database_url="sqlite:///:memory:", control_api="on")  # noqa: S106 - of nobody
    ).openapi()
    known = (ROOT / "README.md").read_text("utf-8")
    order = sorted(_addresses_by_operation(document), key=lambda found: _place_in(known, found[0]))
    parts = [_operation(names, operation) for names, operation in order]
    return "\n\n".join([*parts, "## Objects", *_objects(document["components"]["schemas"])])


def _place_in(known: str, names: list[str]) -> int:
    """In the order of README.md's table; what it does not have comes last."""
    return min((place for name in names if (place := known.find(f"`{name}`")) >= 0), default=len(known))


def _addresses_by_operation(document: dict[str, Any]) -> list[tuple[list[str], dict[str, Any]]]:
    """Twins (`/start` and `/jobs`) are told once."""
    found: dict[str, tuple[list[str], dict[str, Any]]] = {}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in _METHODS:
                key = repr((method, {**operation, "operationId": ""}))
                found.setdefault(key, ([], operation))[0].append(f"{method.upper()} {path}")
    return list(found.values())


def _operation(names: list[str], operation: dict[str, Any]) -> str:
    lines = [
        f"## {', '.join(f'`{name}`' for name in sorted(names, reverse=True))}",
        "",
        operation.get("description", ""),
        "",
    ]
    lines += _parameters(operation.get("parameters", []))
    body = operation.get("requestBody")
    if body:
        schema = next(iter(body["content"].values()))["schema"]
        lines += [f"Body: {_type(schema)}{'' if body.get('required') else ', which may be left out'}.", ""]
    lines += ["| answer | when | headers |", "|---|---|---|"]
    lines += [_answer(status, answer) for status, answer in sorted(operation["responses"].items())]
    return "\n".join(lines)


def _parameters(parameters: list[dict[str, Any]]) -> list[str]:
    if not parameters:
        return []
    rows = [
        f"| `{one['name']}` | {one['in']} | {_type(one['schema'])} | {_cell(one.get('description', ''))} |"
        for one in parameters
    ]
    return ["| parameter | in | type | meaning |", "|---|---|---|---|", *rows, ""]


def _answer(status: str, answer: dict[str, Any]) -> str:
    content = answer.get("content", {})
    types = {_type(one.get("schema", {})) for one in content.values()} - {"anything", "[Problem](#problem)"}
    what = f" ({', '.join(sorted(types))})" if types else ""
    headers = ", ".join(f"`{name}`" for name in answer.get("headers", {}))
    return f"| {status}{what} | {_cell(answer['description'])} | {headers} |"


def _objects(schemas: dict[str, Any]) -> Iterator[str]:
    for name, schema in schemas.items():
        yield f"### {name}\n\n{schema.get('description', '')}"
        if "properties" in schema:
            rows = [
                f"| `{field}` | {_type(about)} | {_cell(about.get('description', ''))} |"
                for field, about in schema["properties"].items()
            ]
            yield "\n".join(["| field | type | meaning |", "|---|---|---|", *rows])
        elif "enum" in schema:
            yield f"One of {', '.join(f'`{value}`' for value in schema['enum'])}."


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(one) for one in schema["anyOf"]))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    kind = schema.get("format") or schema.get("type") or "anything"
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def _cell(text: str) -> str:
    """Text that does not end its cell."""
    return " ".join(text.split()).replace("|", "\\|")


def strategies() -> str:
    """The table of waiting strategies, which README.md has."""
    readme = (ROOT / "README.md").read_text("utf-8")
    found = re.search(r"^\| \| jobs of 3 to 7 s .*?(?=\n\n)", readme, re.MULTILINE | re.DOTALL)
    if found is None:
        raise LookupError("README.md has no table of waiting strategies")
    return found[0]


def changelog() -> str:
    """CHANGELOG.md, whose links are meant from the root."""
    return (ROOT / "CHANGELOG.md").read_text("utf-8").replace("](docs/", "](")


PARTS: Final[dict[str, Callable[[], str]]] = {
    "settings": settings,
    "error tree": error_tree,
    "errors": errors,
    "client command": client_command,
    "server command": server_command,
    "openapi": http_api,
    "strategies": strategies,
    "changelog": changelog,
}
