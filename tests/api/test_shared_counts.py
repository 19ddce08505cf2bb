"""What was counted in the log is the same whichever process is asked."""

from pathlib import Path

from api.shared_counts import Counted, SharedCounts


def test_one_counts_at_a_time_and_nobody_waits(tmp_path: Path) -> None:
    one, other = SharedCounts(tmp_path), SharedCounts(tmp_path)
    with one.turn() as ours:
        assert ours
        with other.turn() as theirs:
            assert not theirs
    with other.turn() as theirs:
        assert theirs


def test_what_one_saved_another_loads(tmp_path: Path) -> None:
    one, other = SharedCounts(tmp_path), SharedCounts(tmp_path)
    assert other.load() == Counted()
    counted = Counted({0: 7, 3: 9}, [("TranscriptionFailed", "unreadable", 2)])
    one.save(counted)
    assert other.load() == counted


def test_what_cannot_be_saved_leaves_what_was(tmp_path: Path) -> None:
    shared = SharedCounts(tmp_path)
    shared.save(Counted({0: 1}))
    (tmp_path / "log-counts.new").mkdir()
    shared.save(Counted({0: 2}))
    assert shared.load() == Counted({0: 1})
