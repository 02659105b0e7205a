"""Addresses of objects and of what lies below a prefix, such as s3://bucket/slides/a.svs.

Knows how addresses are written. Does not know what lies there. An address is like a path where the
two can be alike: it has a name, a suffix and a parent, and ``/`` goes one step down. It is no path
where they differ: it cannot be opened, and nothing of this machine is reached through it.
"""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Self
from urllib.parse import unquote, urlsplit

from slidetile.cloud.options import StorageOptions, storage_options

SCHEMES = ("s3", "gs", "az", "https", "http")
"""Of Amazon S3 and what speaks like it, Google Cloud Storage, Azure Blob Storage, web servers."""

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+")
"""One letter is a drive of Windows. A `Path` has kept one of the slashes."""

_WEB = ("https", "http")
_BUCKET = re.compile(r"[A-Za-z0-9._-]{1,255}")
_HOST = re.compile(r"([A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?")


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """An object in a bucket, or all that lies below a prefix.

    Raises
    ------
    ValueError
        The scheme is unknown, or there is no bucket.
    """

    scheme: str
    """One of `SCHEMES`."""

    bucket: str
    """The bucket, the container of Azure, or the host of a web server."""

    key: str = ""
    """What follows, without slashes at either end."""

    options: StorageOptions = field(default_factory=storage_options, repr=False, compare=False)
    """Credentials and endpoints, which no text of it shows."""

    def __post_init__(self) -> None:
        if self.scheme not in SCHEMES:
            known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
            raise ValueError(f"{self.scheme}:// is not read: an address begins with {known}.")
        if not self.bucket:
            raise ValueError(
                f"{self.scheme}:// names no bucket: write {self.scheme}://BUCKET/NAME."
            )
        if not (_HOST if self.is_web else _BUCKET).fullmatch(self.bucket):
            # It is not shown: a password may stand where the bucket should.
            raise ValueError(
                f"{self.scheme}://… names no bucket or host after its slashes: that is letters, "
                "digits, dots, hyphens and underscores. Give secrets with --storage-option "
                "(storage_options)."
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the address that a text is.

        Raises
        ------
        ValueError
            It is none, or one with a query, a fragment, a password or steps upwards.
        """
        begins = _ADDRESS.match(text)
        if begins is None:
            raise ValueError(f"{text} is no address, such as s3://bucket/a.zarr.")
        scheme = begins[1].lower()
        bucket, _, key = text[begins.end() :].partition("/")
        if scheme in _WEB:
            parts = urlsplit(f"{scheme}://{bucket}/{key}")
            if parts.query or parts.fragment or "@" in parts.netloc:
                # Signatures and passwords would be shown wherever the address is.
                raise ValueError(
                    f"{scheme}://{parts.hostname} with a query, a fragment or a password is not "
                    "taken as an address: give secrets with --storage-option (storage_options)."
                )
            key = unquote(key)
        steps = [step for step in key.split("/") if step not in ("", ".")]
        if ".." in steps:
            raise ValueError(f"{text} has steps upwards (..), which objects do not have.")
        return cls(scheme, bucket, "/".join(steps))

    def __str__(self) -> str:
        return f"{self.scheme}://{self.bucket}" + (f"/{self.key}" if self.key else "")

    def __truediv__(self, name: str | PurePosixPath) -> Self:
        """Return the address of what lies below it."""
        below = str(name).strip("/")
        return self._with(f"{self.key}/{below}" if self.key else below)

    def __rtruediv__(self, above: Path) -> Self:
        """Return the address itself: like an absolute path, it begins in no folder."""
        del above
        return self

    @property
    def name(self) -> str:
        """The last step of its key."""
        return self.key.rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """The ending of its name, with its dot."""
        return PurePosixPath(self.name).suffix

    @property
    def stem(self) -> str:
        """Its name without the suffix."""
        return PurePosixPath(self.name).stem

    @property
    def parent(self) -> Self:
        """What it lies in."""
        return self._with(self.key.rpartition("/")[0])

    def with_name(self, name: str) -> Self:
        """Return the address beside it that has another name."""
        return self.parent / name

    def with_suffix(self, suffix: str) -> Self:
        """Return the address beside it with another suffix."""
        return self.with_name(f"{self.stem}{suffix}")

    @property
    def is_web(self) -> bool:
        """Whether it is of a web server, which cannot be written and lists nothing."""
        return self.scheme in _WEB

    def _with(self, key: str) -> Self:
        return type(self)(self.scheme, self.bucket, key, self.options)


Location = Path | Address
"""Where something lies: on this machine, or in a bucket."""


def locate(path: str | bytes | os.PathLike[str] | os.PathLike[bytes] | Address) -> Location:
    """Return where a path, an address or a ``file://`` address leads.

    The name of a file or folder that is there is a path, whatever is in it.

    Raises
    ------
    ValueError
        It is an address of an unknown scheme, or not a whole one.
    """
    if isinstance(path, Address):
        return path
    text = os.fsdecode(path)
    begins = _ADDRESS.match(text)
    if begins is None or os.path.lexists(text) or os.path.lexists(f"{begins[1]}:"):
        return Path(text)
    if begins[1].lower() == "file":
        return _local(text, begins.end())
    return Address.parse(text)


def absolute(location: Location | str) -> str:
    """Return an absolute path, of which links stay, or an address, as text."""
    found = locate(location)
    return str(found) if isinstance(found, Address) else os.path.abspath(found)  # noqa: PTH100


def real(location: Location | str) -> str:
    """Return the path behind all links, or an address, as text."""
    found = locate(location)
    return str(found) if isinstance(found, Address) else os.path.realpath(found)


def address_of(text: str) -> Address | None:
    """Return the address that a text is, or None where it leads to a path of this machine.

    Raises
    ------
    ValueError
        As `locate` does.
    """
    found = locate(text)
    return found if isinstance(found, Address) else None


def _local(text: str, at: int) -> Path:
    """Return the path of a ``file://`` address, whose host is this machine."""
    rest = text[at:]
    host, _, below = rest.partition("/")
    if host == "localhost" and text[:at].endswith("://"):
        rest = below
    return Path("/" + unquote(rest))
