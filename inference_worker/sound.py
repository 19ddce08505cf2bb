"""The sound of a recording up to where it stops decoding: what was heard until then is not given up."""

import time
from collections.abc import Callable, Iterator
from typing import Final

from domain.media_errors import MediaTooLong, UnreadableMedia
from domain.transcript import Damage
from infrastructure.media.decode import PcmStream
from infrastructure.media.pcm import BYTES_PER_MS, BYTES_PER_SECOND

SIGN_SECONDS: Final = 1.0
"""Hours that are decoded only to get to where the last attempt was take a minute; meanwhile it shows that we live."""


class Sound:
    """Iterate over it for the PCM, once; then `decoded_seconds`, `lost_seconds` and `damages` are those of the whole recording."""

    def __init__(
        self,
        stream: PcmStream,
        skipped_ms: int,
        alive: Callable[[], None],
        *,
        sign_seconds: float = SIGN_SECONDS,
    ) -> None:
        self._stream = stream
        self._skipped = skipped_ms * BYTES_PER_MS
        self._alive = alive
        self._sign_seconds = sign_seconds
        self.decoded_seconds = self.lost_seconds = 0.0
        self.damages: tuple[Damage, ...] = ()

    def __iter__(self) -> Iterator[bytes]:
        """Calls `alive` now and then before what is skipped has passed. Raises UnreadableMedia when nothing decodes."""
        count, audible, said_at = 0, False, time.monotonic()
        try:
            for block in self._stream:
                count += len(block)
                audible = audible or block.count(0) < len(block)
                if count < self._skipped and time.monotonic() - said_at > self._sign_seconds:
                    self._alive()
                    said_at = time.monotonic()
                yield block
        except UnreadableMedia as refusal:
            # Mere silence may be what the decoder put in place of what it could not read.
            if not audible and not (count and isinstance(refusal, MediaTooLong)):
                raise
            self._end_early(count / BYTES_PER_SECOND, refusal)
        else:
            self.decoded_seconds = self._stream.decoded_seconds
            self.damages = self._stream.damages
        self.lost_seconds = self._stream.lost_seconds

    def _end_early(self, seconds: float, refusal: UnreadableMedia) -> None:
        """Sound that goes on for longer than it may is damaged too, from there on: nobody knows until when."""
        self.decoded_seconds, self.damages = seconds, self._stream.damages
        if isinstance(refusal, MediaTooLong):
            end_ms = round(seconds * 1000)
            self.damages += (Damage(start_ms=end_ms, end_ms=end_ms),)
