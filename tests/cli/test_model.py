"""How far a fetch is, on standard error, when it takes longer than a moment."""

import pytest

from cli.model import DelayedProgress


def test_progress_is_shown_once_two_seconds_have_passed(capsys: pytest.CaptureFixture[str]) -> None:
    seconds = 0.0
    with DelayedProgress("small", lambda: seconds) as progress:
        progress.show(10_000_000, 480_000_000, "model.bin")
        assert capsys.readouterr().err == ""
        seconds = 2.5
        for there in (120_000_000, 121_000_000, 480_000_000):
            progress.show(there, 480_000_000, "model.bin")
    assert capsys.readouterr().err.splitlines() == [
        "small, 480 MB: 25 % model.bin",
        "small, 480 MB: 100 % model.bin",
    ]
