"""At which addresses processes wait for connections, as the system tells."""

import contextlib
import os
import sys
from collections.abc import Iterable
from pathlib import Path


def listening(pids: Iterable[int]) -> list[str]:
    """Addresses, host:port, at which these processes wait for connections."""
    sockets = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            with contextlib.suppress(OSError):
                sockets.add(os.readlink(link))
    found = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if state == "0A" and f"socket:[{inode}]" in sockets:
                address, _, port = local.partition(":")
                # Words of four bytes, each in the order of the machine, the last IPv4's.
                last = bytes.fromhex(address[-8:])[:: -1 if sys.byteorder == "little" else 1]
                found.append(f"{'.'.join(map(str, last))}:{int(port, 16)}")
    return found
