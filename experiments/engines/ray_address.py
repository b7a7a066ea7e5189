"""The address of a Ray cluster: what the user typed, and where one answers."""

from fedrec.errors import ResourceError

CONNECT_SECONDS = 5.0


def cluster_address(address: str) -> str:
    """host:port of a cluster that answers; Ray itself would try for minutes, then end us.

    Raises:
        ResourceError: There is none.
    """
    where: str | None = address
    if address == "auto":
        from ray._private.services import get_ray_address_from_environment

        try:
            where = get_ray_address_from_environment("auto", None)
        except ConnectionError:
            where = None
        if not where:
            raise ResourceError(
                "address = 'auto' finds no Ray cluster on this machine; start one with "
                "`ray start --head`, or give host:port"
            )
    if where is None or host_and_port(where) is None:
        raise ResourceError(f"address = 'auto' finds {where!r}, which is not host:port")
    import grpc

    channel = grpc.insecure_channel(where)
    try:
        grpc.channel_ready_future(channel).result(timeout=CONNECT_SECONDS)
        is_up = True
    except grpc.FutureTimeoutError:
        is_up = False
    finally:
        channel.close()
    if not is_up:
        raise ResourceError(
            f"no Ray cluster answers at {where}; start one there with `ray start --head`, or "
            "leave address out to use this machine alone"
        )
    return where


def host_and_port(address: str) -> tuple[str, int] | None:
    """The two parts of host:port; None for what is not that."""
    host, colon, port = address.rpartition(":")
    is_plain = bool(host and colon) and "/" not in host
    return (host, int(port)) if is_plain and port.isdecimal() else None
