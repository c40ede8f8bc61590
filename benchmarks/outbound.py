"""What an outbound frame costs: to encode, and to write to one receiver over loopback."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from time import perf_counter_ns, process_time_ns

import uvloop

from benchmarks import processes
from benchmarks.report import Row
from benchmarks.scale import Scale
from benchmarks.timing import cost
from server.frames import OutgoingFrame

RECEIVERS = 50
BURST_PAUSE = 0.004
"""Seconds between two broadcasts, so that the receiver has read the last one."""


def measure(scale: Scale) -> Iterator[Row]:
    """Encoding a frame, and writing it to each of 50 transports."""
    for size in (150, 8000):
        payload = bytes(size)
        encode = cost(lambda payload=payload: OutgoingFrame(payload).wire, scale.pick(20_000, 90))  # type: ignore[misc]  # bound in the loop
        yield Row(f"encode a message of {size:,} bytes", encode, "us")
    with _receiver() as port:
        for size in (150, 8000):
            broadcasts = scale.pick(400, 5)
            elapsed, used = uvloop.run(_broadcast(port, bytes(size), broadcasts))
            yield Row(
                f"write {size:,} bytes to one of {RECEIVERS} uvloop transports",
                elapsed,
                "us",
                details={"cpu_us": used},
            )


async def _broadcast(port: int, payload: bytes, times: int) -> tuple[float, float]:
    """Microseconds a write: (by the clock, CPU time of this process)."""
    loop = asyncio.get_running_loop()
    transports = []
    for _ in range(RECEIVERS):
        transport, _protocol = await loop.create_connection(asyncio.Protocol, "127.0.0.1", port)
        transports.append(transport)
    frame = OutgoingFrame(payload)
    elapsed, used = [], []
    for _ in range(times):
        await asyncio.sleep(BURST_PAUSE)
        begin, begin_cpu = perf_counter_ns(), process_time_ns()
        for transport in transports:
            transport.write(frame.wire)
        # uvloop writes at the end of the loop's round: let that happen inside the measurement.
        await asyncio.sleep(0)
        elapsed.append((perf_counter_ns() - begin) / RECEIVERS / 1000)
        used.append((process_time_ns() - begin_cpu) / RECEIVERS / 1000)
    for transport in transports:
        transport.close()
    return median(elapsed), sum(used) / len(used)


@contextmanager
def _receiver() -> Iterator[int]:
    """Another process that reads whatever is sent to a port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        context = multiprocessing.get_context("fork")
        process = context.Process(target=_read_for_ever, args=(listener,), daemon=True)
        process.start()
        processes.pin(os.getpid(), processes.SERVER_CORE)
        try:
            yield int(listener.getsockname()[1])
        finally:
            processes.unpin()
            process.kill()
            process.join()


def _read_for_ever(listener: socket.socket) -> None:
    processes.pin(os.getpid(), processes.GENERATOR_CORE)
    asyncio.run(_read_all(listener))


async def _read_all(listener: socket.socket) -> None:
    server = await asyncio.get_running_loop().create_server(asyncio.Protocol, sock=listener)
    await server.serve_forever()
