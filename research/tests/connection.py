"""Jupyter's own gateway client, signed in."""

import functools
import os
import pathlib
from typing import Any


def manager(url: str, token_file: pathlib.Path) -> Any:
    """The class that manages kernels of the gateway at `url`, with the token in a file."""
    token = token_file.read_text().strip()
    # Before the import: Jupyter reads both there.
    os.environ["JUPYTER_GATEWAY_URL"] = url
    os.environ["JUPYTER_GATEWAY_AUTH_TOKEN"] = token
    from jupyter_server.gateway import managers

    # This version signs in its requests, but not the connection to a kernel.
    socket: Any = vars(managers)["websocket"]
    if not isinstance(socket.create_connection, functools.partial):
        header = [f"Authorization: token {token}"]
        socket.create_connection = functools.partial(socket.create_connection, header=header)
    return managers.GatewayKernelManager
