"""HTTP bodies: what clients send and get, field by field as the user's guide has them."""

from datetime import datetime
from typing import Annotated, Final, Literal, TypeAlias
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from domain.api_keys import KeyScope
from domain.instructions import Task
from domain.moment import Moment
from domain.personal import PersonalText
from domain.transcript import MediaWarning, Transcript

INTEGER_MAX: Final = (1 << 31) - 1
"""Of what counts words or revisions: nobody has as many."""


class Credentials(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    email: PersonalText
    password: str


class ErasureRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The password again: a token that was left somewhere erases nobody."""

    password: str


class Message(Struct, frozen=True, kw_only=True):
    message: str


class UserBody(Struct, frozen=True, kw_only=True):
    """`quota_minutes` is what can still be spent."""

    id: UUID
    email: PersonalText
    quota_minutes: int


class LoggedIn(Struct, frozen=True, kw_only=True):
    token: str
    user: UserBody


class Me(Struct, frozen=True, kw_only=True):
    user: UserBody


class ApiKeyRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`name` says what the key is for, `scopes` what it may: `read`, `write` or both. Without `expires_at` it is good until it is revoked."""

    name: PersonalText
    scopes: tuple[KeyScope, ...]
    expires_at: Moment | None = None


class ApiKeyBody(Struct, frozen=True, kw_only=True):
    """`prefix` is how the key begins; `last_used_at` is a few minutes old at most, and null for one that was never used."""

    id: UUID
    name: PersonalText
    prefix: str
    scopes: tuple[KeyScope, ...]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class NewApiKey(ApiKeyBody, frozen=True, kw_only=True):
    """`key` is the secret itself: keep it, nobody can show it again."""

    key: str


class QuotaBody(Struct, frozen=True, kw_only=True):
    quota_minutes_remaining: int
    quota_minutes_reserved: int
    quota_minutes_used: int


class Uploaded(Struct, frozen=True, kw_only=True):
    file_id: UUID
    filename: PersonalText
    status: Literal["uploaded"]
    duration_seconds: float
    message: str


class FileBody(Struct, frozen=True, kw_only=True):
    file_id: UUID
    filename: PersonalText
    upload_date: datetime
    duration_seconds: float
    size_bytes: int
    transcription_id: UUID | None
    transcription_status: str


class TranscriptionRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`language` is a BCP 47 tag; without it the language is detected. To translate means into English.

    `prompt` is text as it might come before the recording, `vocabulary` up to 200 names and terms in it.
    """

    file_id: UUID
    language: str | None = None
    task: Task = "transcribe"
    prompt: PersonalText = ""
    vocabulary: list[PersonalText] = []


class TranscriptionChange(Struct, frozen=True, kw_only=True):
    """What became of a command on a transcription."""

    transcription_id: UUID
    status: str
    message: str
    file_id: UUID | UnsetType = UNSET


class TranscriptionSummary(Struct, frozen=True, kw_only=True):
    """`completed_at` is when it ended, also by failure or cancellation; `language` and `warnings` as in TranscriptionBody."""

    transcription_id: UUID
    file_id: UUID
    status: str
    progress_percentage: int
    created_at: datetime
    completed_at: datetime | None
    language: str | None
    task: Task
    warnings: tuple[MediaWarning, ...]


class HistoryEntry(Struct, frozen=True, kw_only=True):
    """One thing that happened to a transcription; `message` says it, and the optional fields what is in it."""

    at: datetime
    what: Literal[
        "requested",
        "started",
        "handed_back",
        "attempt_failed",
        "completed",
        "failed",
        "cancelled",
        "edited",
        "restored",
        "alignment_started",
        "alignment_ended",
        "aligned",
        "deleted",
    ]
    message: str
    attempt: int | UnsetType = UNSET
    minutes: int | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    revision: int | UnsetType = UNSET
    word_count: int | UnsetType = UNSET
    restored_revision: int | UnsetType = UNSET


class TranscriptionBody(Struct, frozen=True, kw_only=True):
    """The optional fields are there once the transcription has what they say.

    `language` is the one that was asked for, else the one that is spoken for longest; `language_probability` says how
    sure the engine is of what it detected, and is null where it was told the language or knows but one.
    `warnings` name the stretches of the recording whose words are missing, and which cost nothing (`media_damaged`), and
    say when nobody knows that the words are in the language of the model (`language_assumed`).
    """

    transcription_id: UUID
    file_id: UUID
    status: str
    progress_percentage: int
    created_at: datetime
    task: Task
    prompt: PersonalText
    vocabulary: list[PersonalText]
    warnings: tuple[MediaWarning, ...]
    completed_at: datetime | UnsetType = UNSET
    failure_reason: str | UnsetType = UNSET
    transcript_text: str | UnsetType = UNSET
    language: str | UnsetType = UNSET
    language_probability: float | UnsetType | None = UNSET
    revision: int | UnsetType = UNSET
    word_count: int | UnsetType = UNSET
    processing_time_seconds: int | UnsetType = UNSET


class WindowBody(Struct, frozen=True, kw_only=True):
    """What was heard in a stretch of a recording that is finished; the transcript's text may differ where windows meet.

    One of the same transcription with the same `index` is replaced by it, and those after it are heard anew too.
    """

    transcription_id: UUID
    index: int
    start_ms: int
    end_ms: int
    text: str


class DeletedBody(Struct, frozen=True, kw_only=True):
    transcription_id: UUID


class SnippetPart(Struct, frozen=True, kw_only=True):
    """Some of a snippet's text; `match` says whether it is what was asked for."""

    text: PersonalText
    match: bool


class SnippetBody(Struct, frozen=True, kw_only=True):
    """A place in a recording, `start_ms` after its beginning, and what is said around it: the parts one after the other."""

    start_ms: int
    parts: list[SnippetPart]


class FoundBody(Struct, frozen=True, kw_only=True):
    """A transcript in which something was found, with its best places in the order of the recording.

    `passages` is how many stretches of some two minutes answer. `filename` is null where the recording is deleted.
    """

    transcription_id: UUID
    file_id: UUID
    filename: PersonalText | None
    passages: int
    snippets: list[SnippetBody]


class TranscriptBody(Struct, frozen=True, kw_only=True):
    transcription_id: UUID
    revision: int
    transcript: Transcript


class RevisionBody(Struct, frozen=True, kw_only=True):
    """One of the transcripts there were: `made_by` says how it came about.

    `heard` by the engine, `edited` by you, `restored` from `restored_revision`, or `aligned`: the same words, of which those you typed were found in the sound.
    """

    revision: int
    made_by: Literal["heard", "edited", "restored", "aligned"]
    made_at: datetime
    word_count: int
    restored_revision: int | UnsetType = UNSET


class TranscriptChange(Struct, frozen=True, kw_only=True):
    """What became of a change of a transcript: the revision that is the current one now, and how often a text was replaced."""

    transcription_id: UUID
    status: str
    message: str
    revision: int
    replaced_count: int | UnsetType = UNSET


class TextEdit(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    transcript_text: str


class WordEdit(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="change", tag="word"
):
    """Writes one word anew. `index` counts the words of `revision` from 0, and it has to be the current one; an empty `text` deletes the word."""

    revision: Annotated[int, Meta(ge=1, le=INTEGER_MAX)]
    index: Annotated[int, Meta(ge=0, le=INTEGER_MAX)]
    text: str


class TextReplacement(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="change", tag="replace"
):
    """Writes `replace_with` wherever `find` stands. With `whole_words` it is left alone inside of longer words."""

    find: str
    replace_with: str
    match_case: bool = True
    whole_words: bool = True


WordsEdit: TypeAlias = WordEdit | TextReplacement


class Problem(Struct, frozen=True, kw_only=True):
    """RFC 9457, with a stable `code`, the guide's `error`, and what the kind of problem adds."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    error: str
    request_id: UUID
    field: str | UnsetType = UNSET
    transcription_id: UUID | UnsetType = UNSET
    revision: int | UnsetType = UNSET
    languages: list[str] | UnsetType = UNSET
    quota_minutes_remaining: int | UnsetType = UNSET
    quota_minutes_required: int | UnsetType = UNSET


class Check(Struct, frozen=True, kw_only=True):
    """One part of the system: `detail` says why it is not ready, or what is known of it.

    Without what is `required` the API cannot serve; without the rest, work waits.
    """

    ready: bool
    required: bool
    detail: str


class Readiness(Struct, frozen=True, kw_only=True):
    ready: bool
    parts: dict[str, Check]
