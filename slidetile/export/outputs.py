"""Where several stores are exported to: an output each, in one folder.

Knows names. Does not know what is in a store.
"""

from collections.abc import Mapping, Sequence
from pathlib import PurePath

from slidetile.choices import UnfitChoiceError
from slidetile.cloud.address import Location, absolute
from slidetile.export.kinds import ExportKind
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
        Two stores would have the same output, or the output of one is a store among them.
    """
    made_of: dict[str, Location] = {}
    for store in stores:
        other = made_of.setdefault(_stem(store).casefold(), store)  # on some disks A is a
        if other != store:
            raise UnfitChoiceError(
                f"{other} and {store} have one name, and so would their outputs in {folder}: "
                "export them into folders of their own."
            )
    outputs = {
        store: folder / kind.named.format(_stem(store)) if kind.named else folder
        for store in stores
    }
    among = {absolute(store) for store in stores}
    taken = next((output for output in outputs.values() if absolute(output) in among), None)
    if taken is not None:
        raise UnfitChoiceError(
            f"{taken} is one of the stores that are exported: choose another folder for the output."
        )
    return outputs


def _stem(store: Location) -> str:
    return PurePath(absolute(store)).name.removesuffix(STORE_SUFFIX)
