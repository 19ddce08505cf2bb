"""The probing process: measures one recording and writes one answer. Arguments: parent, limits, path, seconds at most."""

import sys
from pathlib import Path

import msgspec
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError

from domain.errors import NotMedia, UnreadableMedia
from infrastructure.media.answers import Answer, MediaFacts, encode_answer, refusal_of
from infrastructure.media.extent import measure
from infrastructure.media.formats import audio_stream, open_media
from infrastructure.media.sandbox import Limits, confine, end_with_parent

PACKETS_TRIED_MAX = 200
"""So many at the start may be junk; some decoders want several before they give sound."""


def examine(path: Path, seconds_max: float) -> MediaFacts:
    """Raises a subclass of UnreadableMedia."""
    with open_media(path) as container:
        stream = audio_stream(container)
        _require_sound(container, stream)
    with open_media(path) as container:
        stream = audio_stream(container)
        extent = measure(container, stream, path, seconds_max)
        return MediaFacts(
            duration_seconds=extent.duration_seconds,
            container=container.format.name,
            codec=stream.codec_context.name,
            sample_rate=stream.codec_context.sample_rate,
            channels=stream.codec_context.channels,
        )


def _require_sound(container: InputContainer, stream: AudioStream) -> None:
    for tried, packet in enumerate(container.demux(stream)):
        try:
            if packet.decode():
                return
        except FFmpegError:
            pass  # The next packet may be whole.
        if tried == PACKETS_TRIED_MAX:
            break
    raise NotMedia


def _answer(path: Path, seconds_max: float) -> Answer:
    try:
        return examine(path, seconds_max)
    except UnreadableMedia as rejection:
        return refusal_of(rejection)
    except MemoryError:  # It asks for more than any recording needs.
        return refusal_of(NotMedia())


def main(arguments: list[str]) -> None:
    parent, limits, path, seconds_max = arguments
    end_with_parent(int(parent))
    confine(msgspec.json.decode(limits, type=Limits), Path(path))
    sys.stdout.buffer.write(encode_answer(_answer(Path(path), float(seconds_max))))


if __name__ == "__main__":
    main(sys.argv[1:])
