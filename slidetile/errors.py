"""The errors slidetile raises for slides and stores; a caller's mistake is ValueError or TypeError.

SlidetileError
├── AnnotationError               an annotation file cannot be used
├── CohortError                   a manifest or the tables of a cohort cannot be used
├── SlideError
│   ├── UnsupportedSlideError     no reader recognises the file
│   ├── MissingResolutionError    no mpp in the file and none given, where one is needed
│   ├── ColourProfileError        the slide's colour profile cannot be applied
│   ├── SlideReadError            the file could not be read (also OSError)
│   │   └── DamagedPixelsError    bytes that were read do not decode
│   └── NotNativeError            the slide's compressed tiles cannot be copied unchanged
└── StoreError
    ├── StoreExistsError          the destination already holds a store (also FileExistsError)
    │   └── OutdatedStoreError    it is of another slide, of other settings, or not whole
    ├── StoreMismatchError        made from another slide or with other settings: not resumed
    ├── StoreBusyError            another process is writing it
    └── IncompleteStoreError      opened before all planned tiles were written

No class has an ``__init__``: errors pass between processes, and pickle makes them from their
message alone.
"""

import errno


class SlidetileError(Exception):
    """Base of all errors that concern a slide or a store."""


class AnnotationError(SlidetileError):
    """An annotation file cannot be read, or holds no annotations for this slide."""


class CohortError(SlidetileError):
    """A manifest, or the tables in a folder of stores, cannot be read or are not what they seem."""


class SlideError(SlidetileError):
    """A slide cannot be used."""


class UnsupportedSlideError(SlideError):
    """No reader recognises the file."""


class MissingResolutionError(SlideError):
    """An mpp is needed, but the slide's file has none and none was given."""


class ColourProfileError(SlideError):
    """The slide's colour profile cannot be applied: it, or its pixels, are not of 8-bit RGB."""


class SlideReadError(SlideError, OSError):
    """The slide's file could not be read: the run stops, and can be continued."""


class DamagedPixelsError(SlideReadError):
    """Bytes that were read do not decode: these pixels are damaged for good."""

    reason = "does not decode"
    """What is wrong, in the same few words wherever pixels are so damaged; it is counted."""


class NotNativeError(SlideError):
    """The slide's compressed tiles cannot be copied into a store unchanged."""

    reason: str | None = None
    """Why, in one short phrase, where that is not the message's first sentence."""

    @property
    def phrase(self) -> str:
        """Why, in one short phrase, such as "strips, not tiles"."""
        if self.reason is not None:
            return self.reason
        sentence = str(self).partition(". ")[0].rstrip(".")
        return sentence[:1].lower() + sentence[1:]


class StoreError(SlidetileError):
    """A store cannot be used."""


class StoreExistsError(StoreError, FileExistsError):
    """The destination already holds a store."""


class OutdatedStoreError(StoreExistsError):
    """The destination holds a finished store that is not the one that is asked for."""

    is_same_slide = False
    """Whether it was made from the very slide, with other settings, or has lost files since."""

    is_emptied = False
    """Whether a power failure has emptied its root metadata, so that nothing of it can be read."""


class StoreMismatchError(StoreError):
    """An unfinished store was made from another slide or with other settings."""


class StoreBusyError(StoreError):
    """Another process is writing the store, or has taken it over from this one."""


class IncompleteStoreError(StoreError):
    """A store was opened before all its planned tiles were written."""


_DISK_IS_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def explain(error: BaseException) -> str:
    """Return what went wrong, in one line for people; the error's class, where it says nothing.

    Of an error of the system the file is named, and what to do where the disk is full.
    """
    message = str(error)
    if isinstance(error, OSError) and error.strerror:
        message = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
        if error.errno in _DISK_IS_FULL:
            message += "; what is written is kept: make room, and run the same command again"
    return " ".join(message.split()) or type(error).__name__


def one_line(error: BaseException | None) -> str:
    """Return an error's message on one line of at most 200 characters."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else text[:199] + "…"
