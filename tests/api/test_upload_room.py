"""How many uploads there may be at once, and how much of the disk they get."""

import errno
from contextlib import ExitStack, suppress
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.rejections import Overloaded
from api.upload_room import TooManyUploads, UploadRoom
from tests.builders import ANNA, BERT


def test_a_user_has_so_many_uploads_at_once() -> None:
    room = UploadRoom(1_000, uploads_per_user=2)
    with room.admitted(ANNA), room.admitted(BERT):
        with room.admitted(ANNA), pytest.raises(TooManyUploads), room.admitted(ANNA):
            pass
        with room.admitted(ANNA):
            pass


def test_one_user_leaves_half_of_the_room_to_others() -> None:
    room = UploadRoom(1_000, uploads_per_user=10)
    with room.admitted(ANNA) as first, room.admitted(ANNA) as second, room.admitted(BERT) as other:
        first.grow_to(300)
        second.grow_to(200)
        with pytest.raises(Overloaded):
            second.grow_to(201)
        other.grow_to(250)
        with pytest.raises(Overloaded):
            other.grow_to(251)


def test_room_is_given_back_however_an_upload_ends() -> None:
    room = UploadRoom(1_000, uploads_per_user=1)
    for _ in range(3):
        with suppress(ZeroDivisionError), room.admitted(ANNA) as share:
            share.grow_to(500)
            raise ZeroDivisionError
        with room.admitted(ANNA) as share, pytest.raises(Overloaded):
            share.grow_to(501)


def test_an_upload_as_large_as_may_be_fits_when_there_is_no_other() -> None:
    room = UploadRoom(1_000, uploads_per_user=1)
    with room.admitted(ANNA) as share:
        share.grow_to(share.bytes_max)


@given(st.lists(st.integers(1, 600), max_size=30))
def test_whatever_comes_the_bound_holds_and_newcomers_get_a_share(sizes: list[int]) -> None:
    room = UploadRoom(1_000, uploads_per_user=1)
    taken = []
    with ExitStack() as uploads:
        for size in sizes:
            share = uploads.enter_context(room.admitted(uuid4()))
            try:
                share.grow_to(size)
            except Overloaded:
                continue
            taken.append(size)
            assert sum(taken) + size <= 1_000
        assert sum(taken) < 1_000


def test_a_disk_with_too_little_left_is_full_before_it_is(tmp_path: Path) -> None:
    room = UploadRoom(1_000, uploads_per_user=1, disk_bytes_kept=1 << 60)
    with room.admitted(ANNA) as share, pytest.raises(OSError, match="No space left") as refused:
        share.require_disk(tmp_path, 1)
    assert refused.value.errno == errno.ENOSPC
