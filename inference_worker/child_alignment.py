"""Finds words in the sound of a recording, stretch by stretch, holding no more of it than the stretch it is at."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from domain.alignment import Found, Stretch
from domain.ports import AligningEngine, Engine, Window
from inference_worker import faults
from inference_worker.child_messages import Aligned, AlignmentTask, ChildMessage, Heard
from inference_worker.faults import Fault
from inference_worker.sound import Sound
from infrastructure.media.decode import open_pcm
from infrastructure.media.pcm import BYTES_PER_MS

BLOCKS_A_SIGN: Final = 16

Say = Callable[[ChildMessage], None]


def find_words(task: AlignmentTask, engine: Engine, say: Say) -> Aligned:
    """Every sign of life is also where it can be broken off. Raises Fault, DecodingFailed or UnreadableMedia."""
    if not isinstance(engine, AligningEngine):
        raise Fault(faults.WORKER_FAILED, problem=f"{engine.name} finds no words")

    def sign() -> None:
        say(Heard(position_ms=0))

    found: list[tuple[Found, ...]] = []
    with open_pcm(Path(task.media), task.duration_seconds) as stream:
        blocks = _with_signs(Sound(stream, 0, lambda: None), sign)
        for stretch, pcm in zip(task.stretches, sound_of(blocks, task.stretches), strict=False):
            sign()  # Many stretches may lie in sound that was read for the first of them.
            found.append(tuple(_found(stretch, pcm, engine)))
    nothing: tuple[Found, ...] = ()
    return Aligned(found=(*found, *[nothing] * (len(task.stretches) - len(found))))


def _found(stretch: Stretch, pcm: bytes, engine: AligningEngine) -> Sequence[Found]:
    window = Window(index=0, start_ms=stretch.start_ms, end_ms=stretch.end_ms, pcm=pcm)
    return engine.find(window, stretch.words, stretch.language)


def sound_of(blocks: Iterator[bytes], stretches: Iterable[Stretch]) -> Iterator[bytes]:
    """Of each stretch, which begin in the order of their sound and may overlap; less where the recording ends before."""
    held, held_from = bytearray(), 0
    for stretch in stretches:
        start, end = stretch.start_ms * BYTES_PER_MS, stretch.end_ms * BYTES_PER_MS
        while True:
            passed = min(len(held), max(0, start - held_from))
            del held[:passed]
            held_from += passed
            if held_from + len(held) >= end or (block := next(blocks, None)) is None:
                break
            held += block
        yield bytes(held[max(0, start - held_from) : max(0, end - held_from)])


def _with_signs(blocks: Iterable[bytes], sign: Callable[[], None]) -> Iterator[bytes]:
    for count, block in enumerate(blocks):
        if count % BLOCKS_A_SIGN == 0:
            sign()
        yield block
