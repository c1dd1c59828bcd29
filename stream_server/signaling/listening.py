"""The TCP address of the server, and plain words when it cannot be had."""

import errno
import socket

from stream_server.errors import ServerError
from stream_server.settings import ServerSection


class StartError(ServerError):
    """The server cannot start; the sentence says why and what to do."""

    code = "cannot_start"


def bound_socket(server: ServerSection) -> socket.socket:
    """Listen on the configured address.

    Raises:
        StartError: the address cannot be used.
    """
    where = f"{server.host}:{server.port}"
    try:
        family, _, _, _, address = socket.getaddrinfo(
            server.host, server.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(address[:2], family=family, backlog=128)
    except socket.gaierror as exc:
        raise StartError(
            f"{server.host!r} is not a host name or address; use --host 127.0.0.1 or 0.0.0.0."
        ) from exc
    except OSError as exc:
        raise StartError(_why_not_bound(exc, where, server.port)) from exc


def page_url(server: ServerSection, port: int) -> str:
    """Return where a browser on this machine opens the page."""
    host = "127.0.0.1" if server.host in ("0.0.0.0", "::") else server.host
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _why_not_bound(error: OSError, where: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"{where} is in use by another program; stop it, or choose --port {port + 1}."
    if error.errno == errno.EACCES:
        return f"{where} needs more rights; choose a port above 1023, such as --port 8080."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{where} is not an address of this machine; use --host 127.0.0.1 or 0.0.0.0."
    return f"cannot listen on {where}: {error.strerror}."
