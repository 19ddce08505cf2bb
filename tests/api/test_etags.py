"""Entity tags as RFC 9110 has them: lists, weak ones, any, and what is no list."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.etags import etag_of, is_known, states_meant
from domain.errors import InvalidField

STATE = "3-0a1b"
ETAG = etag_of(STATE)
SIGNS = [chr(each) for each in (0x21, *range(0x23, 0x7F), *range(0x80, 0x100))]


@pytest.mark.parametrize("told", [ETAG, f'"other", {ETAG}', f"W/{ETAG}", "*", f' ,"a,b" ,,\t{ETAG},'])
def test_who_has_it_is_told_so(told: str) -> None:
    assert is_known(told, ETAG)


@pytest.mark.parametrize("told", [None, "", '"other"', STATE, f'{ETAG} "other"', f"w/{ETAG}", '"'])
def test_who_has_something_else_gets_it(told: str | None) -> None:
    assert not is_known(told, ETAG)


@pytest.mark.parametrize("told", [None, "*", " * "])
def test_without_a_state_any_will_do(told: str | None) -> None:
    assert states_meant(told) is None


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        (ETAG, {STATE}),
        (f'{ETAG}, "other"', {STATE, "other"}),
        ('"a,b",,"c"', {"a,b", "c"}),
        ('""', {""}),
        (f'W/{ETAG}, "other"', {"other"}),
        (f"W/{ETAG}", set()),
    ],
)
def test_a_change_is_for_the_states_of_its_strong_tags(told: str, meant: set[str]) -> None:
    assert states_meant(told) == frozenset(meant)


@pytest.mark.parametrize(
    "told", ["", ",", STATE, f"{ETAG} {ETAG}", f'{ETAG}, "open', '*, "a"', '"a b"', "ü"]
)
def test_what_is_no_list_of_tags_is_refused_with_what_to_send(told: str) -> None:
    with pytest.raises(InvalidField, match="If-Match has to be entity tags as an ETag header gives them"):
        states_meant(told)


@given(st.lists(st.text(st.sampled_from(SIGNS), max_size=20), min_size=1))
def test_every_state_there_can_be_is_read_as_it_was_written(states: list[str]) -> None:
    assert states_meant(", ".join(map(etag_of, states))) == frozenset(states)
    assert is_known(", ".join(map(etag_of, states)), etag_of(states[-1]))


def test_a_long_header_that_is_no_list_is_found_out_in_one_pass() -> None:
    """One pass for each of its signs would outlast the deadline of the test."""
    with pytest.raises(InvalidField):
        states_meant(" " * 1_000_000 + "x")
