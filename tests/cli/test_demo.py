"""How far a transcript is from what was said."""

import pytest

from cli.demo import word_error_rate


@pytest.mark.parametrize(
    ("said", "heard", "rate"),
    [
        ("We will make the coffee.", "we will make the coffee", 0.0),
        ("He didn't stop.", "He didn’t, stop!", 0.0),
        ("one two three four", "one two four", 0.25),
        ("one two three four", "one two tree four", 0.25),
        ("one two three four", "one two three four five", 0.25),
        ("one two", "", 1.0),
    ],
)
def test_words_that_are_missing_wrong_or_too_many_count(said: str, heard: str, rate: float) -> None:
    assert word_error_rate(said, heard) == rate
