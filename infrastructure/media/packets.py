"""The packets of a recording and what becomes of them: the one walk that probe and decoder both take."""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Final, cast

from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.codec.context import CodecContext
from av.container import InputContainer
from av.error import FFmpegError

from infrastructure.media.claims import MICROSECONDS, counted_seconds, name_of
from infrastructure.media.edits import begins_with_pause
from infrastructure.media.formats import open_media
from infrastructure.media.junk import FRAME_BYTES_MAX, SKIPPED, Follower, Tags
from infrastructure.media.reading import Packet, read_packets
from infrastructure.media.timeline import Room, Timeline, tolerance_seconds
from infrastructure.media.tracks import SAMPLE_RATE_MIN, track_of

PLACED: Final = frozenset({"matroska", "mov", "avi", "flv", "asf", "mpegts", "mpeg", "mxf"})
"""Containers that place every packet in time, so that a hole may be meant."""
GAP_BYTES: Final = 1024
"""Between two packets of Matroska or FLV lie the heads of clusters and blocks; more than this was once a packet."""
SHOWING_GAPS: Final = frozenset({"matroska", "flv"})
"""Containers that say of each packet where in the file it lies."""
_NUMBERED: Final = frozenset({"flac", "mp3", "wv", "tta", "tak", "ape"})
"""Formats whose frames have no times of their own: a hole is one only as far as the header says more."""

UNTIMED: Final = frozenset({"aac", "loas", "ac3", "eac3"})
"""Streams of frames alone: FFmpeg makes times up, by the rate of the first frame."""


class Times:
    """When the packets of a container begin and how long they last: asked of each, twice, so that it has to be quick."""

    def __init__(self, container: InputContainer, track: int) -> None:
        self._scales = [float(stream.time_base or 0) for stream in container.streams]
        self._track = track
        self._is_untimed = name_of(container) in UNTIMED
        self._packet: Packet | None = None
        self._answer: tuple[float | None, float] = (None, 0.0)

    def of(self, packet: Packet) -> tuple[float | None, float]:
        """Without what its decoder is told to leave out, if it is of the track (edit lists, pre-skip)."""
        if packet is not self._packet:
            self._packet, self._answer = packet, self._found(packet)
        return self._answer

    def _found(self, packet: Packet) -> tuple[float | None, float]:
        track = packet.stream_index
        scale, pts = self._scales[track], packet.pts
        begin = None if pts is None or self._is_untimed else pts * scale
        if packet.is_discard:
            return begin, 0.0
        seconds = (packet.duration or 0) * scale
        if track == self._track and packet.has_sidedata("skip_samples"):
            first, last = _skipped(packet)
            return None if begin is None else begin + first, max(0.0, seconds - first - last)
        return begin, seconds


def _skipped(packet: Packet) -> tuple[float, float]:
    """Two counts of samples (AV_PKT_DATA_SKIP_SAMPLES), at the stream's rate."""
    side = packet.get_sidedata("skip_samples")
    rate = packet.stream.codec_context.sample_rate
    if not side or not rate:
        return 0.0, 0.0
    counts = bytes(side)
    return int.from_bytes(counts[:4], "little") / rate, int.from_bytes(counts[4:8], "little") / rate


def timeline_of(container: InputContainer, stream: AudioStream, path: Path) -> Timeline:
    name = name_of(container)
    placed = name in PLACED
    return Timeline(
        _start(container, stream, path) if placed else None,
        damages_only=not placed,
        room=_room(container, stream, path) if name in _NUMBERED else None,
    )


def _start(container: InputContainer, stream: AudioStream, path: Path) -> float | None:
    """When a film begins: its first sound may come later, as after a pause that an edit list makes."""
    if name_of(container) == "mov" and begins_with_pause(path, stream.id):
        return 0.0
    start = cast("int | None", container.start_time)  # None in raw streams, whatever PyAV's types say
    if not container.streams.video or start is None:
        return None
    return start / MICROSECONDS


def _room(container: InputContainer, stream: AudioStream, path: Path) -> Room:
    counted = counted_seconds(container, stream, path)

    @cache
    def missing() -> float | None:
        if counted is None:
            return None
        with open_media(path) as again:
            times = Times(again, stream.index)
            there = sum(
                times.of(packet)[1] for packet in read_packets(again, track_of(again, stream.index))
            )
        # Who counts less than there is has counted the first of several recordings.
        return counted - there if counted > there - tolerance_seconds(counted) else None

    return Room(missing)


class Walk:
    """Takes one recording's packets in order, decoded or only counted, and keeps its timeline."""

    def __init__(self, container: InputContainer, stream: AudioStream, path: Path) -> None:
        self.timeline = timeline_of(container, stream, path)
        self.times = Times(container, stream.index)
        self.settle: Callable[[], None] = lambda: None
        """Puts in its place what came before something lost, where that is held back."""
        self._decoder = stream.codec_context
        name = name_of(container)
        self._frame_bytes_max = FRAME_BYTES_MAX.get(name, 1 << 30)
        self._tags = Tags()
        self._is_untimed = name in UNTIMED
        self._follower = Follower(path) if name in SKIPPED else None
        self._shows_gaps = name in SHOWING_GAPS and len(container.streams) == 1
        self._bytes = self._count = self._end = 0
        self._seconds = 0.0

    def decode(self, packet: Packet | None) -> Iterator[tuple[float, AudioFrame]]:
        """The sound of one packet, or what the decoder still has, each piece with the silence to put before it."""
        if packet is not None and self.is_junk(packet):
            return
        for frame in self._frames(packet):
            if isinstance(frame, AudioFrame) and frame.samples and frame.sample_rate >= SAMPLE_RATE_MIN:
                yield self._place(frame), frame

    def restart(self) -> None:
        """Makes the decoder take packets again after it has given all that it had."""
        self._decoder.flush_buffers()

    def is_junk(self, packet: Packet) -> bool:
        """Whether it is no packet at all but a corrupt stretch between two. The timeline is told of those, also before it."""
        begin = packet.pos or 0
        if packet.size > self._frame_bytes_max:
            self._lose(self._tags.sound_bytes(bytes(packet), begin), self.times.of(packet)[1])
            return True
        if self._follower is not None and (skipped := self._follower.passed_over(bytes(packet))):
            self._lose(skipped, 0.0)
        if (
            self._shows_gaps
            and self._count
            and begin - self._end > GAP_BYTES + 4 * self._bytes / self._count
        ):
            self.settle()
            self.timeline.stumble()
        self._bytes, self._count, self._end = (
            self._bytes + packet.size,
            self._count + 1,
            begin + packet.size,
        )
        self._seconds += self.times.of(packet)[1]
        return False

    def _lose(self, count: int, counted_seconds: float) -> None:
        """Bytes last as long as they do in the mean of what came before."""
        self.settle()
        self.timeline.lose(count * self._seconds / self._bytes if self._bytes else 0.0, counted_seconds)

    def _frames(self, packet: Packet | None) -> Sequence[object]:
        """What cannot be decoded is told to the timeline."""
        try:
            return self._decoder.decode(packet)
        except FFmpegError:
            frames = self._decode_anew(packet) if packet is not None else ()
        if packet is not None and not frames:
            self.timeline.lose(self.times.of(packet)[1])
        return frames

    def _decode_anew(self, packet: Packet) -> Sequence[object]:
        """FLAC frames say themselves what they are; the decoder goes on with another rate only from its start."""
        if self._decoder.name != "flac":
            return ()
        fresh = CodecContext.create("flac", "r")
        try:
            frames = fresh.decode(packet)
        except FFmpegError:
            return ()
        if frames:
            self._decoder = fresh
        return frames

    def _place(self, frame: AudioFrame) -> float:
        begin = None
        if frame.pts is not None and frame.time_base is not None and not self._is_untimed:
            begin = frame.pts * float(frame.time_base)
        return self.timeline.place(begin, frame.samples / frame.sample_rate)
