"""The engine: windows become requests that a Riva server takes, and its answers the words of the recording."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from msgspec.structs import replace
from riva.client.proto import riva_asr_pb2 as proto
from riva.client.proto.riva_audio_pb2 import AudioEncoding

from domain.instructions import Instructions, require_able
from domain.languages import language_tag_of
from domain.ports import UNDETERMINED, Recognised, Window
from domain.transcript import Segment
from inference_worker.engines.riva.calls import Calls
from inference_worker.engines.riva.catalogue import MULTI, Asked, Catalogue, models_in
from inference_worker.engines.riva.server import RivaServer
from inference_worker.engines.riva.words import segments_of
from inference_worker.pauses import longest_pause
from inference_worker.windows import LATEST_PERCENT, WINDOW_SECONDS, WindowStart, cut_windows
from infrastructure.media.pcm import BYTES_PER_MS, SAMPLE_RATE

START_SECONDS_MAX: Final = 300.0
"""How long a server may be away when an engine is started; half of what its worker waits for it."""
FRAME_BYTES: Final = 64
"""What a message has beside its config and sound, amply."""

Heard = Callable[[int], None]


class RivaEngine:
    """One connection to one server, whose models the engine knows from its start on."""

    window_seconds: Final = WINDOW_SECONDS

    def __init__(self, server: RivaServer) -> None:
        """Raises Misfit or EngineAway."""
        self._server = server
        self._calls = Calls(server)
        answer = self._calls.models(min(START_SECONDS_MAX, server.patience_seconds))
        models = models_in(answer, server.model)
        self._catalogue = Catalogue(models)
        self.abilities = self._catalogue.abilities
        self.name = _name(server, sorted((each.name, each.codes) for each in models))

    def transcribe(self, window: Window, instructions: Instructions, heard: Heard) -> Recognised:
        """Raises also Fault, EngineAway and Misfit."""
        require_able(instructions, self.abilities)
        asked = self._catalogue.asked(instructions.language)
        config = self._config(asked, instructions)
        segments: list[Segment] = []
        for piece in self._pieces(window, config.ByteSize()):
            segments += segments_of(self._hear(piece, asked, config, heard), piece, instructions.language)
            heard(piece.end_ms)
        return _recognised(segments, instructions.language or language_tag_of(_unless_multi(asked.code)))

    def _config(self, asked: Asked, instructions: Instructions) -> Any:
        config = proto.RecognitionConfig(
            encoding=AudioEncoding.LINEAR_PCM,
            sample_rate_hertz=SAMPLE_RATE,
            audio_channel_count=1,
            language_code=asked.code,
            model=self._server.model,
            max_alternatives=1,
            enable_word_time_offsets=True,
            enable_automatic_punctuation=self._server.punctuation,
        )
        if instructions.vocabulary:
            config.speech_contexts.add(phrases=instructions.vocabulary, boost=self._server.boost)
        return config

    def _pieces(self, window: Window, config_bytes: int) -> Iterator[Window]:
        """The window, in as many parts as the largest message asks for, cut at pauses."""
        room = self._server.message_bytes_max - config_bytes - FRAME_BYTES
        if len(window.pcm) <= room:
            yield window
            return
        size_ms = room * 100 // LATEST_PERCENT // BYTES_PER_MS
        for part in cut_windows(
            [window.pcm], size_ms=size_ms, begin=WindowStart(), find_pause=longest_pause
        ):
            start_ms, end_ms = (window.start_ms + at_ms for at_ms in (part.start_ms, part.end_ms))
            yield replace(part, start_ms=start_ms, end_ms=min(end_ms, window.end_ms))

    def _hear(self, piece: Window, asked: Asked, config: Any, heard: Heard) -> Sequence[Any]:
        if asked.offline:
            return self._calls.recognise(config, piece.pcm, lambda: heard(piece.start_ms))
        return self._calls.stream(
            config,
            piece.pcm,
            lambda seconds: heard(min(piece.end_ms, piece.start_ms + round(seconds * 1000))),
        )


def _recognised(segments: Sequence[Segment], expected: str | None) -> Recognised:
    """In the language that most words are in, where the server tells; Riva does not say how sure it is."""
    if not segments:
        return Recognised(segments=(), language=UNDETERMINED)
    words: Counter[str] = Counter()
    for segment in segments:
        words[segment.language or expected or UNDETERMINED] += len(segment.words)
    return Recognised(segments=segments, language=words.most_common(1)[0][0])


def _unless_multi(code: str) -> str:
    return "" if code == MULTI else code


def _name(server: RivaServer, models: object) -> str:
    """Another set of models, another punctuation or boost gives other words."""
    facts = repr((models, server.punctuation, server.boost)).encode()
    return f"riva/{server.model or 'any'}@{hashlib.sha256(facts).hexdigest()[:12]}"
