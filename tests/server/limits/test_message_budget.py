"""Rates of messages: what comes at once, what comes for ever, and what a refusal costs."""

from __future__ import annotations

import pytest

from server.limits.message_budget import MessageBudget, Rates

RATES = Rates(messages=300, bytes=1_000_000, burst=3.0, largest=4_000_000)


def burst(budget: MessageBudget, size: int, now: float, most: int = 100_000) -> int:
    """How many messages of a size are taken at one moment."""
    return next(count for count in range(most) if not budget.take(size, now))


def test_a_burst_of_messages_is_the_seconds_worth_of_them() -> None:
    assert burst(MessageBudget(RATES), 1, 0.0) == 900


def test_a_burst_of_bytes_is_the_seconds_worth_and_one_largest_message() -> None:
    assert burst(MessageBudget(RATES), 100_000, 0.0) == 70


def test_the_largest_message_passes_with_others_around_it() -> None:
    budget = MessageBudget(RATES)
    assert budget.take(1_000_000, 0.0)
    assert budget.take(4_000_000, 0.0)
    assert budget.take(100, 0.0)


@pytest.mark.parametrize("size", [10, 3_333])
def test_the_sustained_rate_passes_for_ever(size: int) -> None:
    budget = MessageBudget(RATES)
    assert all(budget.take(size, number / 300) for number in range(100_000))


def test_twice_the_rate_is_refused_when_the_burst_is_spent() -> None:
    budget = MessageBudget(RATES)
    taken = next(n for n in range(100_000) if not budget.take(10, n / 600))
    assert 1_790 <= taken <= 1_810  # 3 s of it


def test_what_is_refused_costs_nothing() -> None:
    budget = MessageBudget(RATES)
    burst(budget, 1, 0.0)
    assert not any(budget.take(1, 0.0) for _ in range(1000))
    assert burst(budget, 1, 1.0) == 300


def test_it_is_full_again_when_nothing_is_felt_any_more() -> None:
    budget = MessageBudget(RATES)
    assert budget.is_full(0.0)
    budget.take(1_000_000, 0.0)
    assert not budget.is_full(0.9)
    assert budget.is_full(1.0)


def test_a_clock_of_any_age_gives_the_same_burst() -> None:
    assert burst(MessageBudget(RATES), 1, 4e8) == 900


def test_what_counts_less_may_come_more_often() -> None:
    budget = MessageBudget(RATES)
    assert next(n for n in range(100_000) if not budget.take(1, 0.0, 0.25)) in range(3_590, 3_604)
