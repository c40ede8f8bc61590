"""The circuit breaker: opens on outages only, tries again by itself, survives a clock set back."""

from __future__ import annotations

import asyncio

import pytest

from persistence.circuit import Circuit
from persistence.ports import StorageUnavailable


class HandClock:
    """Seconds that pass when it is turned."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def circuit(clock: HandClock) -> Circuit:
    return Circuit(threshold=3, retry_after=1.0, clock=clock)


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


@pytest.mark.parametrize("error", [ValueError(), KeyError()])
async def test_other_errors_are_answers(circuit: Circuit, error: BaseException) -> None:
    await fail(circuit, error, 10)
    assert not circuit.is_open


async def test_who_gives_up_says_nothing_of_the_database(circuit: Circuit) -> None:
    """A silent one: some wait until they are told that it is away, others do not."""
    await fail(circuit, asyncio.CancelledError(), 10)
    assert not circuit.is_open
    for _ in range(3):
        await fail(circuit, asyncio.CancelledError())
        await fail(circuit, StorageUnavailable("silent"))
    assert circuit.is_open


async def test_who_tries_again_and_gives_up_leaves_it_open(
    circuit: Circuit, clock: HandClock
) -> None:
    await fail(circuit, StorageUnavailable("silent"), 3)
    clock.now += 1.1
    await fail(circuit, asyncio.CancelledError())
    assert circuit.is_open
    with pytest.raises(StorageUnavailable, match="not tried again yet: silent"):
        await succeed(circuit)
    clock.now += 1.1
    await succeed(circuit)
    assert not circuit.is_open


async def test_it_is_tried_again_after_a_while(circuit: Circuit, clock: HandClock) -> None:
    await fail(circuit, StorageUnavailable("gone"), 3)
    clock.now += 1.1
    await succeed(circuit)
    assert not circuit.is_open
    await fail(circuit, StorageUnavailable("gone"), 2)
    assert not circuit.is_open


async def test_one_more_failure_opens_it_again(circuit: Circuit, clock: HandClock) -> None:
    await fail(circuit, StorageUnavailable("gone"), 3)
    clock.now += 1.1
    await fail(circuit, StorageUnavailable("still gone"))
    assert circuit.is_open
    with pytest.raises(StorageUnavailable, match="not tried"):
        await succeed(circuit)


async def test_before_that_nobody_tries(circuit: Circuit, clock: HandClock) -> None:
    await fail(circuit, StorageUnavailable("gone"), 3)
    clock.now += 0.9
    for _ in range(5):  # and whoever is told so does not make it longer
        with pytest.raises(StorageUnavailable, match="not tried again yet: gone"):
            await succeed(circuit)
    clock.now += 0.2
    await succeed(circuit)


async def test_all_who_were_talking_when_it_opened_may_end(circuit: Circuit) -> None:
    async with circuit.guard():
        await fail(circuit, StorageUnavailable("gone"), 3)
        assert circuit.is_open
    assert not circuit.is_open


async def test_failures_at_the_same_time_all_count(circuit: Circuit) -> None:
    gone = StorageUnavailable("gone")
    with pytest.raises(StorageUnavailable):
        async with circuit.guard(), circuit.guard(), circuit.guard():
            raise gone
    assert circuit.is_open
