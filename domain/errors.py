"""Why a command is refused: one class per reason, each with a stable code and a message that says what to do.

Rejection
├── InvalidInput ── InvalidEmail, WeakPassword, InvalidField, TranscriptMisplaced, NothingDecoded
├── LanguageUnsupported, LanguageRequired, TranslationUnsupported, PromptUnsupported
├── EmailTaken, InvalidCredentials, PersonErased
├── NotFound ── FileNotFound, TranscriptionNotFound, RevisionNotFound, TranscriptMissing, MediaMissing, ApiKeyNotFound
├── NotOwner
├── UnreadableMedia ── those of domain/media_errors.py
├── QuotaExceeded
├── TranscriptionExists, TranscriptionNotCompleted, TranscriptionNotCancellable, TranscriptionNotDeletable,
│   TranscriptionWasDeleted, RevisionChanged
├── TooManyApiKeys
├── ErasureNotRequested
└── StaleAttempt, AttemptOfAnother, StaleAlignment
"""

from collections.abc import Collection
from typing import ClassVar
from uuid import UUID


class Rejection(Exception):
    """A command that was understood and refused. Nothing was changed."""

    code: ClassVar[str] = "rejected"


class InvalidInput(Rejection):
    """A field is missing or has a value nobody could mean."""

    code = "invalid_input"


class InvalidField(InvalidInput):
    code = "invalid_field"

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field} {problem}")
        self.field = field


class LanguageUnsupported(Rejection):
    """The engine's model does not know this language. `known` are those it has, where it can tell."""

    code = "language_unsupported"

    def __init__(self, language: str, known: Collection[str] = ()) -> None:
        has = f": it has {', '.join(sorted(known))}" if known else ""
        super().__init__(f"The model does not know the language {language}{has}")
        self.language = language
        self.known = tuple(sorted(known))


class TranslationUnsupported(Rejection):
    """The engine's model can but write down what is said, in the language it is said in."""

    code = "translation_unsupported"

    def __init__(self) -> None:
        super().__init__("The model cannot translate: leave task out, or set it to transcribe")


class LanguageRequired(Rejection):
    """The engine's model cannot find out what is spoken, and knows several languages: `known`."""

    code = "language_required"

    def __init__(self, known: Collection[str]) -> None:
        super().__init__(
            f"The model cannot detect the language: send language, one of {', '.join(sorted(known))}"
        )
        self.known = tuple(sorted(known))


class PromptUnsupported(Rejection):
    """The engine's model hears nothing but the sound; names and terms it may still be told."""

    code = "prompt_unsupported"

    def __init__(self) -> None:
        super().__init__("The model takes no prompt: leave it out, and send names and terms as vocabulary")


class InvalidEmail(InvalidInput):
    code = "invalid_email"

    def __init__(self) -> None:
        super().__init__("Invalid email format: send an address like name@example.com")


class WeakPassword(InvalidInput):
    code = "weak_password"

    def __init__(self, length_min: int, length_max: int) -> None:
        super().__init__(f"The password needs {length_min} to {length_max} characters")


class EmailTaken(Rejection):
    code = "email_taken"

    def __init__(self) -> None:
        super().__init__("User with this email already exists: log in, or register another address")


class InvalidCredentials(Rejection):
    """Says nothing about which half was wrong, so that addresses cannot be guessed."""

    code = "invalid_credentials"

    def __init__(self) -> None:
        super().__init__("Invalid credentials: check the email and the password")


class PersonErased(Rejection):
    """Everything about this person was erased, and nothing personal is stored about them again."""

    code = "person_erased"

    def __init__(self) -> None:
        super().__init__("This account was erased: register anew to use the service again")


class ErasureNotRequested(Rejection):
    """Nobody is erased who did not ask for it."""

    code = "erasure_not_requested"

    def __init__(self) -> None:
        super().__init__("This person did not ask to be erased")


class NotFound(Rejection):
    code = "not_found"


class FileNotFound(NotFound):
    code = "file_not_found"

    def __init__(self, file_id: UUID) -> None:
        super().__init__(f"No file {file_id}: GET /v1/files lists yours")
        self.file_id = file_id


class TranscriptionNotFound(NotFound):
    code = "transcription_not_found"

    def __init__(self, transcription_id: UUID) -> None:
        super().__init__(f"No transcription {transcription_id}: GET /v1/transcriptions lists yours")
        self.transcription_id = transcription_id


class RevisionNotFound(NotFound):
    code = "revision_not_found"

    def __init__(self, transcription_id: UUID, number: int) -> None:
        super().__init__(
            f"No revision {number}: GET /v1/transcriptions/{transcription_id}/revisions lists those there are"
        )


class TranscriptMissing(NotFound):
    """The transcription was completed, and what it yielded is gone or damaged. Not the caller's fault.

    Not found rather than gone (RFC 9110, 15.5.11): it may come back with the operator's backup.
    """

    code = "transcript_missing"

    def __init__(self) -> None:
        super().__init__(
            "The transcript was made but is not to be found any more: tell whoever runs this service, "
            "who may have a copy of it"
        )


class MediaMissing(NotFound):
    """A recording that was uploaded and is gone; as TranscriptMissing."""

    code = "media_missing"

    def __init__(self) -> None:
        super().__init__(
            "The recording was uploaded but is not to be found any more: tell whoever runs this service, "
            "who may have a copy of it"
        )


class ApiKeyNotFound(NotFound):
    """Not there, revoked, or of another user: nobody learns which."""

    code = "api_key_not_found"

    def __init__(self, key_id: UUID) -> None:
        super().__init__(f"No API key {key_id}: GET /v1/api-keys lists yours")
        self.key_id = key_id


class TooManyApiKeys(Rejection):
    code = "too_many_api_keys"

    def __init__(self, keys_max: int) -> None:
        super().__init__(
            f"You have {keys_max} API keys, and may have no more: revoke one that you do not need"
        )
        self.keys_max = keys_max


class NotOwner(Rejection):
    code = "not_owner"

    def __init__(self) -> None:
        super().__init__("This belongs to another user")


class QuotaExceeded(Rejection):
    code = "insufficient_quota"

    def __init__(self, minutes_required: int, minutes_available: int) -> None:
        super().__init__(
            f"Insufficient quota: this recording needs {minutes_required} minutes "
            f"and {minutes_available} are left"
        )
        self.minutes_required = minutes_required
        self.minutes_available = minutes_available


class TranscriptionExists(Rejection):
    code = "transcription_exists"

    def __init__(self, transcription_id: UUID) -> None:
        super().__init__(
            f"Transcription already initiated for this file: follow /v1/transcriptions/{transcription_id}"
        )
        self.transcription_id = transcription_id


class TranscriptionNotCompleted(Rejection):
    code = "transcription_not_completed"

    def __init__(self, status: str) -> None:
        do = "request it again" if status in {"failed", "cancelled"} else "wait for it to complete"
        super().__init__(f"This needs a completed transcription; it is {status}: {do}")
        self.status = status


class TranscriptionNotCancellable(Rejection):
    code = "transcription_not_cancellable"

    def __init__(self, status: str) -> None:
        super().__init__(f"Only a queued or processing transcription can be cancelled; it is {status}")
        self.status = status


class TranscriptionNotDeletable(Rejection):
    """A worker may be reading the recording: whoever wants neither says so first."""

    code = "transcription_not_deletable"

    def __init__(self, transcription_id: UUID, status: str) -> None:
        super().__init__(
            f"Transcription {transcription_id} is {status}: cancel it first, with POST "
            f"/v1/transcriptions/{transcription_id}/cancel, and then delete"
        )
        self.transcription_id = transcription_id


class TranscriptionWasDeleted(Rejection):
    """A deleted transcription never comes back, or what removes its objects would take those of the next one."""

    code = "transcription_deleted"

    def __init__(self, transcription_id: UUID) -> None:
        super().__init__(
            f"Transcription {transcription_id} of this file was deleted: upload the recording again to transcribe it anew"
        )


class RevisionChanged(Rejection):
    """An edit of a revision that is not the current one any more; `tag` is that of the current one."""

    code = "revision_changed"

    def __init__(self, revision: int, tag: str) -> None:
        super().__init__(
            f"The transcript was changed meanwhile and is at revision {revision}: get it, make your change in that, "
            f'and send it with If-Match: "{tag}"'
        )
        self.revision = revision
        self.tag = tag


class StaleAttempt(Rejection):
    """A report or an assignment for an attempt that is no longer the current one (the fencing token)."""

    code = "stale_attempt"

    def __init__(self, attempt: int, current: int, status: str) -> None:
        super().__init__(f"Attempt {attempt} is stale: the current one is {current}, {status}")
        self.attempt = attempt
        self.current = current


class StaleAlignment(Rejection):
    """Typed words of a revision that is not the current one, or an attempt at them that is not."""

    code = "stale_alignment"

    def __init__(self, revision: int, current: int) -> None:
        super().__init__(
            f"The words of revision {revision} are not to be aligned: the current one is {current}"
        )


class AttemptOfAnother(Rejection):
    """A worker's report about an attempt that was assigned to another."""

    code = "attempt_of_another"

    def __init__(self, attempt: int) -> None:
        super().__init__(f"Attempt {attempt} was assigned to another worker")
        self.attempt = attempt


class TranscriptMisplaced(InvalidInput):
    """A result whose transcript does not lie where those of its user and transcription do."""

    code = "transcript_misplaced"

    def __init__(self, transcription_id: UUID) -> None:
        super().__init__(f"The transcript of {transcription_id} does not lie under it and its user")


class NothingDecoded(InvalidInput):
    """A result of a recording of which nothing could be decoded: nobody pays for that."""

    code = "media_unreadable"

    def __init__(self, transcription_id: UUID) -> None:
        super().__init__(f"Nothing of the recording of {transcription_id} could be decoded")
