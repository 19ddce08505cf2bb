"""Whose language was only assumed is said, and nobody else's."""

import pytest

from domain.assumed import language_warnings
from domain.languages import Abilities
from domain.transcript import MediaWarning


def test_a_model_of_one_language_that_was_told_none_has_assumed_it() -> None:
    assert language_warnings(None, Abilities(languages=("en",)), 12.5) == (
        MediaWarning(code="language_assumed", from_seconds=0.0, to_seconds=12.5),
    )


@pytest.mark.parametrize(("told", "languages"), [("en", ("en",)), (None, ("de", "en")), (None, ())])
def test_what_was_told_or_can_be_detected_is_not_assumed(
    told: str | None, languages: tuple[str, ...]
) -> None:
    assert language_warnings(told, Abilities(languages=languages), 12.5) == ()
