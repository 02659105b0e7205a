"""Types of parameters that share a description: each has its own, and not the first one's."""

from collections.abc import Iterator

from griffe import Class, DocstringSectionParameters, Extension, Function, Module


class GroupedParameters(Extension):
    """Take the types and defaults of parameters from the signature, one by one."""

    def on_package(self, *, pkg: Module, **_: object) -> None:
        """Correct the docstrings of all public names, and of their members."""
        for thing in _public(pkg):
            _correct(thing)
            for member in thing.members.values():
                if isinstance(member, Function):
                    _correct(member)


def _public(pkg: Module) -> Iterator[Function | Class]:
    for name in pkg.exports or ():
        thing = pkg[str(name)].final_target
        if isinstance(thing, Function | Class):
            yield thing


def _correct(thing: Function | Class) -> None:
    for section in thing.docstring.parsed if thing.docstring else ():
        if isinstance(section, DocstringSectionParameters):
            for parameter in section.value:
                if parameter.name in thing.parameters:
                    signature = thing.parameters[parameter.name]
                    parameter.annotation = signature.annotation
                    parameter.value = signature.default
