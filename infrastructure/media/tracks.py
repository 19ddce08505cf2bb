"""Which track of a recording is transcribed: the one marked as default, or the first, that is not silent."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, cast

from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition

from domain.media_errors import EncryptedMedia, NoAudio, NotMedia, SoundUnsupported
from infrastructure.media.formats import DECODERS, open_media
from infrastructure.media.mixing import samples_of
from infrastructure.media.reading import read_packets

CHANNELS_MAX: Final = 64
SAMPLE_RATE_MIN: Final = 1_000
"""Nothing records at less; a few bytes at one sample a second would be hours."""
SAMPLE_RATE_MAX: Final = 1_500_000
"""DSD counts its bits by eights."""
ENCRYPTED_TAGS: Final = frozenset({"aavd", "drms", "enca"})
"""As audiobooks, old purchases and streams are marked in MP4 files that say no more about it."""
SILENT_PEAK: Final = 4 / 32_768
"""Digital silence, after a lossy codec."""
LISTENED_PACKETS_MAX: Final = 15_000
"""Some five minutes: a track that is silent for so long is not the one that was meant."""


@contextmanager
def open_track(path: Path) -> Iterator[tuple[InputContainer, AudioStream]]:
    """The container, nothing of it read yet, and the stream to transcribe, with a decoder of one thread.

    Raises NotMedia, NoAudio, SoundUnsupported or EncryptedMedia.
    """
    with ExitStack() as opened:
        container = opened.enter_context(open_media(path))
        tracks = _readable_tracks(container)
        index = tracks[0].index
        if len(tracks) > 1:
            index = _first_with_sound(container, tracks)
            # Read in part now. With one track it is not, and opening costs as much as decoding four seconds.
            opened.close()
            container = opened.enter_context(open_media(path))
        yield container, track_of(container, index)


def track_of(container: InputContainer, index: int) -> AudioStream:
    """The stream of that index, with a decoder of one thread."""
    stream = container.streams[index]
    if not isinstance(stream, AudioStream):
        raise NotMedia
    stream.codec_context.thread_count = 1
    return stream


def _readable_tracks(container: InputContainer) -> list[AudioStream]:
    """In the order of choice."""
    if not container.streams.audio:
        raise NoAudio
    plain = [stream for stream in container.streams.audio if not _is_encrypted(stream)]
    if not plain:
        raise EncryptedMedia
    known = [stream for stream in plain if _has_decoder(stream)]
    if not known:
        raise NotMedia
    tracks = [stream for stream in known if _is_plausible(stream.codec_context)]
    if not tracks:
        context = known[0].codec_context
        if not context.sample_rate or not context.channels:
            raise NotMedia  # Nothing came that says what it is.
        raise SoundUnsupported(context.sample_rate, context.channels)
    return sorted(tracks, key=lambda stream: (not stream.disposition & Disposition.default, stream.index))


def _is_encrypted(stream: AudioStream) -> bool:
    context = cast("AudioCodecContext | None", stream.codec_context)
    try:
        return context is not None and context.codec_tag in ENCRYPTED_TAGS
    except UnicodeDecodeError:  # PyAV takes every tag for ASCII; those of WAV are numbers.
        return False


def _has_decoder(stream: AudioStream) -> bool:
    # None, whatever PyAV's types say, where FFmpeg has no decoder.
    context = cast("AudioCodecContext | None", stream.codec_context)
    return context is not None and context.name in DECODERS


def _is_plausible(context: AudioCodecContext) -> bool:
    return (
        SAMPLE_RATE_MIN <= context.sample_rate <= SAMPLE_RATE_MAX and 0 < context.channels <= CHANNELS_MAX
    )


def _first_with_sound(container: InputContainer, tracks: list[AudioStream]) -> int:
    heard: set[int] = set()
    for index in _indices_heard(container, tracks):
        heard.add(index)
        if index == tracks[0].index:
            break
    return next((track.index for track in tracks if track.index in heard), tracks[0].index)


def _indices_heard(container: InputContainer, tracks: list[AudioStream]) -> Iterator[int]:
    listened = 0
    for packet in read_packets(container, *tracks):
        listened += 1
        if listened > LISTENED_PACKETS_MAX * len(tracks):
            return
        try:
            frames: Sequence[object] = packet.decode()
        except FFmpegError:
            continue
        if any(isinstance(frame, AudioFrame) and _is_heard(frame) for frame in frames):
            yield packet.stream_index


def _is_heard(frame: AudioFrame) -> bool:
    return bool(abs(samples_of(frame)).max(initial=0.0) > SILENT_PEAK)
