"""A real server of Azure Blob Storage on this machine: Azurite, where it is installed.

`make azurite` installs it, which needs npm; tests that need it skip elsewhere.
"""

import base64
import contextlib
import hashlib
import hmac
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from object_storage import free_port, wait_for

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The account of every Azurite, which is no secret."""

CONTAINER = "lab"
_INSTALLED = Path(__file__).parents[1] / ".cache/azurite/node_modules/.bin/azurite-blob"


def azurite() -> str | None:
    """Return the program; None where it is not installed."""
    return str(_INSTALLED) if _INSTALLED.exists() else shutil.which("azurite-blob")


@dataclass(frozen=True)
class AzureServer:
    """A running server."""

    endpoint: str

    def make_container(self, name: str = CONTAINER) -> None:
        """Make a container."""
        date = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
        headers = {"x-ms-date": date, "x-ms-version": "2021-12-02"}
        lines = [f"{key}:{value}" for key, value in headers.items()]
        signed = ["PUT", *[""] * 11, *lines, f"/{ACCOUNT}/{ACCOUNT}/{name}", "restype:container"]
        digest = hmac.new(
            base64.b64decode(KEY), "\n".join(signed).encode(), hashlib.sha256
        ).digest()
        headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}"
        headers["Content-Length"] = "0"
        request = urllib.request.Request(  # noqa: S310  on loopback
            f"{self.endpoint}/{ACCOUNT}/{name}?restype=container", method="PUT", headers=headers
        )
        urllib.request.urlopen(request).close()  # noqa: S310  on loopback


def azure_options(endpoint: str) -> dict[str, str]:
    """Return the storage options that lead to a server, or to a proxy before it."""
    return {"account_name": ACCOUNT, "account_key": KEY, "endpoint": f"{endpoint}/{ACCOUNT}"}


@contextlib.contextmanager
def azure_server(program: str, folder: Path) -> Iterator[AzureServer]:
    """Run Azurite, empty but for one container, until the block ends; it writes into a folder."""
    port = free_port()
    command = [program, "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"]
    command += ["--silent", "--blobHost", "127.0.0.1", "--blobPort", str(port)]
    with subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "AZURITE_ACCOUNTS": ""},
    ) as process:
        try:
            wait_for(port, process, "Azurite")
            server = AzureServer(f"http://127.0.0.1:{port}")
            server.make_container()
            yield server
        finally:
            process.kill()
