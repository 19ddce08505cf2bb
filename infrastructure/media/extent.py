"""How long a recording is, by its packets, and whether its header claims more than is there."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final, cast

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError

from domain.errors import MediaTooLong, NotMedia, TruncatedMedia

GAP_SECONDS: Final = Fraction(1, 2)
"""Two packets further apart than this have a hole between them; a packet itself is shorter."""
READABLE_SHARE_MIN: Final = Fraction(4, 5)
"""With less sound than this between its first and last packet, a file has lost its middle."""
_HOLED: Final = frozenset({"matroska", "mov"})
"""Containers that place every packet in time, so that a hole is a stretch of silence."""
_MICROSECOND: Final = Fraction(1, 1_000_000)
_MP3_LENGTH_TAGS: Final = (b"Xing", b"Info", b"VBRI")


def tolerance_seconds(duration_seconds: float) -> float:
    """How far two measures of one recording may differ: encoders pad, headers round."""
    return min(10.0, 0.5 + 0.01 * duration_seconds)


@dataclass(slots=True)
class PacketTrack:
    """Adds up packets of one stream, in ticks of `time_base`.

    Durations alone do not do: Matroska rounds them to milliseconds, or has none. Times alone do not do
    either: they may have holes. So a packet lasts until the next one, if that is near.
    """

    time_base: Fraction
    start: int | None = None
    end: int = 0
    _readable: int = 0
    _pts: int | None = None
    _duration: int = 0

    def add(self, pts: int | None, duration: int | None) -> None:
        self._settle(pts)
        self._pts, self._duration = pts, duration or 0
        if pts is not None:
            self.start = pts if self.start is None else min(self.start, pts)
            self.end = max(self.end, pts + self._duration)

    def _settle(self, next_pts: int | None) -> None:
        """Counts the last packet, now that it is known when the next one starts."""
        step = next_pts - self._pts if next_pts is not None and self._pts is not None else 0
        near = 0 < step * self.time_base <= GAP_SECONDS
        self._readable += step if near else self._duration

    @property
    def readable_seconds(self) -> Fraction:
        """Sound there is, without the holes."""
        return (self._readable + self._duration) * self.time_base

    @property
    def start_seconds(self) -> Fraction:
        return (self.start or 0) * self.time_base

    @property
    def end_seconds(self) -> Fraction:
        return self.end * self.time_base

    def length_seconds(self, *, holed: bool) -> Fraction:
        """With the holes, where the container places packets in time."""
        span = self.end_seconds - self.start_seconds
        return max(self.readable_seconds, span) if holed else self.readable_seconds


@dataclass(frozen=True, slots=True)
class Extent:
    """`duration_seconds` is the recording's length; `readable_seconds` is that without the holes in it."""

    duration_seconds: float
    readable_seconds: float


def measure(container: InputContainer, stream: AudioStream, path: Path, seconds_max: float) -> Extent:
    """Reads packets, and decodes none, until the end or until there is more sound than `seconds_max`.

    Raises MediaTooLong, at once where the header says so, TruncatedMedia, or NotMedia when there is no sound.
    """
    _require_short_claim(container, stream, path, seconds_max)
    holed = container.format.name.partition(",")[0] in _HOLED
    tracks = _read_packets(container, stream, seconds_max, holed=holed)
    audio = tracks.get(stream.index)
    if audio is None or audio.readable_seconds <= 0:
        raise NotMedia
    length = audio.length_seconds(holed=holed)
    _require_whole(length, audio.readable_seconds)
    _require_claims_kept(container, stream, tracks, length, path)
    lead = audio.start_seconds - start_seconds(container, stream) if holed else Fraction(0)
    return Extent(float(length + max(lead, Fraction(0))), float(audio.readable_seconds))


def start_seconds(container: InputContainer, stream: AudioStream) -> Fraction:
    """When the recording starts, which with pictures may be before its first sound."""
    start = cast("int | None", container.start_time)  # None in raw streams, whatever PyAV's types say
    if start is not None:
        return start * _MICROSECOND
    return (stream.start_time or 0) * (stream.time_base or Fraction(0))


def _require_short_claim(
    container: InputContainer, stream: AudioStream, path: Path, seconds_max: float
) -> None:
    """A few bytes can claim days of sound in millions of packets: who claims too much is believed."""
    if _is_estimate(container, path):
        return
    claimed = _claimed_seconds(container, stream)
    if claimed is None and container.duration is not None:
        claimed = container.duration * _MICROSECOND
    if claimed is not None and claimed > seconds_max:
        raise MediaTooLong(seconds_max)


def _claimed_seconds(container: InputContainer, stream: AudioStream) -> Fraction | None:
    """What the header says of the stream. Matroska has no duration per stream; what stands there is the longest's."""
    if stream.duration is None or stream.time_base is None or _is_matroska(container):
        return None
    return stream.duration * stream.time_base


def _read_packets(
    container: InputContainer, stream: AudioStream, seconds_max: float, *, holed: bool
) -> dict[int, PacketTrack]:
    """Raises MediaTooLong as soon as the stream is longer than that."""
    tracks: dict[int, PacketTrack] = {}
    try:
        for packet in container.demux():
            if packet.size and packet.time_base:  # the last packet of each stream is empty
                track = tracks.setdefault(packet.stream_index, PacketTrack(packet.time_base))
                track.add(packet.pts, packet.duration)
                if packet.stream_index == stream.index and track.length_seconds(holed=holed) > seconds_max:
                    raise MediaTooLong(seconds_max)
    except FFmpegError:
        pass  # Broken off: what came so far is measured, and compared with what was claimed.
    return tracks


def _require_whole(length: Fraction, readable: Fraction) -> None:
    if readable < READABLE_SHARE_MIN * length:
        raise TruncatedMedia(float(length), float(readable))


def _require_claims_kept(
    container: InputContainer,
    stream: AudioStream,
    tracks: dict[int, PacketTrack],
    length: Fraction,
    path: Path,
) -> None:
    """A header may claim too little; one that claims more than any stream reaches belongs to a longer file."""
    if _is_estimate(container, path):
        return
    claimed = _claimed_seconds(container, stream)
    if claimed is not None:
        _require_reached(claimed, length)
    if container.duration is not None:
        reached = max(track.end_seconds for track in tracks.values()) - start_seconds(container, stream)
        _require_reached(container.duration * _MICROSECOND, max(reached, length))


def _require_reached(claimed: Fraction, reached: Fraction) -> None:
    if claimed - reached > tolerance_seconds(float(claimed)):
        raise TruncatedMedia(float(claimed), float(reached))


def _is_matroska(container: InputContainer) -> bool:
    return container.format.name.startswith("matroska")


def _is_estimate(container: InputContainer, path: Path) -> bool:
    """Whether FFmpeg made the duration up from size and bit rate, as it does where no header has one."""
    match container.format.name:
        case "aac":
            return True
        case "mp3":
            return not _has_length_tag(path)
        case _:
            return False


def _has_length_tag(path: Path) -> bool:
    """The tag lies in the first MP3 frame, which follows an ID3v2 tag if there is one."""
    with path.open("rb") as file:
        head = file.read(10)
        if head.startswith(b"ID3"):
            size = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
            file.seek(10 + size)
        frames = head + file.read(4096)
    return any(tag in frames for tag in _MP3_LENGTH_TAGS)
