"""Random numbers come in blocks, and nobody gets one that another has."""

import multiprocessing
from concurrent.futures import ThreadPoolExecutor

from schemas.random_bits import RandomBits, RandomBytes

MANY = 2_000
"""More than a block has."""
BITS = RandomBits(16)


def numbers(count: int) -> list[int]:
    return [BITS.next() for _ in range(count)]


def test_numbers_are_as_long_as_asked_for_and_never_the_same() -> None:
    for size in (1, 10, 16):
        some = RandomBits(size)
        assert max(some.next() for _ in range(MANY)).bit_length() == 8 * size
    assert len(set(numbers(MANY))) == MANY


def test_bytes_are_as_many_as_asked_for_and_never_the_same() -> None:
    for size in (8, 12):
        some = RandomBytes(size)
        pieces = [some.next() for _ in range(MANY)]
        assert {len(each) for each in pieces} == {size}
        assert len({*pieces}) == MANY


def test_threads_share_no_number() -> None:
    with ThreadPoolExecutor(8) as threads:
        made = [each for of_one in threads.map(numbers, [MANY] * 8) for each in of_one]
    assert len(set(made)) == len(made)


def test_a_forked_child_shares_no_number_with_its_parent() -> None:
    numbers(1)  # The parent has begun a block.
    with multiprocessing.get_context("fork").Pool(2) as children:
        lists = [*children.map(numbers, [MANY] * 2, chunksize=1), numbers(MANY)]
    made = [each for of_one in lists for each in of_one]
    assert len(set(made)) == len(made)
