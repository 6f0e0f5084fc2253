"""Items that are made ahead: the same order, no waiting that can be avoided, and nothing left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator

import pytest

from trainables.training.prefetcher import Prefetcher

PAUSE_SECONDS, NUM_ITEMS = 0.03, 10


def numbers(*, fail_at: int | None = None, made: list[int] | None = None) -> Generator[int]:
    for number in range(NUM_ITEMS):
        if number == fail_at:
            raise MemoryError(f"item {number}")
        if made is not None:
            made.append(number)
        yield number


def slowly() -> Generator[int]:
    for number in range(NUM_ITEMS):
        time.sleep(PAUSE_SECONDS)
        yield number


def test_items_come_in_their_order() -> None:
    with Prefetcher(numbers()) as items:
        assert list(items) == list(range(NUM_ITEMS))


def seconds_of_slow_items_and_a_slow_user() -> float:
    started = time.monotonic()
    with Prefetcher(slowly()) as items:
        for _ in items:
            time.sleep(PAUSE_SECONDS)
    return time.monotonic() - started


def test_a_step_takes_the_longer_of_making_and_using_its_batch_not_their_sum() -> None:
    seconds = (seconds_of_slow_items_and_a_slow_user() for _ in range(20))  # other programs may delay some

    assert any(one < 1.6 * NUM_ITEMS * PAUSE_SECONDS for one in seconds)


def test_a_slow_user_waits_for_the_first_item_only() -> None:
    with Prefetcher(numbers()) as items:
        for _ in items:
            time.sleep(PAUSE_SECONDS)

    assert items.num_waits <= 1


def test_no_more_items_are_made_than_may_wait() -> None:
    made: list[int] = []
    with Prefetcher(numbers(made=made), depth=2) as items:
        next(items)
        time.sleep(5 * PAUSE_SECONDS)

        assert len(made) <= 1 + 2 + 1  # taken, waiting, and one that has no room yet


def test_an_error_comes_after_the_items_before_it() -> None:
    with Prefetcher(numbers(fail_at=3)) as items:
        assert [next(items) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(MemoryError, match="item 3"):
            next(items)


def endless(closed: threading.Event) -> Generator[int]:
    try:
        while True:
            yield 0
    finally:
        closed.set()


def test_a_user_that_stops_early_leaves_no_thread_and_closes_the_generator() -> None:
    before, closed = threading.active_count(), threading.Event()

    with Prefetcher(endless(closed)) as items:
        next(items)

    assert closed.is_set()
    assert threading.active_count() == before


def test_a_user_that_fails_leaves_no_thread_and_closes_the_generator() -> None:
    before, closed = threading.active_count(), threading.Event()

    with pytest.raises(StopIteration), Prefetcher(endless(closed)):
        next(iter(()))

    assert closed.is_set()
    assert threading.active_count() == before
