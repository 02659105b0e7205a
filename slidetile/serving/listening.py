"""A socket that listens, for a server of pages or of chunks.

Knows sockets. Does not know what is answered.
"""

import os
import socket


def listening_socket(host: str, port: int) -> socket.socket:
    """Return a socket that listens; requests wait until a server takes them.

    Raises
    ------
    OSError
        The port is in use, or may not be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family)
    except OSError as error:
        is_of_names = isinstance(error, socket.gaierror)  # whose numbers are not those of files
        why = error.strerror if is_of_names else os.strerror(error.errno or 0)
        raise OSError(
            f"The port {port} of {host} cannot be used ({why}): give another one by "
            "--port, or --port 0 for any that is free."
        ) from error
    # Connections inherit it. asyncio sets it only for sockets whose protocol is named; without,
    # the second part of an answer waits 40 ms until the first is acknowledged.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening
