"""How the reference reads the package: its faces, and the types of parameters."""

from collections.abc import Iterator

from griffe import Class, DocstringSectionParameters, Extension, Function, Module


class Faces(Extension):
    """Have a package's page show its public names, each with the types of its own parameters."""

    def on_package(self, *, pkg: Module, **_: object) -> None:
        """Correct what was loaded."""
        for face in _faces(pkg):
            # Its stub lists the names, and imports nothing else; the code imports `attach`.
            face.exports = sorted(name for name in face.imports if name != "attach")
        for thing in _public(pkg):
            _correct(thing)
            for member in thing.all_members.values():  # those of what it is made of, too
                target = member.final_target if member.is_alias else member
                if isinstance(target, Function):
                    _correct(target)


def _faces(pkg: Module) -> Iterator[Module]:
    yield from (module for module in pkg.modules.values() if module.is_init_module)


def _public(pkg: Module) -> Iterator[Function | Class]:
    for face in _faces(pkg):
        for name in face.exports or ():
            thing = face[str(name)].final_target
            if isinstance(thing, Function | Class):
                yield thing


def _correct(thing: Function | Class) -> None:
    """Give parameters that share a description their own types, not those of the first."""
    for section in thing.docstring.parsed if thing.docstring else ():
        if isinstance(section, DocstringSectionParameters):
            for parameter in section.value:
                if parameter.name in thing.parameters:
                    signature = thing.parameters[parameter.name]
                    parameter.annotation = signature.annotation
                    parameter.value = signature.default
