"""The probing process: measures one recording and writes one answer. Arguments: parent, limits, path, seconds at most."""

import sys
from pathlib import Path

import msgspec

from domain.media_errors import NotMedia, UnreadableMedia
from infrastructure.media.answers import ODD, Answer, MediaFacts, encode_answer, refusal_of
from infrastructure.media.extent import DECODED_SECONDS, measure
from infrastructure.media.sandbox import Limits, confine, end_with_parent
from infrastructure.media.tracks import open_track


def examine(path: Path, seconds_max: float, decoded_seconds: float = DECODED_SECONDS) -> MediaFacts:
    """Raises a subclass of UnreadableMedia."""
    with open_track(path) as (container, stream):
        return MediaFacts(
            duration_seconds=round(measure(container, stream, path, seconds_max, decoded_seconds), 6),
            container=container.format.name,
            codec=stream.codec_context.name,
            sample_rate=stream.codec_context.sample_rate,
            channels=stream.codec_context.channels,
        )


def _answer(path: Path, seconds_max: float) -> Answer:
    try:
        return examine(path, seconds_max)
    except UnreadableMedia as rejection:
        return refusal_of(rejection)
    except ODD:
        return refusal_of(NotMedia())


def main(arguments: list[str]) -> None:
    parent, limits, path, seconds_max = arguments
    end_with_parent(int(parent))
    confine(msgspec.json.decode(limits, type=Limits), Path(path))
    sys.stdout.buffer.write(encode_answer(_answer(Path(path), float(seconds_max))))


if __name__ == "__main__":
    main(sys.argv[1:])
