"""Where several stores are exported to: an output each, in one folder.

Knows names. Does not know what is in a store.
"""

from collections.abc import Mapping, Sequence
from pathlib import PurePath

from slidetile.choices import UnfitChoiceError
from slidetile.cloud.address import Location, absolute, real
from slidetile.export.kinds import KINDS, ExportKind
from slidetile.export.shards import shard_stem
from slidetile.format.names import STORE_SUFFIX


def outputs_of(
    stores: Sequence[Location], folder: Location, kind: ExportKind
) -> Mapping[Location, Location]:
    """Return the output of each store.

    Parameters
    ----------
    stores
        Where the stores are.
    folder
        What holds all outputs.
    kind
        What is written, which says how outputs are named.

    Raises
    ------
    UnfitChoiceError
        Two stores would have the same output, the output of one is a store among them, or the
        folder is named as an output is.
    """
    if any(folder.suffix.lower() in each.suffixes for each in KINDS.values()):
        raise UnfitChoiceError(
            f"{folder} is named as one output is, but several stores are exported: give a folder "
            "that holds all outputs."
        )
    made_of: dict[str, Location] = {}
    for store in stores:
        name = _stem(store) if kind.named else shard_stem(real(store))
        other = made_of.setdefault(name.casefold(), store)  # on some disks A is a
        if absolute(other) != absolute(store):
            raise UnfitChoiceError(
                f"{other} and {store} have one name, {name}, and so would their outputs in "
                f"{folder}: export them into folders of their own."
            )
    outputs = {
        store: folder / kind.named.format(_stem(store)) if kind.named else folder
        for store in stores
    }
    among = {real(store) for store in stores}
    taken = next((output for output in outputs.values() if real(output) in among), None)
    if taken is not None:
        raise UnfitChoiceError(
            f"{taken} is one of the stores that are exported: choose another folder for the output."
        )
    return outputs


def _stem(store: Location) -> str:
    return PurePath(absolute(store)).name.removesuffix(STORE_SUFFIX)
