"""A package's face: its public names, each loaded at its first use.

The stub beside a package's ``__init__`` is the one list of its names: type checkers, editors and
this module read it. Knows stubs. Does not know what the names stand for.

lazy_loader's ``attach_stub`` does the same, with two differences. Here a stub may take over another
stub's names by ``import *``, so that every name is listed once; and no stub is read before a name
is needed, so that importing a package costs nothing.
"""

import importlib
import sys
from collections.abc import Callable


def attach(package: str) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return the ``__getattr__`` and ``__dir__`` of a package whose names its stub lists."""
    listed: dict[str, str] = {}

    def names() -> dict[str, str]:
        if not listed:
            listed.update(_read_stub(package))
        return listed

    def load(name: str) -> object:
        if name == "__all__":
            return sorted(names())
        if name.startswith("_") or name not in names():
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(names()[name]), name)

    def load_once(name: str) -> object:
        thing = load(name)
        setattr(sys.modules[package], name, thing)
        return thing

    return load_once, lambda: sorted({*vars(sys.modules[package]), *names()})


def _read_stub(package: str) -> dict[str, str]:
    """Return the module that holds each name, as a package's stub imports them."""
    import ast
    from pathlib import Path

    folder = Path(__file__).parent.joinpath(*package.split(".")[1:])
    modules: dict[str, str] = {}
    for line in ast.parse((folder / "__init__.pyi").read_text(encoding="utf-8")).body:
        if isinstance(line, ast.ImportFrom):
            module = f"{package}.{line.module}"
            for imported in line.names:
                is_all = imported.name == "*"
                modules |= _read_stub(module) if is_all else {imported.name: module}
    return modules
