"""Calls to a Riva server: each has a deadline, and outages are sat out."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Final, TypeVar

import grpc
from riva.client.proto import riva_asr_pb2 as proto
from riva.client.proto.riva_asr_pb2_grpc import RivaSpeechRecognitionStub

from inference_worker import faults
from inference_worker.engines.riva.failures import failure_of
from inference_worker.engines.riva.server import RivaServer
from inference_worker.faults import EngineAway, Fault, Misfit
from infrastructure.media.pcm import BYTES_PER_SECOND
from infrastructure.waiting import Wait

ANSWER_BYTES_MAX: Final = 16 << 20
"""A quarter of an hour of fast speech with its times is a tenth of this."""
GLANCE_SECONDS_MAX: Final = 10.0
"""For the list of models, which a server that is well has at hand."""
PAUSE_SECONDS: Final = 0.25
"""Before the second try; twice as long before each further one."""
PAUSE_SECONDS_MAX: Final = 4.0
SIGN_SECONDS: Final = 0.2
"""How often somebody may say, during a call, that it is not wanted any more."""
CHUNK_BYTES: Final = BYTES_PER_SECOND // 5
"""Streaming models take sound as it is spoken, some tenths of a second at a time."""

END: Final = object()

Answer = TypeVar("Answer")
Alive = Callable[[], object]


class Calls:
    """To one server, over one connection that is made when it is needed and again when it broke."""

    def __init__(self, server: RivaServer) -> None:
        """Raises Misfit when a certificate cannot be read."""
        self._server = server
        self._stub = RivaSpeechRecognitionStub(_channel(server))

    def models(self, patience_seconds: float) -> Any:
        """What the server has. Raises Misfit or EngineAway."""
        try:
            return self._sit_out(self._models, patience_seconds)
        except Fault as fault:
            if fault.permanent:
                raise Misfit(
                    f"STENOLOG_RIVA_ADDRESS: what answers there does not say what it has: {fault.problem}"
                ) from None
            raise EngineAway(fault.problem) from None

    def recognise(self, config: Any, pcm: bytes, alive: Alive) -> Sequence[Any]:
        """The results for sound that fits one message. Raises Fault, EngineAway or Misfit."""
        request = proto.RecognizeRequest(config=config, audio=pcm)

        def ask() -> Sequence[Any]:
            call = self._stub.Recognize.future(request, **self._terms(self._server.deadline_seconds))
            return list(_answer(call, alive).results)

        return self._patiently(ask, config, alive)

    def stream(self, config: Any, pcm: bytes, heard: Callable[[float], object]) -> Sequence[Any]:
        """As `recognise`, of a streaming model, which says how many seconds it has heard. All results or none."""

        def ask() -> Sequence[Any]:
            finals = []
            sound = _Sound(config, pcm)
            call = self._stub.StreamingRecognize(iter(sound), **self._terms(self._server.deadline_seconds))
            for answer in _answers(call, alive):
                finals += [each for each in answer.results if each.is_final]
                heard(max((each.audio_processed for each in answer.results), default=0.0))
            if not sound.is_sent:
                # No word of what it never had is among these, and nothing else would say so.
                raise EngineAway("it ended a stream before it had all the sound", unanswered=True)
            return finals

        def alive() -> None:
            heard(0.0)

        return self._patiently(ask, config, alive)

    def _models(self) -> Any:
        glance_seconds = min(GLANCE_SECONDS_MAX, self._server.deadline_seconds)
        return self._stub.GetRivaSpeechRecognitionConfig(
            proto.RivaSpeechRecognitionConfigRequest(), **self._terms(glance_seconds)
        )

    def _terms(self, seconds: float) -> dict[str, Any]:
        return {"timeout": seconds, "metadata": self._server.metadata or None}

    def _patiently(self, ask: Callable[[], Answer], config: Any, alive: Alive) -> Answer:
        private = [phrase for context in config.speech_contexts for phrase in context.phrases]
        try:
            return self._sit_out(ask, self._server.patience_seconds, private, alive)
        except EngineAway as away:
            if away.unanswered and self._is_there():
                # It is not the server that is away: this is a stretch of sound that it does not get through.
                problem = f"Riva does not get through with a piece: {away}"
                raise Fault(faults.ENGINE_STALLED, problem=problem) from away
            raise

    def _sit_out(
        self,
        ask: Callable[[], Answer],
        patience_seconds: float,
        private: Sequence[str] = (),
        alive: Alive = lambda: None,
    ) -> Answer:
        wait = Wait(f"Riva at {self._server.address}")
        until, pause_seconds = float("inf"), PAUSE_SECONDS
        while True:
            alive()
            try:
                answer = ask()
            except (grpc.RpcError, EngineAway) as problem:
                failure = self._failure_of(problem, private)
                until = min(until, time.monotonic() + patience_seconds)
                if not isinstance(failure, EngineAway) or time.monotonic() + pause_seconds > until:
                    raise failure from None
                wait.goes_on(failure)
            else:
                wait.is_over()
                return answer
            time.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, PAUSE_SECONDS_MAX)

    def _failure_of(self, problem: Any, private: Sequence[str]) -> EngineAway | Misfit | Fault:
        if isinstance(problem, EngineAway):
            return problem
        return failure_of(problem.code(), problem.details() or "", self._server, private)

    def _is_there(self) -> bool:
        try:
            self._models()
        except grpc.RpcError:
            return False
        return True


def _answer(call: Any, alive: Alive) -> Any:
    """Raises grpc.RpcError, and what `alive` raises, which is asked now and then: that ends the call."""
    try:
        while True:
            try:
                return call.result(timeout=SIGN_SECONDS)
            except grpc.FutureTimeoutError:
                alive()
    finally:
        call.cancel()


def _answers(call: Any, alive: Alive) -> Iterator[Any]:
    """As `_answer`, for each answer of a stream."""
    heard: SimpleQueue[Any] = SimpleQueue()
    Thread(target=_listen, args=(call, heard), daemon=True).start()
    try:
        while True:
            try:
                answer = heard.get(timeout=SIGN_SECONDS)
            except Empty:
                alive()
                continue
            if answer is END:
                return
            if isinstance(answer, grpc.RpcError):
                raise answer
            yield answer
    finally:
        call.cancel()


def _listen(call: Any, heard: "SimpleQueue[Any]") -> None:
    """A stream can only be waited for without an end; it ends when the call does."""
    try:
        for answer in call:
            heard.put(answer)
    except grpc.RpcError as problem:
        heard.put(problem)
    else:
        heard.put(END)


class _Sound:
    """The messages of a stream: the config, then the sound piece by piece."""

    def __init__(self, config: Any, pcm: bytes) -> None:
        self._config = config
        self._pcm = pcm
        self.is_sent = False
        """Whether the last piece is on its way: gRPC asks for the next one when it has room for it."""

    def __iter__(self) -> Iterator[Any]:
        yield proto.StreamingRecognizeRequest(
            streaming_config=proto.StreamingRecognitionConfig(config=self._config, interim_results=True)
        )
        for begin in range(0, len(self._pcm), CHUNK_BYTES):
            yield proto.StreamingRecognizeRequest(audio_content=self._pcm[begin : begin + CHUNK_BYTES])
        self.is_sent = True


def _channel(server: RivaServer) -> Any:
    options = [
        ("grpc.max_send_message_length", server.message_bytes_max),
        ("grpc.max_receive_message_length", ANSWER_BYTES_MAX),
        ("grpc.enable_retries", 0),  # We know better for how long it is worth trying.
        ("grpc.enable_http_proxy", 0),
        ("grpc.initial_reconnect_backoff_ms", round(PAUSE_SECONDS * 1000)),
        ("grpc.max_reconnect_backoff_ms", round(PAUSE_SECONDS_MAX * 1000)),
    ]
    if not server.tls:
        return grpc.insecure_channel(server.address, options)
    return grpc.secure_channel(server.address, _credentials(server), options)


def _credentials(server: RivaServer) -> Any:
    return grpc.ssl_channel_credentials(
        root_certificates=_content(server.ca, "CA"),
        private_key=_content(server.key, "KEY"),
        certificate_chain=_content(server.cert, "CERT"),
    )


def _content(path: str, name: str) -> bytes | None:
    try:
        return Path(path).read_bytes() if path else None
    except OSError as problem:
        raise Misfit(
            f"STENOLOG_RIVA_{name}: {path} cannot be read: {(problem.strerror or '').lower()}"
        ) from problem
