"""Which of a slide's channels, and which of its depths and times, are read.

Knows names and numbers. Does not know how files hold them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from slidetile.choices import UnfitChoiceError
from slidetile.raster.channels import Channel

_MOST_NAMED = 20
"""Most channels that an error names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneChoice:
    """The channels to read, and the one depth and time.

    Raises
    ------
    TypeError
        A channel is no text, or a number is no whole one.
    ValueError
        A channel is chosen twice or has an empty name, or a number is negative.
    """

    channels: Sequence[str] = ()
    """Names or numbers of the channels, in the order in which they are wanted; empty for all."""

    z: int | None = None
    """The depth (focal plane), from 0; None where there is one."""

    t: int | None = None
    """The time, from 0; None where there is one."""

    def __post_init__(self) -> None:
        if isinstance(self.channels, str):
            raise TypeError(f"Channels are a list of names, but this is {self.channels!r}.")
        names = tuple(_name(each) for each in self.channels)
        object.__setattr__(self, "channels", names)
        if len(set(names)) < len(names):
            raise ValueError(f"Each channel is chosen once, but these are {', '.join(names)}.")
        for name in ("z", "t"):
            number = getattr(self, name)
            if number is None:
                continue
            if not isinstance(number, int) or isinstance(number, bool):
                raise TypeError(f"{name} is a whole number, but this is {number!r}.")
            if number < 0:
                raise ValueError(f"{name} counts from 0, but it is {number}.")

    def __bool__(self) -> bool:
        """Return whether anything is chosen."""
        return bool(self.channels) or self.z is not None or self.t is not None

    def numbers(self, known: Sequence[Channel]) -> tuple[int, ...]:
        """Return the places of the chosen channels among those that a slide has.

        A name counts before a number. Case counts only where names differ by nothing else.

        Raises
        ------
        UnfitChoiceError
            One does not exist; the message names those that do.
        """
        if not self.channels:
            return tuple(range(len(known)))
        found = tuple(_place(name, known) for name in self.channels)
        if len(set(found)) < len(found):
            raise UnfitChoiceError(
                f"Each channel is chosen once, but {', '.join(self.channels)} name one twice."
            )
        return found


EVERYTHING = PlaneChoice()
"""All channels of a slide of one depth and time."""


def listed(channels: Sequence[Channel]) -> str:
    """Return the names of channels, with their numbers, for people."""
    named = [
        channel.name if channel.name == str(number) else f"{channel.name} ({number})"
        for number, channel in enumerate(channels[:_MOST_NAMED])
    ]
    more = ["…"] if len(channels) > _MOST_NAMED else []
    return ", ".join(named + more)


def _name(given: object) -> str:
    """Return the name of a channel; numbers are names, too."""
    if isinstance(given, int) and not isinstance(given, bool):
        given = str(given)
    if not isinstance(given, str):
        raise TypeError(f"A channel is chosen by its name or number, not by {given!r}.")
    if not given.strip():
        raise ValueError("A channel's name is not empty.")
    return given.strip()


def _place(name: str, known: Sequence[Channel]) -> int:
    names = [channel.name for channel in known]
    if name in names:
        return names.index(name)
    folded = [other.casefold() for other in names]
    if folded.count(name.casefold()) == 1:
        return folded.index(name.casefold())
    if name.isascii() and name.isdigit() and len(name) < 4 and int(name) < len(known):
        return int(name)
    raise UnfitChoiceError(f"There is no channel {name!r:.60}: there are {listed(known)}.")
