# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A port of 127.0.0.1 behind which another one seems to be far away.

`python -m bench.latency PORT MILLISECONDS` prints its own port and serves until it is ended. Every
chunk arrives half of the time later in each direction, and a new connection costs one round trip,
as the handshake of TCP does. The width of the line is not limited.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_CHUNK = 65536


@contextmanager
def far_away(port: int, milliseconds: int) -> Iterator[int]:
    """The port that leads to another one, so many milliseconds of round trip away."""
    words = [sys.executable, "-m", "bench.latency", str(port), str(milliseconds)]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as proxy:
        assert proxy.stdout is not None
        try:
            yield int(proxy.stdout.readline())
        finally:
            proxy.terminate()


async def serve(port: int, round_trip: float) -> asyncio.Server:
    """Start the server on a free port; round_trip is in seconds."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(round_trip)
        there = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(
            _pass(reader, there[1], round_trip / 2), _pass(there[0], writer, round_trip / 2)
        )

    return await asyncio.start_server(connected, "127.0.0.1", 0)


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    """Pass on what arrives, each chunk `delay` seconds after it came, and the end too."""
    clock = asyncio.get_running_loop().time
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def take() -> None:
        data = b"-"
        while data:
            try:
                data = await reader.read(_CHUNK)
            except OSError:
                data = b""
            under_way.put_nowait((clock() + delay, data))

    taking = asyncio.create_task(take())
    with suppress(OSError):
        while True:
            due, data = await under_way.get()
            await asyncio.sleep(due - clock())
            if not data:
                break
            writer.write(data)
            await writer.drain()
    taking.cancel()
    with suppress(OSError):
        writer.close()
        await writer.wait_closed()


async def _main() -> None:
    server = await serve(int(sys.argv[1]), int(sys.argv[2]) / 1000)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(_main())
