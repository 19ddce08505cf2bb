"""What the API processes of a machine know of each other's uploads."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from api.rejections import Overloaded
from api.share import Share
from api.upload_room import TooManyUploads, UploadRoom
from api.upload_table import UPLOADS_MAX, UploadTable, provide_upload_table
from tests.builders import ANNA, BERT

COUNT = 3


@pytest.fixture
def shares(tmp_path: Path) -> list[Share]:
    provide_upload_table(tmp_path, COUNT)
    return [Share(number=number, count=COUNT, folder=tmp_path) for number in range(COUNT)]


def rooms_of(shares: list[Share], uploads_per_user: int = 2) -> list[UploadRoom]:
    return [UploadRoom(1_000, uploads_per_user, table=UploadTable(share)) for share in shares]


def test_uploads_of_a_user_are_counted_over_all_processes(shares: list[Share]) -> None:
    one, other, third = rooms_of(shares)
    with one.admitted(ANNA), other.admitted(ANNA):
        for each in (one, other, third):
            with pytest.raises(TooManyUploads), each.admitted(ANNA):
                pass
        with third.admitted(BERT):
            pass
    with third.admitted(ANNA), third.admitted(ANNA):
        pass


def test_the_room_is_one_for_all_processes(shares: list[Share]) -> None:
    one, other, _ = rooms_of(shares)
    with one.admitted(ANNA) as annas, other.admitted(BERT) as berts:
        annas.grow_to(500)
        berts.grow_to(250)
        with pytest.raises(Overloaded):
            berts.grow_to(251)
        with pytest.raises(Overloaded):
            annas.grow_to(501)
    with other.admitted(BERT) as berts:
        berts.grow_to(500)


def test_a_successor_frees_what_a_killed_process_had(shares: list[Share]) -> None:
    one, other, _ = rooms_of(shares, uploads_per_user=1)
    killed = ExitStack()
    killed.enter_context(one.admitted(ANNA)).grow_to(400)
    with pytest.raises(TooManyUploads), other.admitted(ANNA):
        pass
    UploadTable(shares[0])
    with other.admitted(ANNA) as share:
        share.grow_to(500)


def test_places_are_used_again_and_never_more_than_there_are(shares: list[Share]) -> None:
    table = UploadTable(shares[1])
    for _ in range(3):
        places = [table.enter(ANNA) for _ in range(UPLOADS_MAX)]
        assert len(set(places)) == UPLOADS_MAX
        assert None not in places
        assert table.enter(BERT) is None
        assert len(table.bytes_of(ANNA)) == UPLOADS_MAX
        for place in places:
            assert place is not None
            table.leave(place)
        assert table.bytes_of(ANNA) == []
    neighbour = UploadTable(shares[2])
    assert neighbour.enter(BERT) is not None
    assert neighbour.bytes_of(BERT) == table.bytes_of(BERT) == [0]
