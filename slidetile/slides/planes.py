"""Over how many channels, depths and times an image is spread, and which of them are read.

Does not know how files hold them.
"""

from collections.abc import Sequence

from slidetile.choices import UnfitChoiceError
from slidetile.counts import how_many
from slidetile.raster.channels import MOST_CHANNELS, Channel
from slidetile.slides.plane_choice import PlaneChoice
from slidetile.slides.reader import FinalRefusalError


def chosen_channels(planes: PlaneChoice, known: Sequence[Channel]) -> tuple[int, ...]:
    """Return the places of the channels that are read, among those that a slide has.

    Raises
    ------
    UnfitChoiceError
        One that was chosen does not exist.
    FinalRefusalError
        There are more than a store can have, and none was chosen.
    """
    numbers = planes.numbers(known)
    if len(numbers) > MOST_CHANNELS:
        raise FinalRefusalError(
            f"it has {len(numbers)} channels, more than the {MOST_CHANNELS} that a store can have: "
            "choose some by --channels"
        )
    return numbers


def chosen_places(planes: PlaneChoice, depths: int, times: int) -> tuple[int, int]:
    """Return the depth and the time that are read, of so many.

    Raises
    ------
    UnfitChoiceError
        One that was chosen does not exist.
    FinalRefusalError
        There are several, and none was chosen: to read one would lose the others unasked.
    """
    axes = (("depths", "z", planes.z, depths), ("times", "t", planes.t, times))
    for what, option, asked, count in axes:
        if asked is not None and asked >= count:
            there = "only 0" if count == 1 else f"0 to {count - 1}"
            raise UnfitChoiceError(
                f"The slide has {how_many(count, what)}, so there is no --{option} {asked}, but "
                f"{there}."
            )
    several = [axis for axis in axes if axis[2] is None and axis[3] > 1]
    if several:
        told = " and ".join(how_many(count, what) for what, _, _, count in several)
        options = " and ".join(f"--{option} 0 to {count - 1}" for _, option, _, count in several)
        raise FinalRefusalError(
            f"its image is spread over {told}, and slidetile reads one at a time: choose it by "
            f"{options}"
        )
    return planes.z or 0, planes.t or 0
