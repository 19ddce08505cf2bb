"""Wrong words are counted alike whichever way a number is written, and a number that is another one is wrong."""

import pytest

from benchmarks.word_errors import errors, words


def test_words_inserted_left_out_and_replaced_count_one_each() -> None:
    assert errors("one fine day", "one fine day") == 0
    assert errors("one fine day", "one very fine day") == 1
    assert errors("one fine day", "one day") == 1
    assert errors("one fine day", "one fine way") == 1


def test_capitals_and_punctuation_are_no_words() -> None:
    assert errors("It’s a fine day", "it's: a fine day!") == 0


@pytest.mark.parametrize("written", ["1234", "1, 2, 3, 4", "1-2-3-4", "1 2 3 4", "1,2,3,4"])
def test_a_number_said_digit_by_digit_is_one_number_however_it_is_written(written: str) -> None:
    assert words(f"extension {written}.") == ["extension", "1234"]
    assert errors("extension 1234 is busy", f"extension {written} is busy") == 0
    assert errors(f"extension {written} is busy", "extension 1234 is busy") == 0


def test_another_number_is_wrong_however_it_is_written() -> None:
    assert errors("dial 1234", "dial 1, 2, 3, 5") == 1


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("600", "6.00"),
        ("15", "1,5"),
        ("23", "2-3"),
        ("123", "1, 23"),
        ("1235", "1, 2, 3.5"),
        ("101", "1 zero 1"),
    ],
)
def test_what_may_mean_something_else_is_not_taken_for_the_same(said: str, heard: str) -> None:
    assert errors(said, heard) > 0
