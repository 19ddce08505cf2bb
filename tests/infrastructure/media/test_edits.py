"""Edit lists are played as players do, so that words come when a player shows them."""

from pathlib import Path

import numpy as np
import pytest

from tests.infrastructure.media.odd_edits import EDITED, Played
from tests.infrastructure.media.odd_times import Make
from tests.infrastructure.media.sounds import loudness
from tests.infrastructure.media.test_odd_times import read

MARGIN_SECONDS = 0.12


@pytest.mark.parametrize(("make", "case"), [pytest.param(*row, id=name) for name, row in EDITED.items()])
async def test_each_edit_is_played_when_it_is_meant_to_be(make: Make, case: Played, tmp_path: Path) -> None:
    """Row 1: an edit of length 0 lasts as long as there is sound, and pauses are silent, at the beginning too."""
    facts, pcm = await read(make(tmp_path / "media"))
    assert facts.duration_seconds == pytest.approx(case.seconds, abs=0.1)
    for at in np.arange(0.0, case.seconds - 0.25, 0.125):
        end = at + 0.125
        if any(begin + MARGIN_SECONDS < at and end < over - MARGIN_SECONDS for begin, over in case.voices):
            assert loudness(pcm, at, end) > 800, at
        if all(end < begin - MARGIN_SECONDS or over + MARGIN_SECONDS < at for begin, over in case.voices):
            assert loudness(pcm, at, end) < 100, at
