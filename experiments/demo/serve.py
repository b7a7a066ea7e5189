"""Serve the demo on this machine until Ctrl-C."""

import contextlib
import socket
from collections.abc import Callable

import uvicorn

from experiments.demo.app import make_app
from experiments.recommend.opened import Opened
from fedrec.errors import ConfigError

HOST = "127.0.0.1"


def serve(opened: Opened, port: int, ready: Callable[[str], None]) -> None:
    """Serve until a signal ends it.

    Args:
        opened: The run, or an exported model.
        port: Port on 127.0.0.1; 0 takes a free one.
        ready: Called with the address once connections are taken.

    Raises:
        ConfigError: The port is none, or in use.
    """
    with _listening(port) as listening:
        app = make_app(opened)
        config = uvicorn.Config(
            app,
            log_level="critical",  # nonsense on the wire is no news; requests are answered
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_keep_alive=5,
            backlog=1024,
            ws="none",
        )
        ready(f"http://{HOST}:{listening.getsockname()[1]}/")
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listening])


def _listening(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
        listening.listen(1024)
    except (OSError, OverflowError) as error:
        listening.close()
        told = error.strerror if isinstance(error, OSError) else "a port is 0 to 65535"
        raise ConfigError(f"--port {port}: {told}; leave --port out for a free one") from None
    return listening
