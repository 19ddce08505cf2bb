"""How a recording is to be transcribed, as its owner asked."""

from typing import Literal, TypeAlias

from msgspec import Struct

Task: TypeAlias = Literal["transcribe", "translate"]


class Instructions(Struct, frozen=True, kw_only=True):
    """What an engine is told about the speech.

    `language` is a BCP 47 tag (None: it is to be detected); to translate means into English. `prompt` is text as it
    might come before the recording, `vocabulary` are names and terms that may be spoken in it.
    """

    language: str | None = None
    task: Task = "transcribe"
    prompt: str = ""
    vocabulary: tuple[str, ...] = ()
