"""Which containers and codecs are read at all, and the one way to open a recording."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, cast

import av
import av.logging
import av.subtitles.codeccontext
import av.subtitles.stream
import av.video.codeccontext
import av.video.stream  # PyAV imports these when it meets such a stream: too late inside the sandbox
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError

from domain.errors import NoAudio, NotMedia

DEMUXERS: Final = "wav,flac,mp3,aac,ogg,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2"
"""Nothing here refers to other files or addresses, as playlists, concat scripts and SDP do."""

DECODERS: Final = frozenset(
    {
        *("aac", "ac3", "alac", "amrnb", "amrwb", "eac3", "flac", "mp2", "mp2float", "mp3", "mp3float"),
        *("opus", "vorbis", "adpcm_ima_wav", "adpcm_ms", "pcm_alaw", "pcm_mulaw", "pcm_u8"),
        *(f"pcm_{kind}{order}" for kind in ("s16", "s24", "s32", "f32", "f64") for order in ("le", "be")),
    }
)
CHANNELS_MAX: Final = 16
SAMPLE_RATE_MAX: Final = 384_000

_OPTIONS: Final = {
    "format_whitelist": DEMUXERS,
    "protocol_whitelist": "file",
    # Holds while FFmpeg looks at the streams by itself; `_require_readable` holds for our own decoding.
    "codec_whitelist": ",".join(sorted(DECODERS)),
}
_ARCHIVES: Final = (b"PK\x03\x04", b"Rar!\x1a\x07", b"7z\xbc\xaf\x27\x1c", b"%PDF")
"""FFmpeg looks for sound anywhere, and finds the MP3 that was stored in an archive."""


@contextmanager
def open_media(path: Path) -> Iterator[InputContainer]:
    """The container, under a name that tells FFmpeg nothing. Raises NotMedia."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if os.pread(descriptor, 8, 0).startswith(_ARCHIVES):
            raise NotMedia
        with av.open(
            f"/dev/fd/{descriptor}", options=dict(_OPTIONS), metadata_errors="ignore"
        ) as container:
            yield container
    except FFmpegError as problem:
        raise NotMedia from problem
    finally:
        os.close(descriptor)


def audio_stream(container: InputContainer) -> AudioStream:
    """The stream to transcribe, with a decoder of one thread. Raises NoAudio, or NotMedia for a codec not allowed."""
    if not container.streams.audio:
        raise NoAudio
    stream = container.streams.best("audio")
    if not isinstance(stream, AudioStream) or not _is_readable(stream):
        raise NotMedia
    stream.codec_context.thread_count = 1
    return stream


def _is_readable(stream: AudioStream) -> bool:
    # None, whatever PyAV's types say, where FFmpeg has no decoder.
    context = cast("AudioCodecContext | None", stream.codec_context)
    return (
        context is not None
        and context.name in DECODERS
        and 0 < context.sample_rate <= SAMPLE_RATE_MAX
        and 0 < context.channels <= CHANNELS_MAX
    )
