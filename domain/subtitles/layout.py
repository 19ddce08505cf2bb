"""Layout: how much text is shown at once and how long, by default as Netflix asks.

Netflix Timed Text Style Guide, general requirements and English: two lines of 42 characters, 5/6 s to 7 s, two
frames between cues, and gaps below half a second closed to two frames.
"""

from typing import Final

from msgspec import Struct

LINE_CELLS_DEFAULT: Final = 42
LINES_DEFAULT: Final = 2
CUE_SECONDS_DEFAULT: Final = 7

CUE_MS_MIN: Final = 833
"""5/6 s, where the next words do not come sooner."""
GAP_MS: Final = 84
"""Two frames at 24 frames a second, the slowest that is common, so that it is two of any other too."""
GAP_CLOSED_MS: Final = 500
"""A shorter gap flickers: the cue before stays on until two frames before the next."""
CELLS_PER_SECOND_MAX: Final = 17
"""What people read, in display cells: a wide sign counts as two. Speech may be faster, silence after it helps."""


class Layout(Struct, frozen=True, kw_only=True):
    line_cells_max: int = LINE_CELLS_DEFAULT
    lines_max: int = LINES_DEFAULT
    cue_ms_max: int = CUE_SECONDS_DEFAULT * 1_000


LAYOUT_DEFAULT: Final = Layout()


def reading_ms(cells: int) -> int:
    """How long a text of so many cells has to stand to be read."""
    return max(CUE_MS_MIN, -(-cells * 1_000 // CELLS_PER_SECOND_MAX))
