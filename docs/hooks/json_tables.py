"""Write the tables of docs/reference/json.md from the schemas.

    python docs/hooks/json_tables.py

Each table stands below a line ``<!-- NAME.json -->``.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

REFERENCE = Path(__file__).parents[1] / "reference"

SCHEMAS = REFERENCE / "schemas"

PAGE = REFERENCE / "json.md"

HEAD = "| key | type | unit | meaning | example |\n|---|---|---|---|---|\n"


def written(page: str) -> str:
    """Return the page with its tables as the schemas have them."""
    return re.sub(
        r"(?<=<!-- )([\w-]+)\.json -->\n(?:\n(?:\|.*\n)+)?",
        lambda found: f"{found[1]}.json -->\n\n{table(found[1])}",
        page,
    )


def table(name: str) -> str:
    """Return the table of a schema: a row for each key."""
    schema = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
    return HEAD + "".join(f"| {' | '.join(row)} |\n" for row in rows(schema))


def rows(schema: dict[str, Any], above: str = "") -> Iterator[tuple[str, ...]]:
    """Yield key, type, unit, meaning and example of all that an object holds."""
    for name, value in schema["properties"].items():
        example = ""
        if "examples" in value:
            example = f"`{json.dumps(value['examples'][0], ensure_ascii=False)}`"
        key = f"{above}{name}"
        yield f"`{key}`", kind(value), value.get("x-unit", ""), value["description"], example
        if "properties" in value:
            yield from rows(value, f"{key}.")
        elif "properties" in value.get("items", {}):
            yield from rows(value["items"], f"{key}[].")


def kind(schema: dict[str, Any]) -> str:
    """Return a type in words."""
    if "$ref" in schema:
        return "object"
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "enum" in schema:
        return " or ".join(f"`{json.dumps(choice)}`" for choice in schema["enum"])
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    names = [name if name != "array" else f"array of {items(schema)}" for name in types]
    return " or ".join(names)


def items(schema: dict[str, Any]) -> str:
    """Return what an array holds."""
    count = f"{schema['minItems']} " if schema.get("minItems") == schema.get("maxItems", 0) else ""
    return f"{count}{schema['items']['type']}s"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
