"""The engine's process: one model kept warm for all tasks, orders as lines on stdin, messages as lines on stdout.

It ends when stdin does, and is killed when the worker dies. It reaches no network, or nothing there but the server that
it asks; recordings are decoded in a sandbox of their own. Arguments: the worker's pid, the engine choice as JSON.
"""

import os
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
from msgspec.structs import replace

from domain.attempts import ENGINE_AWAY
from domain.errors import Rejection
from domain.ports import Engine
from inference_worker import faults
from inference_worker.child_alignment import find_words
from inference_worker.child_messages import (
    AlignmentTask,
    ChildMessage,
    Faulted,
    Finished,
    Heard,
    Misconfigured,
    Ready,
    Said,
    Task,
    Unreachable,
    WindowDone,
    decode_order,
    encode_line,
)
from inference_worker.child_tasks import AwaitTurn, ChildTasks
from inference_worker.engines.choice import EngineChoice, open_engine
from inference_worker.faults import EngineAway, Fault, Misfit
from inference_worker.pauses import longest_pause
from inference_worker.sound import Sound
from inference_worker.spoken import Spoken
from inference_worker.windows import cut_windows
from infrastructure.media.decode import DecodingFailed, open_pcm
from infrastructure.media.sandbox import (
    Limits,
    end_with_parent,
    leave_the_network,
    limit,
    reach_only,
)
from infrastructure.media.warm import MEDIA_CHILDREN

LIMITS: Final = Limits(memory_bytes=None, cpu_seconds=None, open_files=256)
"""Models and GPU drivers map what they like; the worker watches the memory that is really used."""

Say = Callable[[ChildMessage], None]


def transcribe(task: Task, engine: Engine, say: Say, await_turn: AwaitTurn) -> None:
    """Decodes the first window before its turn. Says each finished window, and at the end Finished or Faulted, or Misconfigured."""
    _answer(lambda: _finish(task, engine, say, await_turn), say)


def align(task: AlignmentTask, engine: Engine, say: Say, await_turn: AwaitTurn) -> None:
    """Says Aligned at the end, or Faulted."""
    await_turn()
    _answer(lambda: find_words(task, engine, say), say)


def carry(task: Task | AlignmentTask, engine: Engine, say: Say, await_turn: AwaitTurn) -> None:
    match task:
        case Task():
            transcribe(task, engine, say, await_turn)
        case AlignmentTask():
            align(task, engine, say, await_turn)


def _answer(work: Callable[[], ChildMessage], say: Say) -> None:
    try:
        say(work())
    except Rejection as refusal:  # UnreadableMedia, or what `require_able` raises
        say(Faulted(reason=refusal.code, permanent=True))
    except Misfit as problem:
        say(Misconfigured(problem=str(problem)))
    except (DecodingFailed, EngineAway, Fault) as problem:
        say(_faulted(problem))


def _faulted(problem: DecodingFailed | EngineAway | Fault) -> Faulted:
    """What went wrong, in words, is for the log."""
    match problem:
        case Fault():
            print(problem.problem, file=sys.stderr)  # noqa: T201  # the worker logs it
            return Faulted(reason=problem.reason, permanent=problem.permanent)
        case EngineAway():
            print(problem, file=sys.stderr)  # noqa: T201
            return Faulted(reason=ENGINE_AWAY, permanent=False)
        case DecodingFailed():
            print(problem, file=sys.stderr)  # noqa: T201
            return Faulted(reason=faults.DECODING_FAILED, permanent=False)


def _finish(task: Task, engine: Engine, say: Say, await_turn: AwaitTurn) -> Finished:
    spoken = Spoken(task.before)
    begin_ms = task.begin.start_ms
    window_seconds = engine.window_seconds if task.window_seconds is None else task.window_seconds
    with open_pcm(Path(task.media), task.duration_seconds) as stream:
        sound = Sound(stream, begin_ms, lambda: say(Heard(position_ms=begin_ms)))
        for window in cut_windows(
            sound, size_ms=int(window_seconds * 1000), begin=task.begin, find_pause=longest_pause
        ):
            await_turn()
            heard = partial(_say_heard, say, window.end_ms)
            heard(window.start_ms)
            recognised = engine.transcribe(
                replace(window, language_before=spoken.main), task.instructions, heard
            )
            done = WindowDone(
                index=window.index,
                start_ms=window.start_ms,
                end_ms=window.end_ms,
                language=recognised.language,
                language_probability=recognised.language_probability,
                segments=tuple(recognised.segments),
            )
            say(done)
            spoken.add(done)
        return Finished(
            decoded_seconds=sound.decoded_seconds, lost_seconds=sound.lost_seconds, damages=sound.damages
        )


def _say_heard(say: Say, end_ms: int, position_ms: int) -> None:
    say(Heard(position_ms=position_ms, end_ms=end_ms))


def _take_stdout() -> BinaryIO:
    """The pipe to the worker is ours alone: whatever a library prints goes to stderr."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


def _speak(answers: BinaryIO, lock: threading.Lock, said: Said) -> None:
    """A line of one task never lies within another's."""
    line = encode_line(said)
    with lock:
        answers.write(line)
        answers.flush()


def main(arguments: list[str]) -> None:
    parent, encoded = arguments
    choice = msgspec.json.decode(encoded, type=EngineChoice)
    end_with_parent(int(parent))
    if choice.port is None:
        leave_the_network()
    else:
        reach_only(choice.port)
    limit(LIMITS)
    speak = partial(_speak, _take_stdout(), threading.Lock())
    MEDIA_CHILDREN.start()
    try:
        engine = open_engine(choice)
    except Misfit as problem:
        speak(Said(message=Misconfigured(problem=str(problem))))
        return
    except EngineAway as problem:
        speak(Said(message=Unreachable(problem=str(problem))))
        return
    speak(Said(message=Ready(engine=engine.name, abilities=engine.abilities)))
    tasks = ChildTasks(lambda task, say, await_turn: carry(task, engine, say, await_turn), speak)
    for line in sys.stdin.buffer:
        tasks.obey(decode_order(line))


if __name__ == "__main__":
    main(sys.argv[1:])
