"""A Riva server of the tests' own: the real protocol on a loopback port, words that depend on the sound alone."""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Any, Final, Self

import grpc
from msgspec import Struct
from riva.client.proto import riva_asr_pb2 as proto
from riva.client.proto.riva_asr_pb2_grpc import (
    RivaSpeechRecognitionServicer,
    add_RivaSpeechRecognitionServicer_to_server,
)

from infrastructure.media.pcm import BYTES_PER_MS
from tests.stack.certificates import Certified

STEP_MS: Final = 500
WORD_MS: Final = 400
WORDS_PER_RESULT: Final = 10
START_SECONDS_MAX: Final = 20.0
ENGLISH: Final = ("parakeet-en", {"language_code": "en-US", "type": "offline"})

Step = Callable[[Any], Awaitable[Any]]
"""What happens at one call instead of an answer, or before it: given its context, it returns None or the answer."""


class Call(Struct, frozen=True, kw_only=True):
    """What the server was asked."""

    config: Any
    pcm: bytes
    metadata: dict[str, str]
    seconds_left: float


def failing(code: grpc.StatusCode, details: str = "on purpose") -> Step:
    async def fail(context: Any) -> None:
        await context.abort(code, details)

    return fail


def slow(seconds: float) -> Step:
    async def wait(_: Any) -> None:
        await asyncio.sleep(seconds)

    return wait


def silent() -> Step:
    """Nothing ever comes."""

    async def wait(_: Any) -> None:
        await asyncio.Event().wait()

    return wait


def answering(*results: Any) -> Step:
    async def answer(_: Any) -> Any:
        return proto.RecognizeResponse(results=results)

    return answer


def result(transcript: str, *words: tuple[str, int, int], confidence: float = 0.0) -> Any:
    """One result with one alternative; each word with its start and end in ms."""
    timed = [
        proto.WordInfo(word=word, start_time=start, end_time=end, confidence=confidence)
        for word, start, end in words
    ]
    return proto.SpeechRecognitionResult(
        alternatives=[proto.SpeechRecognitionAlternative(transcript=transcript, words=timed)]
    )


class Riva(RivaSpeechRecognitionServicer):  # type: ignore[misc]  # mypy is not shown the stubs
    """Use it as a context; it serves in a thread. `script` is what happens at the next calls."""

    def __init__(
        self,
        *models: tuple[str, dict[str, str]],
        tls: Certified | None = None,
        client_ca: bytes | None = None,
        port: int = 0,
    ) -> None:
        self.models = models or (ENGLISH,)
        self.script: deque[Step] = deque()
        self.glances: deque[Step] = deque()
        """The same for the list of models."""
        self.early_ends: deque[int] = deque()
        """The next streams are over, as if all were well, once the server has so many ms of sound."""
        self.calls: list[Call] = []
        self.cancelled = 0
        self._tls = tls
        self._client_ca = client_ca
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(START_SECONDS_MAX)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._server.stop(None), self._loop).result(START_SECONDS_MAX)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(START_SECONDS_MAX)
        self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._start())
        self._loop.run_forever()

    async def _start(self) -> None:
        self._server = grpc.aio.server()
        add_RivaSpeechRecognitionServicer_to_server(self, self._server)
        if self._tls is None:
            self._port = self._server.add_insecure_port(self.address)
        else:
            pair = (self._tls.key.read_bytes(), self._tls.certificate.read_bytes())
            credentials = grpc.ssl_server_credentials(
                [pair], self._client_ca, require_client_auth=self._client_ca is not None
            )
            self._port = self._server.add_secure_port(self.address, credentials)
        await self._server.start()
        self._started.set()

    async def GetRivaSpeechRecognitionConfig(self, _: Any, context: Any) -> Any:  # noqa: N802
        await self._step(self.glances, context)
        answer = proto.RivaSpeechRecognitionConfigResponse()
        for name, parameters in self.models:
            answer.model_config.add(model_name=name, parameters=parameters)
        return answer

    async def Recognize(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._note(request.config, request.audio, context)
        told = await self._step(self.script, context)
        return told or proto.RecognizeResponse(results=list(results_for(request.config, request.audio)))

    async def StreamingRecognize(  # noqa: N802
        self, requests: AsyncIterator[Any], context: Any
    ) -> AsyncIterator[Any]:
        """A partial result for what is heard each second; at the end the final ones."""
        config, pcm, told_ms = None, b"", 0
        end_ms = self.early_ends.popleft() if self.early_ends else None
        async for request in requests:
            config = config or request.streaming_config.config
            pcm += request.audio_content
            if len(pcm) // BYTES_PER_MS - told_ms >= 1_000:
                told_ms = len(pcm) // BYTES_PER_MS
                yield _heard(results_for(config, pcm), told_ms, final=False)
            if end_ms is not None and len(pcm) // BYTES_PER_MS >= end_ms:
                break
        self._note(config, pcm, context)
        yield _heard(list(results_for(config, pcm))[:1], told_ms, final=True)
        await self._step(self.script, context)
        yield _heard(list(results_for(config, pcm))[1:], len(pcm) // BYTES_PER_MS, final=True)

    def _note(self, config: Any, pcm: bytes, context: Any) -> None:
        metadata = {name: value for name, value in context.invocation_metadata() if isinstance(value, str)}
        self.calls.append(
            Call(config=config, pcm=pcm, metadata=metadata, seconds_left=context.time_remaining())
        )

    async def _step(self, script: deque[Step], context: Any) -> Any:
        if not script:
            return None
        try:
            return await script.popleft()(context)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


def results_for(config: Any, pcm: bytes) -> Iterator[Any]:
    """A word for each half second in which there is sound."""
    begins = [
        at_ms
        for at_ms in range(0, len(pcm) // BYTES_PER_MS - WORD_MS + 1, STEP_MS)
        if any(pcm[at_ms * BYTES_PER_MS : (at_ms + WORD_MS) * BYTES_PER_MS])
    ]
    for first in range(0, len(begins), WORDS_PER_RESULT):
        yield _result(config, begins[first : first + WORDS_PER_RESULT])


def _result(config: Any, begins: Sequence[int]) -> Any:
    made = result(
        " ".join(f"word-{at_ms}" for at_ms in begins) + ".",
        *((f"word-{at_ms}", at_ms, at_ms + WORD_MS) for at_ms in begins),
        confidence=-0.105,
    )
    if config.language_code == "multi":
        made.alternatives[0].language_code.append("fr-FR")
    return made


def _heard(results: Any, at_ms: int, *, final: bool) -> Any:
    return proto.StreamingRecognizeResponse(
        results=[
            proto.StreamingRecognitionResult(
                alternatives=each.alternatives, is_final=final, audio_processed=at_ms / 1000
            )
            for each in results
        ]
    )
