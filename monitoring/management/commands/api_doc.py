"""`manage.py api_doc`: write docs/api.md from the API's description."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from drf_spectacular.generators import SchemaGenerator

INTRODUCTION = Path("docs/api-introduction.md")
PAGE = Path("docs/api.md")
METHODS = ("get", "post", "patch")


class Command(BaseCommand):
    """Write it, or with --check say whether it is stale."""

    help = "Write docs/api.md from the API's description."

    def add_arguments(self, parser: CommandParser) -> None:
        """One option."""
        parser.add_argument("--check", action="store_true", help="only say whether it is stale")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write or compare. Raises CommandError when it is stale."""
        file = settings.BASE_DIR / PAGE
        text = api_page()
        if not options["check"]:
            file.write_text(text, encoding="utf-8")
        elif not file.is_file() or file.read_text(encoding="utf-8") != text:
            raise CommandError(f"{PAGE} is stale: run manage.py api_doc.")


def api_page() -> str:
    """The introduction, then every call by its tag."""
    generator: Any = SchemaGenerator
    schema = generator().get_schema(request=None, public=True)
    introduction = (settings.BASE_DIR / INTRODUCTION).read_text(encoding="utf-8").strip()
    calls = sorted(
        (operation["tags"][0], path, METHODS.index(method), operation)
        for path, item in schema["paths"].items()
        for method, operation in item.items()
    )
    lines, section = [introduction], ""
    for tag, path, method, operation in calls:
        if tag != section:
            section = tag
            lines += ["", f"## {tag.capitalize()}"]
        lines += ["", f"### `{METHODS[method].upper()} {path}`", "", *_told(operation, schema)]
    return "\n".join(lines) + "\n"


def _told(operation: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    lines = " ".join(operation.get("description", "").split()).replace(". ", ".\n").split("\n")
    parameters = operation.get("parameters", [])
    if parameters:
        lines += ["", "Parameters: " + ", ".join(_parameter(one) for one in parameters) + "."]
    fields = _fields(operation.get("requestBody", {}), schema)
    if fields:
        lines += ["", f"Body: {fields}."]
    lines += ["", "Answers: " + ", ".join(_answers(operation, schema)) + "."]
    return lines


def _parameter(parameter: dict[str, Any]) -> str:
    optional = "" if parameter.get("required") else "?"
    return f"`{parameter['name']}{optional}` ({parameter['in']})"


def _answers(operation: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    told = []
    for status, response in operation["responses"].items():
        fields = _fields(response, schema) if status.startswith("2") else ""
        told.append(f"{status} {fields}".strip())
    return told


def _fields(holder: dict[str, Any], schema: dict[str, Any]) -> str:
    """The names of a JSON body's fields; optional ones carry a question mark."""
    found = holder.get("content", {}).get("application/json", {}).get("schema", {})
    return _names(found, schema)


def _names(found: dict[str, Any], schema: dict[str, Any]) -> str:
    if "$ref" in found:
        return _names(schema["components"]["schemas"][found["$ref"].rpartition("/")[2]], schema)
    if "oneOf" in found:
        return " or ".join(_names(one, schema) for one in found["oneOf"])
    if found.get("type") == "array":
        return f"[{_names(found['items'], schema)}]"
    required = set(found.get("required", []))
    names = [name if name in required else f"{name}?" for name in found.get("properties", {})]
    return f"`{{{', '.join(names)}}}`" if names else ""
