"""What is missing of a recording is told in order, once, and in few words."""

from hypothesis import given
from hypothesis import strategies as st

from domain.damages import WARNINGS_MAX, damaged_ms, warnings_of
from domain.transcript import Damage


def damage(start_ms: int, end_ms: int) -> Damage:
    return Damage(start_ms=start_ms, end_ms=end_ms)


def told(*damages: Damage) -> list[tuple[float, float]]:
    return [(each.from_seconds, each.to_seconds) for each in warnings_of(damages)]


def test_nothing_is_told_of_a_healthy_recording() -> None:
    assert told() == []


def test_damages_are_told_in_order() -> None:
    assert told(damage(5_000, 6_000), damage(1_000, 2_000)) == [(1.0, 2.0), (5.0, 6.0)]


def test_neighbours_are_told_as_one() -> None:
    assert told(damage(1_000, 2_000), damage(2_050, 3_000), damage(1_500, 1_600)) == [(1.0, 3.0)]


def test_of_very_many_damages_those_nearest_to_each_other_are_told_as_one() -> None:
    pairs = [damage(start, start + 100) for n in range(80) for start in (n * 10_000, n * 10_000 + 500)]
    warnings = told(*pairs)
    assert len(warnings) == WARNINGS_MAX
    assert (warnings[0][0], warnings[-1][1]) == (0.0, 790.6)


def test_what_is_missing_counts_once_and_only_as_far_as_there_is_sound() -> None:
    assert damaged_ms([damage(0, 1_000), damage(500, 1_500), damage(9_000, 12_000)], 10_000) == 2_500
    assert damaged_ms([damage(11_000, 12_000)], 10_000) == 0


@given(
    st.lists(
        st.tuples(st.integers(0, 10**6), st.integers(0, 10**4)).map(
            lambda each: damage(each[0], sum(each))
        ),
        max_size=400,
    )
)
def test_warnings_are_few_apart_in_order_and_cover_every_damage(damages: list[Damage]) -> None:
    warnings = warnings_of(damages)
    assert len(warnings) <= WARNINGS_MAX
    edges = [edge for each in warnings for edge in (each.from_seconds, each.to_seconds)]
    assert edges == sorted(edges)
    for each in damages:
        assert any(
            warning.from_seconds <= each.start_ms / 1000 <= each.end_ms / 1000 <= warning.to_seconds
            for warning in warnings
        )
