"""How long a recording is, and whether its header claims more than is there.

The first minute is decoded and measured as the decoder will. After that packets are counted, on the same
timeline, if their times were right about the first minute; if not, all is decoded.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from av.audio.stream import AudioStream
from av.codec.context import CodecContext
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet as NewPacket

from domain.media_errors import EncryptedMedia, MediaTooLong, NotMedia, TooShortMedia, TruncatedMedia
from infrastructure.media.claims import (
    claimed_longest_seconds,
    claimed_stream_seconds,
    crc16,
    missing_seconds,
    name_of,
)
from infrastructure.media.converter import Converter
from infrastructure.media.packets import Walk
from infrastructure.media.reading import Packet, read_packets
from infrastructure.media.timeline import Timeline, tolerance_seconds
from infrastructure.media.whole import is_whole

DECODED_SECONDS: Final = 60.0
"""What comes after is counted."""
DECODED_PACKETS: Final = 3_000
"""Only short packets reach this before a minute is over."""
DECODED_PACKETS_MAX: Final = 200_000
"""However wrong the packets are, after an hour of them they are believed."""
DECODED_AGAIN_PACKETS: Final = 50
"""After so many of the form that was believed it is believed again."""
PACKETS_TRIED_MAX: Final = 20_000
"""So many at the start may be junk."""
DURATION_SECONDS_MIN: Final = 0.1
FEW_PACKETS: Final = 2
"""Too few for some decoders to give sound at all."""
STEP_SECONDS_MAX: Final = 0.5
"""A packet that does not say how long it is lasts until the next one, if that is near."""
FORM_MASKS: Final = {
    "flac": b"\0\0\x0f",
    "mp3": b"\xff\xfe\x0c",
    "aac": b"\xff\xfe\xfd\xc0",
    "ac3": b"\xff\xff",
    "eac3": b"\xff\xff",
    "loas": b"\xff\xe0",
}
"""Which bits at the beginning of a frame are the same in all: its sign, its rate (RFC 9639, section 9.1.2 for FLAC)."""


@dataclass(slots=True)
class PacketClock:
    """Puts packets on a timeline, each when it is known where the next one begins.

    Matroska rounds durations to milliseconds, others have none.
    """

    timeline: Timeline
    _held: tuple[float | None, float] | None = None

    def add(self, begin: float | None, seconds: float) -> None:
        held, self._held = self._held, (begin, seconds)
        if held is None:
            return
        step = begin - held[0] if begin is not None and held[0] is not None else 0.0
        near = 0 < step <= (1.5 * held[1] + 0.002 if held[1] else STEP_SECONDS_MAX)
        self._place(held[0], step if near else held[1])

    def finish(self) -> None:
        if self._held is not None:
            self._place(*self._held)
        self._held = None

    @property
    def end(self) -> float:
        self.finish()
        return self.timeline.position

    def _place(self, begin: float | None, seconds: float) -> None:
        if seconds:
            self.timeline.place(begin, seconds)


@dataclass(slots=True)
class Measuring:
    """The state of one walk over the packets of a recording."""

    stream: AudioStream
    walk: Walk
    seconds_max: float
    decoded_seconds: float
    """How much is decoded before packets are believed."""
    shadow: PacketClock
    """What the packets say of the part that is decoded."""
    form_mask: bytes = b""
    counted: PacketClock | None = None
    """What they say of the rest, on the timeline itself, once they are believed."""
    has_sound: bool = False
    packets: int = 0
    packet_bytes_min: int = 1 << 30
    last_packet: bytes = b""
    form: bytes = b""
    believed_form: bytes = b""
    """Of the packets that are counted."""
    strange_packet: int = 0
    """The number of the last one of another form."""
    reached: dict[int, tuple[float, float]] = field(default_factory=dict)
    """Where each stream begins and ends by its packets."""

    track: int = field(init=False)
    is_flac: bool = field(init=False)

    def __post_init__(self) -> None:
        self.track, self.is_flac = self.stream.index, self.stream.codec_context.name == "flac"

    @property
    def timeline(self) -> Timeline:
        return self.walk.timeline

    def add(self, packet: Packet) -> None:
        begin, seconds = self.walk.times.of(packet)
        self._reach(packet.stream_index, begin, seconds)
        if packet.stream_index != self.track:
            return
        if packet.has_sidedata("encryption_info"):
            raise EncryptedMedia  # Decoded, it is noise now and then.
        self.packets += 1
        self.packet_bytes_min = min(self.packet_bytes_min, packet.size)
        self._look_at(packet)
        if self.counted is not None:
            if not self.walk.is_junk(packet) and not packet.is_discard:
                self.counted.add(begin, seconds)
        else:
            if not packet.is_discard:
                self.shadow.add(begin, seconds)
            self._decode(packet)
            self._decide()
        if self.timeline.position > self.seconds_max:
            raise MediaTooLong(self.seconds_max)

    def _look_at(self, packet: Packet) -> None:
        """One of another form than those before says no longer how long it is, or is junk: what follows is decoded."""
        if not self.form_mask:
            return
        self.form = _form_of(packet, self.form_mask)
        if self.believed_form and self.form != self.believed_form:
            self.strange_packet = self.packets
            if self.counted is not None:
                self.counted.finish()
                self.counted = None
                self.walk.restart()
        if self.is_flac:
            self.last_packet = bytes(packet)

    def finish(self) -> None:
        if self.counted is not None:
            self.counted.finish()
        else:
            self._decode(None)
        self.timeline.finish()

    def _reach(self, index: int, begin: float | None, seconds: float) -> None:
        if begin is not None:
            start, end = self.reached.get(index, (begin, begin))
            self.reached[index] = (min(start, begin), max(end, begin + seconds))

    def _decode(self, packet: Packet | None) -> None:
        for _, frame in self.walk.decode(packet):
            if not self.has_sound:
                list(Converter().convert(frame))  # What cannot be converted is refused now, not later.
            self.has_sound = True

    def _decide(self) -> None:
        """Whether enough was decoded to go on by packets alone."""
        if not self.has_sound:
            if self.packets > PACKETS_TRIED_MAX:
                raise NotMedia
            return
        if self.timeline.position < self.decoded_seconds and self.packets < DECODED_PACKETS:
            return
        if self.believed_form:
            if self.packets - self.strange_packet > DECODED_AGAIN_PACKETS:
                self._count()
            return
        decoded, counted = self.timeline.position, self.shadow.timeline.position
        if abs(decoded - counted) <= 0.1 + 0.002 * decoded or self.packets > DECODED_PACKETS_MAX:
            self._count()

    def _count(self) -> None:
        self._decode(None)
        self.counted = PacketClock(self.timeline)
        self.walk.settle = self.counted.finish
        self.believed_form = self.form


def measure(
    container: InputContainer,
    stream: AudioStream,
    path: Path,
    seconds_max: float,
    decoded_seconds: float = DECODED_SECONDS,
) -> float:
    """The recording's length in seconds, by one walk over its packets.

    Raises MediaTooLong as soon as there is more than `seconds_max`, TruncatedMedia, TooShortMedia, EncryptedMedia, or
    NotMedia when nothing decodes.
    """
    _require_short_claim(container, stream, path, seconds_max)
    walk = Walk(container, stream, path)
    shadow = PacketClock(walk.timeline.anew())
    kind = "flac" if stream.codec_context.name == "flac" else name_of(container)
    measuring = Measuring(stream, walk, seconds_max, decoded_seconds, shadow, FORM_MASKS.get(kind, b""))
    for packet in read_packets(container):
        measuring.add(packet)
    measuring.finish()
    if not measuring.has_sound and measuring.packets:
        raise (
            TooShortMedia
            if measuring.packets <= FEW_PACKETS and shadow.end < DURATION_SECONDS_MIN
            else NotMedia
        )
    _require_claims_kept(container, measuring, path)
    if measuring.timeline.position < DURATION_SECONDS_MIN:
        raise TooShortMedia
    return measuring.timeline.position


def _require_short_claim(
    container: InputContainer, stream: AudioStream, path: Path, seconds_max: float
) -> None:
    """A file whose header counts its own bytes is believed when that is too much; clocks that jump are not."""
    if name_of(container) != "wav" or stream.duration is None or stream.time_base is None:
        return
    if stream.duration * stream.time_base > seconds_max and not missing_seconds(container, path, 1.0):
        raise MediaTooLong(seconds_max)


def _require_claims_kept(container: InputContainer, measuring: Measuring, path: Path) -> None:
    """A header may claim too little; one that claims more than any stream reaches belongs to a longer file."""
    stream, length = measuring.stream, measuring.timeline.position
    begin, end = measuring.reached.get(stream.index, (0.0, 0.0))
    claimed = claimed_stream_seconds(container, stream, path)
    if claimed is not None and not _is_spoiled(measuring, claimed - length):
        _require_reached(claimed, max(length, end - begin))
    longest = claimed_longest_seconds(container)
    if longest is not None and not (measuring.has_sound and is_whole(path, name_of(container))):
        starts, ends = (
            zip(*measuring.reached.values(), strict=True) if measuring.reached else ((0.0,), (0.0,))
        )
        _require_reached(longest, max(length, max(ends) - min(0.0, *starts), max(ends) - min(starts)))
    _require_reached(length + missing_seconds(container, path, length), length)


def _is_spoiled(measuring: Measuring, missing_seconds: float) -> bool:
    """Whether a FLAC file ends in other bytes, as many as the missing frames may have had: it was not cut off.

    Such bytes are taken for a part of the last frame, whose checksum (RFC 9639, section 9.3) shows it.
    """
    if not measuring.is_flac or not crc16(measuring.last_packet) or not _decodes(measuring):
        return False
    packets = missing_seconds * measuring.packets / max(measuring.timeline.position, DURATION_SECONDS_MIN)
    return packets * measuring.packet_bytes_min <= len(measuring.last_packet)


def _form_of(packet: Packet, mask: bytes) -> bytes:
    return bytes(
        byte & kept for byte, kept in zip(bytes(memoryview(packet)[: len(mask)]), mask, strict=False)
    )


def _decodes(measuring: Measuring) -> bool:
    """Whether the last FLAC frame is there, whatever follows it; one that was cut off is not."""
    decoder = CodecContext.create("flac", "r")
    decoder.extradata = measuring.stream.codec_context.extradata
    try:
        return bool(decoder.decode(NewPacket(measuring.last_packet)))
    except FFmpegError:
        return False


def _require_reached(claimed: float, reached: float) -> None:
    if claimed - reached > tolerance_seconds(claimed):
        raise TruncatedMedia(claimed, reached)
