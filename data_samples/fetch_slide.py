"""Download public slides listed in real_slides.toml and check them.

    python data_samples/fetch_slide.py                    # list the names
    python data_samples/fetch_slide.py CMU-1 -o slides
    python data_samples/fetch_slide.py --small            # those the tests look for, 7 MB

Exit code 0: each slide is there and is the right one; 1: one could not be had; 2: wrong usage.
"""

import argparse
import hashlib
import http.client
import sys
import tomllib
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

LIST = Path(__file__).with_name("real_slides.toml")
REAL = Path(__file__).with_name("real")
"""Where the tests look for the small slides."""
BLOCK_BYTES = 1 << 20
TIMEOUT_S = 60


class FetchError(Exception):
    """The slide could not be downloaded, or what came is not the slide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RealSlide:
    """One entry of the list."""

    url: str
    """Where the file is."""
    size_bytes: int
    """Its exact size."""
    sha256: str
    """Its checksum, in hexadecimal."""
    licence: str
    """SPDX name where there is one."""
    about: str
    """What it shows and why one might want it."""
    file: str = ""
    """The name it gets on disk, where that is not the last part of its address."""
    small: bool = False
    """Whether it is one of the few small ones that the tests look for."""

    @property
    def filename(self) -> str:
        """The name it gets on disk."""
        return self.file or self.url.rsplit("/", 1)[-1]


def load_list(path: Path = LIST) -> dict[str, RealSlide]:
    """Return the slides by name."""
    return {
        name: RealSlide(**entry) for name, entry in tomllib.loads(path.read_text("utf-8")).items()
    }


def fetch(slide: RealSlide, directory: Path) -> Path:
    """Return the checked file of `slide` in `directory`, downloaded unless it is there."""
    target = directory / slide.filename
    if target.exists():
        with target.open("rb") as file:
            _check(slide, _blocks(file), str(target))
        return target
    directory.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    try:
        with (
            urllib.request.urlopen(slide.url, timeout=TIMEOUT_S) as answer,  # noqa: S310 - from our list
            partial.open("wb") as file,
        ):
            _check(slide, _saved(_blocks(answer), file), slide.url)
        partial.replace(target)
    except (OSError, http.client.HTTPException) as error:
        raise FetchError(
            f"{slide.url}: {error or type(error).__name__}; try again later"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return target


def _blocks(source: BinaryIO) -> Iterator[bytes]:
    while block := source.read(BLOCK_BYTES):
        yield block


def _saved(blocks: Iterator[bytes], file: BinaryIO) -> Iterator[bytes]:
    for block in blocks:
        file.write(block)
        yield block


def _check(slide: RealSlide, blocks: Iterator[bytes], source: str) -> None:
    """Read `blocks` to their end, or until there are too many; raise if they are not `slide`."""
    size, digest = 0, hashlib.sha256()
    for block in blocks:
        size += len(block)
        digest.update(block)
        if size > slide.size_bytes:
            raise FetchError(f"{source}: longer than the {slide.size_bytes} bytes listed; stopped")
    if size < slide.size_bytes:
        raise FetchError(f"{source}: ended after {size} of {slide.size_bytes} bytes; try again")
    if digest.hexdigest() != slide.sha256:
        raise FetchError(f"{source}: sha-256 is {digest.hexdigest()}, listed is {slide.sha256}")


def fetch_all(slides: Iterable[RealSlide], directory: Path) -> bool:
    """Fetch slides and say what became of each; return whether all of them are there."""
    complete = True
    for slide in slides:
        try:
            print(fetch(slide, directory))
        except FetchError as error:
            print(error, file=sys.stderr)
            complete = False
    return complete


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, fetch what it asks for, return the exit code."""
    slides = load_list()
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("name", nargs="?", choices=sorted(slides), help="leave out to list them")
    chosen.add_argument("--small", action="store_true", help="all that the tests look for")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="DIR",
        help="the current folder; with --small, data_samples/real",
    )
    options = parser.parse_args(arguments)
    if options.small:
        small = [slide for slide in slides.values() if slide.small]
        return 0 if fetch_all(small, options.output or REAL) else 1
    if options.name is None:
        for name, slide in slides.items():
            print(f"{name:20} {slide.size_bytes / 1e6:7.1f} MB  {slide.licence}: {slide.about}")
        return 0
    return 0 if fetch_all([slides[options.name]], options.output or Path()) else 1


if __name__ == "__main__":
    sys.exit(main())
