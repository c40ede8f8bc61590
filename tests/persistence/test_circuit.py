"""The circuit breaker: opens on outages only, tries again by itself, survives a clock set back."""

from __future__ import annotations

import asyncio

import pytest

from persistence.circuit import Circuit
from persistence.ports import StorageUnavailable


class TwoClocks:
    """The wall clock that purgatory reads, and the monotonic one that we do."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall = 1_000_000.0
        self.steady = 0.0
        monkeypatch.setattr("purgatory.domain.model.time.time", lambda: self.wall)

    def turn(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> TwoClocks:
    return TwoClocks(monkeypatch)


@pytest.fixture
def circuit(clocks: TwoClocks) -> Circuit:
    return Circuit(threshold=3, retry_after=1.0, clock=lambda: clocks.steady)


async def fail(circuit: Circuit, error: BaseException, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(type(error)):
            async with circuit.guard():
                raise error


async def succeed(circuit: Circuit) -> None:
    async with circuit.guard():
        pass


async def test_it_opens_after_failures_in_a_row(circuit: Circuit) -> None:
    await fail(circuit, StorageUnavailable("gone"), 2)
    assert not circuit.is_open
    await fail(circuit, StorageUnavailable("gone for good"))
    assert circuit.is_open
    with pytest.raises(StorageUnavailable, match="not tried again yet: gone for good"):
        async with circuit.guard():
            pytest.fail("it must not be tried")


async def test_a_success_starts_the_count_again(circuit: Circuit) -> None:
    for _ in range(5):
        await fail(circuit, StorageUnavailable("gone"), 2)
        await succeed(circuit)
    assert not circuit.is_open


@pytest.mark.parametrize("error", [ValueError(), asyncio.CancelledError(), KeyError()])
async def test_other_errors_are_answers(circuit: Circuit, error: BaseException) -> None:
    await fail(circuit, error, 10)
    assert not circuit.is_open


async def test_it_is_tried_again_after_a_while(circuit: Circuit, clocks: TwoClocks) -> None:
    await fail(circuit, StorageUnavailable("gone"), 3)
    clocks.turn(1.1)
    await succeed(circuit)
    assert not circuit.is_open
    await fail(circuit, StorageUnavailable("gone"), 2)
    assert not circuit.is_open


async def test_one_more_failure_opens_it_again(circuit: Circuit, clocks: TwoClocks) -> None:
    await fail(circuit, StorageUnavailable("gone"), 3)
    clocks.turn(1.1)
    await fail(circuit, StorageUnavailable("still gone"))
    assert circuit.is_open
    with pytest.raises(StorageUnavailable, match="not tried"):
        await succeed(circuit)


async def test_a_wall_clock_set_back_does_not_keep_it_open(
    circuit: Circuit, clocks: TwoClocks
) -> None:
    await fail(circuit, StorageUnavailable("gone"), 3)
    clocks.wall -= 3600
    clocks.turn(1.5)
    with pytest.raises(StorageUnavailable, match="not tried"):
        await succeed(circuit)
    clocks.turn(1.0)
    await succeed(circuit)
    assert not circuit.is_open
