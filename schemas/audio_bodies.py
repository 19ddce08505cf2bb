"""Bodies of the OpenAI audio API, member by member as its clients expect them."""

from typing import Literal, TypeAlias

from msgspec import UNSET, Struct, UnsetType

from domain.instructions import Task
from domain.personal import PersonalText


class Usage(Struct, frozen=True, kw_only=True):
    """Whole seconds of the recording."""

    type: Literal["duration"] = "duration"
    seconds: int


class SpokenLanguage(Struct, frozen=True):
    code: str


class AudioText(Struct, frozen=True, kw_only=True):
    """`languages` has the language that was told or detected, and is empty where nobody speaks."""

    text: PersonalText
    languages: list[SpokenLanguage] | UnsetType = UNSET
    usage: Usage


class AudioWord(Struct, frozen=True, kw_only=True):
    """Times are seconds from the start of the recording."""

    word: PersonalText
    start: float
    end: float


class AudioSegment(Struct, frozen=True, kw_only=True):
    """`avg_logprob` is the mean over the words, 0 where the engine does not say how sure it is.

    What our engines do not tell is 0 or empty: `seek`, `tokens`, `temperature` and `no_speech_prob`.
    """

    id: int
    seek: int = 0
    start: float
    end: float
    text: PersonalText
    tokens: list[int] = []
    temperature: float = 0.0
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float = 0.0


class VerboseText(Struct, frozen=True, kw_only=True):
    """`model` is the engine that ran, whatever name was asked for, and `transcription_id` where all of it is kept."""

    task: Task
    language: str
    duration: float
    text: PersonalText
    segments: list[AudioSegment] | UnsetType = UNSET
    words: list[AudioWord] | UnsetType = UNSET
    usage: Usage
    model: str
    transcription_id: str


class TextDelta(Struct, frozen=True, kw_only=True):
    """The text of a stretch of the recording that is finished: all of them, one after the other, are the text."""

    type: Literal["transcript.text.delta"] = "transcript.text.delta"
    delta: PersonalText


class TextDone(Struct, frozen=True, kw_only=True):
    """The last event, with the whole text; `model` and `transcription_id` as in VerboseText."""

    type: Literal["transcript.text.done"] = "transcript.text.done"
    text: PersonalText
    languages: list[SpokenLanguage]
    usage: Usage
    model: str
    transcription_id: str


StreamEvent: TypeAlias = TextDelta | TextDone


class AudioModel(Struct, frozen=True, kw_only=True):
    """`created` is 0: nobody knows of every model when it was made."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str


class AudioModels(Struct, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    data: list[AudioModel]


class AudioError(Struct, frozen=True, kw_only=True):
    """`param` is the field that is to blame, and `code` the same as in the problems of the other routes."""

    message: str
    type: str
    param: str | None
    code: str


class AudioRefusal(Struct, frozen=True, kw_only=True):
    error: AudioError
