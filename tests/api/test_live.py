"""Who listens is told the newest state and each finished window, whatever is away meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from msgspec.structs import replace

from api.following import Change, Following, Gone, State, WindowFinished
from api.live import Live
from api.live_limits import LiveLimits, TooManyListeners
from api.live_position import Position, decode_position, encode_position
from api.rejections import Overloaded
from domain.transcription import Status
from tests.api.listening import Objects, World, live_over, queued
from tests.builders import ANNA, BERT

SECONDS_MAX = 10.0
"""For what is told soon; a busy machine takes its time."""


@pytest.fixture
async def world(tmp_path: Path) -> World:
    objects = Objects(tmp_path)
    await objects.prepare()
    return World(objects)


@pytest.fixture
async def live(world: World) -> AsyncIterator[Live]:
    async with live_over(world) as running:
        with world.heard_by(running):
            yield running


async def told(following: Following) -> Change:
    change = await following.next(SECONDS_MAX)
    assert change is not None, "nothing was told"
    return change


async def status(following: Following) -> str:
    change = await told(following)
    assert isinstance(change, State)
    return change.view.status


async def text(following: Following) -> str:
    change = await told(following)
    assert isinstance(change, WindowFinished)
    return change.text


async def everything(following: Following) -> list[Change]:
    async with asyncio.timeout(SECONDS_MAX):
        return [change async for change in following]


async def test_a_listener_is_told_every_state_up_to_the_final_one(world: World, live: Live) -> None:
    view = world.has(queued())
    with live.follow(ANNA, view.id) as following:
        assert await status(following) == "queued"
        view = world.has(view, status=Status.PROCESSING, attempt=1)
        assert await status(following) == "processing"
        world.has(view, status=Status.COMPLETED, revision=1)
        assert await status(following) == "completed"
        assert following.is_over
        assert await following.next(SECONDS_MAX) is None


async def test_finished_windows_are_told_in_order_and_before_the_final_state(
    world: World, live: Live
) -> None:
    view = world.has(queued(), status=Status.PROCESSING, attempt=1)
    with live.follow(ANNA, view.id) as following:
        assert await status(following) == "processing"
        for index in range(3):
            await world.heard(view, index, f" {index}")
        world.has(view, status=Status.COMPLETED, revision=1)
        changes = await everything(following)
    assert [each.text for each in changes if isinstance(each, WindowFinished)] == ["0", "1", "2"]
    assert isinstance(changes[-1], State)
    assert changes[-1].is_final


async def test_who_comes_late_is_told_all_windows(world: World, live: Live) -> None:
    view = world.has(queued(), status=Status.PROCESSING, attempt=1)
    await world.heard(view, 0, "before")
    with live.follow(ANNA, view.id) as following:
        assert await status(following) == "processing"
        assert await text(following) == "before"


async def test_who_comes_back_is_told_the_newest_state_and_the_windows_that_were_missed(
    world: World, live: Live
) -> None:
    view = world.has(queued(), status=Status.PROCESSING, attempt=1)
    await world.heard(view, 0, "first")
    with live.follow(ANNA, view.id) as following:
        assert [await status(following), await text(following)] == ["processing", "first"]
        position = decode_position(encode_position(following.position))
    await world.heard(view, 1, "second")
    with live.follow(ANNA, view.id, position) as following:
        assert [await status(following), await text(following)] == ["processing", "second"]


async def test_a_window_that_another_engine_has_cut_is_told_in_place_of_the_first(
    world: World, live: Live
) -> None:
    view = world.has(queued(), status=Status.PROCESSING, attempt=1)
    await world.heard(view, 0, "one way")
    with live.follow(ANNA, view.id) as following:
        assert [await status(following), await text(following)] == ["processing", "one way"]
        await world.heard(view, 0, "another way", cut="other", attempt=2)
        assert await text(following) == "another way"


async def test_a_window_that_the_next_attempt_finds_finished_is_told_once(world: World, live: Live) -> None:
    view = world.has(queued(), status=Status.PROCESSING, attempt=1)
    await world.heard(view, 0, "first")
    with live.follow(ANNA, view.id) as following:
        assert [await status(following), await text(following)] == ["processing", "first"]
        await world.heard(view, 0, "first", attempt=2)
        await world.heard(view, 1, "second", attempt=2)
        assert await text(following) == "second"


async def test_a_slow_listener_gets_the_newest_state_and_no_backlog(world: World, live: Live) -> None:
    view = world.has(queued(), status=Status.PROCESSING, attempt=1)
    with live.follow(ANNA, view.id) as slow, live.follow(ANNA, view.id) as quick:
        assert [await status(slow), await status(quick)] == ["processing", "processing"]
        for percentage in range(1, 100):
            view = world.has(view, progress_percentage=percentage)
            change = await told(quick)
            assert isinstance(change, State)
            assert change.view.progress_percentage == percentage
        change = await told(slow)
        assert isinstance(change, State)
        assert change.view.progress_percentage == 99


async def test_a_listener_to_everything_is_told_of_what_begins_and_what_ends(
    world: World, live: Live
) -> None:
    ended = world.has(queued(), status=Status.COMPLETED, revision=1)
    first = world.has(queued())
    with live.follow(ANNA) as following:
        assert await told(following) == State(first)
        second = world.has(queued())
        assert await told(following) == State(second)
        failed = world.has(first, status=Status.FAILED)
        assert await told(following) == State(failed)
        edited = world.has(ended, revision=2)
        assert await told(following) == State(edited)
        assert not following.is_over


async def test_who_listens_to_everything_comes_back_and_misses_no_end(world: World, live: Live) -> None:
    views = [world.has(queued()) for _ in range(5)]
    with live.follow(ANNA) as following:
        for _ in views:
            await told(following)
        assert await following.next(0.05) is None
        position = decode_position(encode_position(following.position))
    for view in views:
        world.has(view, status=Status.CANCELLED)
    async with live_over(world) as another:
        with another.follow(ANNA, since=position) as following:
            ends = [await status(following) for _ in views]
    assert ends == ["cancelled"] * 5


async def test_a_newcomer_who_is_cut_off_at_once_misses_no_end(world: World, live: Live) -> None:
    views = [world.has(queued()) for _ in range(3)]
    with live.follow(ANNA) as following:
        await told(following)
        position = decode_position(encode_position(following.position))
    for view in views:
        world.has(view, status=Status.FAILED)
    with live.follow(ANNA, since=position) as following:
        assert [await status(following) for _ in views] == ["failed"] * 3


async def test_a_position_from_a_time_that_never_was_is_taken_for_a_newcomer(
    world: World, live: Live
) -> None:
    view = world.has(queued())
    world.has(queued(), status=Status.COMPLETED, revision=1)
    with live.follow(ANNA, since=Position(seq=1_000_000)) as following:
        assert await told(following) == State(view)
        assert await following.next(0.05) is None


async def test_what_is_deleted_is_gone(world: World, live: Live) -> None:
    view = world.has(queued(), status=Status.COMPLETED, revision=1)
    other = world.has(queued())
    with live.follow(ANNA) as following, live.follow(ANNA, other.id) as one:
        assert [await told(following), await told(one)] == [State(other), State(other)]
        world.has_lost(view)
        assert await told(following) == Gone(view.id)
        world.has_lost(other)
        assert [await told(following), await told(one)] == [Gone(other.id), Gone(other.id)]
        assert one.is_over
        assert not following.is_over


async def test_who_comes_back_to_everything_is_told_what_was_deleted_meanwhile(
    world: World, live: Live
) -> None:
    view = world.has(queued(), status=Status.COMPLETED, revision=1)
    other = world.has(queued())
    with live.follow(ANNA) as following:
        assert await told(following) == State(other)
        assert await following.next(0.05) is None
        position = decode_position(encode_position(following.position))
    world.has_lost(view)
    with live.follow(ANNA, since=position) as following:
        changes = [await told(following), await told(following)]
        assert State(other) in changes
        assert Gone(view.id) in changes


async def test_one_that_is_not_there_yet_is_waited_for(world: World, live: Live) -> None:
    view = queued()
    with live.follow(ANNA, view.id) as following:
        assert await following.next(0.05) is None
        world.has(view)
        assert await status(following) == "queued"


async def test_one_that_was_there_and_is_deleted_before_the_first_look_is_gone(
    world: World, live: Live
) -> None:
    with live.follow(ANNA, uuid4(), was_there=True) as following:
        assert isinstance(await told(following), Gone)
        assert following.is_over


async def test_nobody_is_told_anything_of_others(world: World, live: Live) -> None:
    view = world.has(queued(user_id=BERT), status=Status.PROCESSING, attempt=1)
    with live.follow(ANNA, view.id) as curious, live.follow(ANNA) as following:
        await world.heard(view, 0, "a secret")
        world.has(view, status=Status.COMPLETED)
        assert await curious.next(0.05) is None
        assert await following.next(0.05) is None


async def test_streams_of_somebody_who_is_to_be_erased_end(world: World, live: Live) -> None:
    view = world.has(queued())
    with live.follow(ANNA) as all_of_it, live.follow(ANNA, view.id) as one:
        assert [await status(all_of_it), await status(one)] == ["queued", "queued"]
        world.is_to_erase(ANNA)
        assert [await everything(all_of_it), await everything(one)] == [[], []]


async def test_streams_end_also_when_it_was_missed_that_somebody_is_to_be_erased(
    world: World, live: Live
) -> None:
    view = world.has(queued())
    with live.follow(ANNA) as all_of_it, live.follow(ANNA, view.id) as one:
        assert [await status(all_of_it), await status(one)] == ["queued", "queued"]
        world.views[view.id] = replace(view, owner_leaves=True)
        live.missed()
        assert [await everything(all_of_it), await everything(one)] == [[], []]


async def test_while_the_database_is_away_listeners_stay_and_then_miss_nothing(
    world: World, live: Live
) -> None:
    view = world.has(queued(), status=Status.PROCESSING, attempt=1)
    with live.follow(ANNA, view.id) as one, live.follow(ANNA) as all_of_it:
        assert [await status(one), await status(all_of_it)] == ["processing", "processing"]
        world.away = True
        live.missed()
        await world.heard(view, 0, "heard meanwhile")
        world.has(view, status=Status.COMPLETED, revision=1)
        looks = world.looks
        while world.looks < looks + 3:
            assert await one.next(0.01) is None
        world.away = False
        for following in (one, all_of_it):
            assert [await text(following), await status(following)] == ["heard meanwhile", "completed"]


async def test_what_notifications_said_nothing_of_is_seen_once_they_are_back(
    world: World, live: Live
) -> None:
    view = world.has(queued())
    with live.follow(ANNA, view.id) as following:
        assert await status(following) == "queued"
        world.views[view.id] = queued(transcription_id=view.id)
        live.missed()
        assert await told(following) == State(world.views[view.id])


async def test_while_the_object_store_is_away_states_are_told_and_texts_later(
    world: World, live: Live
) -> None:
    view = world.has(queued(), status=Status.PROCESSING, attempt=1)
    with live.follow(ANNA, view.id) as following:
        assert await status(following) == "processing"
        world.objects.away = True
        await world.heard(view, 0, "later")
        view = world.has(view, progress_percentage=50)
        assert await told(following) == State(view)
        world.objects.away = False
        assert await text(following) == "later"


async def test_a_window_whose_text_is_gone_holds_nothing_up(world: World, live: Live) -> None:
    view = world.has(queued(), status=Status.PROCESSING, attempt=1)
    await world.heard(view, 0, "gone")
    await world.objects.delete(world.windows[view.id][0].key)
    await world.heard(view, 1, "there")
    with live.follow(ANNA, view.id) as following:
        assert [await status(following), await text(following)] == ["processing", "there"]


async def test_a_window_is_read_once_for_all_who_listen(world: World, live: Live) -> None:
    view = world.has(queued(), status=Status.PROCESSING, attempt=1)
    with live.follow(ANNA, view.id) as one, live.follow(ANNA) as two, live.follow(ANNA, view.id) as three:
        followings = (one, two, three)
        assert [await status(each) for each in followings] == ["processing"] * 3
        await world.heard(view, 0, "once")
        assert await asyncio.gather(*map(text, followings)) == ["once"] * 3
    assert set(world.objects.asked.values()) == {1}


async def test_a_wait_that_is_broken_off_loses_nothing(world: World, live: Live) -> None:
    view = world.has(queued(), status=Status.PROCESSING, attempt=1)
    texts: list[str] = []
    with live.follow(ANNA, view.id) as following:
        assert await status(following) == "processing"
        for index in range(20):
            await world.heard(view, index, f"{index}")
        while len(texts) < 20:
            change = await following.next(0.0001)
            if isinstance(change, WindowFinished):
                texts.append(change.text)
    assert texts == [f"{index}" for index in range(20)]


async def test_listeners_are_limited_for_each_user_and_for_all(world: World) -> None:
    limits = LiveLimits(listeners=3, listeners_per_user=2)
    async with live_over(world, limits) as live:
        with live.follow(ANNA), live.follow(ANNA):
            with pytest.raises(TooManyListeners), live.follow(ANNA):
                pass
            with live.follow(BERT), pytest.raises(Overloaded), live.follow(uuid4()):
                pass
            with live.follow(BERT):
                assert live.listener_count == 3
        assert live.listener_count == 0


async def test_the_end_of_the_process_ends_every_stream(world: World) -> None:
    async with live_over(world) as live:
        with live.follow(ANNA) as following:
            listening = asyncio.create_task(everything(following))
            await live.__aexit__(None, None, None)
            assert await listening == []


async def test_a_stretch_of_the_log_that_is_too_long_is_not_read(world: World) -> None:
    limits = LiveLimits(pace_seconds=0.0, events_max=10)
    async with live_over(world, limits) as live:
        view = world.has(queued())
        with live.follow(ANNA, view.id) as one, live.follow(ANNA) as all_of_it:
            assert [await status(one), await status(all_of_it)] == ["queued", "queued"]
            new = [world.has(queued()) for _ in range(20)]
            cancelled = world.has(view, status=Status.CANCELLED)
            world.looked_at = 0
            live.moved(dict(world.heads))
            assert await told(one) == State(cancelled)
            changes = [await told(all_of_it) for _ in range(21)]
            assert {each.view.id for each in changes if isinstance(each, State)} == {
                view.id,
                *(each.id for each in new),
            }
            assert world.looked_at <= 2 * 21


@pytest.mark.parametrize("others", [10, 1_000])
async def test_a_change_costs_no_more_however_many_listen_to_something_else(
    world: World, others: int
) -> None:
    """Counted in rows that are read and in listeners that are woken, which no busy machine changes."""
    limits = LiveLimits(pace_seconds=0.0, listeners_per_user=others + 1)
    async with live_over(world, limits) as live:
        with world.heard_by(live):
            changing = world.has(queued())
            with ExitStack() as exits:
                quiet = [world.has(queued()) for _ in range(others)]
                followings = [exits.enter_context(live.follow(ANNA, view.id)) for view in quiet]
                for following in followings:
                    await told(following)
                mine = exits.enter_context(live.follow(ANNA, changing.id))
                await told(mine)
                world.looked_at = world.looks = 0
                for percentage in range(1, 11):
                    changing = world.has(changing, progress_percentage=percentage)
                    await told(mine)
                assert (world.looked_at, world.looks) == (20, 20)  # The event and the row, each time.
                assert {await each.next(0) for each in followings} == {None}


async def test_while_nobody_listens_nothing_is_looked_at(world: World, live: Live) -> None:
    view = world.has(queued())
    with live.follow(ANNA, view.id) as following:
        await status(following)
    looks = world.looks
    for _ in range(10):
        view = world.has(view)
        await world.heard(view, 0, "unheard")
        await asyncio.sleep(0)
    assert world.looks == looks


async def test_a_transcription_that_is_requested_again_is_told_as_it_is_now(
    world: World, live: Live
) -> None:
    view = world.has(queued(), status=Status.PROCESSING, attempt=1)
    await world.heard(view, 0, "of the first request")
    with live.follow(ANNA) as following:
        assert [await status(following), await text(following)] == ["processing", "of the first request"]
        view = world.has(view, status=Status.FAILED)
        assert await status(following) == "failed"
        world.windows.clear()
        view = world.has(view, status=Status.QUEUED, requested_at=view.requested_at + timedelta(hours=1))
        assert await status(following) == "queued"
        view = world.has(view, status=Status.PROCESSING, attempt=2)
        assert await status(following) == "processing"
        await world.heard(view, 0, "of the second", cut="new", attempt=2)
        assert await text(following) == "of the second"
