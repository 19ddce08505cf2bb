"""What listeners ask of the log and the read models, on a real PostgreSQL."""

from collections.abc import Mapping, Sequence
from uuid import UUID, uuid4

from api.live_looks import DatabaseLooks
from projections.live import Arrival, KnownWindows, Stretch, Touched, WindowRow, pairs_of
from schemas.partitions import partition_of
from tests.api.rig import PASSWORD, Installation, Person
from tests.api.test_live_streams import Worker


def looks_of(installation: Installation) -> DatabaseLooks:
    return DatabaseLooks(installation.parts.reading)


async def heads(installation: Installation) -> Mapping[int, int]:
    rows = await installation.parts.read_models.fetch("select partition, seq from log_heads")
    return {row["partition"]: row["seq"] for row in rows}


async def since(installation: Installation, before: Mapping[int, int]) -> Sequence[Stretch]:
    return [Stretch(each, before[each], seq) for each, seq in (await heads(installation)).items()]


async def test_events_tell_whose_transcriptions_they_were_about_and_who_leaves(
    anna: Person, bert: Person
) -> None:
    looks, before = looks_of(anna.installation), await heads(anna.installation)
    one, other = await anna.has_requested(), await bert.has_requested()
    await anna.client.post(f"/transcriptions/{one}/cancel")
    anna_id, bert_id = UUID(anna.user_id), UUID(bert.user_id)
    expected = {Touched(anna_id, UUID(one)), Touched(bert_id, UUID(other))}
    found = await looks.touched(await since(anna.installation, before))
    assert (len(found), set(found)) == (2, expected)
    before = await heads(anna.installation)
    await anna.client.request("DELETE", "/auth/me", json={"password": PASSWORD})
    assert list(await looks.touched(await since(anna.installation, before))) == [Touched(anna_id, None)]


async def test_a_newcomer_is_shown_what_is_under_way_and_who_comes_back_also_what_changed(
    anna: Person, bert: Person
) -> None:
    looks, partitions = looks_of(anna.installation), anna.installation.parts.settings.partitions
    await anna.has_transcript("before.wav")
    seen_up_to = await heads(anna.installation)
    queued, ended = await anna.has_requested("queued.wav"), await anna.has_transcript("ended.wav")
    of_bert = await bert.has_requested()
    users = [UUID(each.user_id) for each in (anna, bert, anna)]
    places = [(user_id, partition_of(user_id, partitions)) for user_id in users]
    arrivals = [
        Arrival(user_id, place, after)
        for (user_id, place), after in zip(places, (0, 0, seen_up_to[places[2][1]]), strict=True)
    ]
    found = {(number, str(key)) for number, key in await looks.recent(arrivals)}
    assert found == {(0, queued), (1, of_bert), (2, queued), (2, ended)}


async def test_who_comes_back_is_shown_what_of_theirs_was_deleted_and_a_newcomer_is_not(
    anna: Person, bert: Person
) -> None:
    looks, partitions = looks_of(anna.installation), anna.installation.parts.settings.partitions
    gone_before = await anna.has_transcript("before.wav")
    await anna.client.delete(f"/transcriptions/{gone_before}")
    gone, of_bert = await anna.has_transcript("anna.wav"), await bert.has_transcript("bert.wav")
    seen_up_to = await heads(anna.installation)
    for person, key in ((anna, gone), (bert, of_bert)):
        await person.client.delete(f"/transcriptions/{key}")
    anna_id = UUID(anna.user_id)
    place = partition_of(anna_id, partitions)
    arrivals = [Arrival(anna_id, place, after) for after in (0, seen_up_to[place])]
    assert [(number, str(key)) for number, key in await looks.recent(arrivals)] == [(1, gone)]


async def test_windows_are_those_that_are_news_and_of_the_request_that_is_shown(anna: Person) -> None:
    looks, transcription_id = looks_of(anna.installation), await anna.has_requested()
    worker, key = Worker(anna, transcription_id), UUID(transcription_id)
    await worker.starts()
    for index in range(3):
        await worker.hears(index, f"{index}")

    async def seen(known: KnownWindows) -> list[int]:
        found = (await looks.seen({key: known}))[key]
        assert found.view is not None
        assert found.view.progress_percentage == 25
        return [window.index for window in found.windows]

    assert await seen(KnownWindows()) == [0, 1, 2]
    assert await seen(KnownWindows(2, 1)) == [2]
    assert await seen(KnownWindows(3, 1)) == []
    assert await seen(KnownWindows(3, 0)) == [0, 1, 2]
    window = (await looks.seen({key: KnownWindows(2, 1)}))[key].windows[0]
    assert window == WindowRow(1, 2, 2_000, 3_000, window.key)
    await anna.installation.parts.read_models.execute(
        "update transcription_windows set requested_at = now() + interval '1 second' where transcription_id = $1",
        key,
    )
    assert await seen(KnownWindows()) == []


async def test_what_is_not_there_is_not_seen(installation: Installation) -> None:
    key = uuid4()
    found = (await looks_of(installation).seen({key: KnownWindows()}))[key]
    assert (found.view, list(found.windows)) == (None, [])


def test_a_notification_names_users_and_transcriptions() -> None:
    one, other = (uuid4(), uuid4()), (uuid4(), uuid4())
    payload = ",".join(f"{user_id}:{key}" for user_id, key in (one, other))
    assert list(pairs_of(payload)) == [one, other]
