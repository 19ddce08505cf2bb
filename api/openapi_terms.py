"""What routes of one kind have in common in the OpenAPI document: headers of requests and answers, statuses, limits of fields."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from api.consistency import BEHIND, STATUS_HEADER, TOKEN_HEADER
from api.edits import TEXT_BODY_BYTES_MAX
from api.idempotency import REPLAYED
from api.openai_audio.refusals import SHOULD_RETRY
from api.openai_audio.routes import MODEL_HEADER, TRANSCRIPTION_HEADER
from domain.api_keys import NAME_CHARACTERS_MAX, SCOPES
from domain.credentials import EMAIL_CHARACTERS_MAX, PASSWORD_CHARACTERS_MAX, PASSWORD_CHARACTERS_MIN
from domain.instructions import PROMPT_CHARACTERS_MAX, TERMS_MAX
from domain.key_texts import KEY_CHARACTERS, SHOWN_CHARACTERS
from domain.transcription import Status

Terms: TypeAlias = dict[str, Any]

_ADDRESS: Final = {"type": "string", "pattern": "^[0-9]{1,6}:[0-9]{1,18}$"}
_SECONDS: Final = {"type": "integer", "minimum": 0}

ANSWER_HEADERS: Final[Mapping[str, Terms]] = {
    "X-Request-Id": {
        "description": "Names this request in the logs of the server: the one that was sent, if it was a UUID.",
        "schema": {"type": "string", "format": "uuid"},
    },
    "WWW-Authenticate": {
        "description": "What is missing (RFC 6750): `Bearer`, and for a token or key that is not good, or may not do this, an `error`.",
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "So many seconds from now on it is worth asking again.",
        "schema": _SECONDS,
    },
    "Allow": {"description": "The methods that the path answers.", "schema": {"type": "string"}},
    "Location": {
        "description": "Where what was made can be followed.",
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "Link": {
        "description": 'The next page of the list, with `rel="next"` (RFC 8288); none on the last.',
        "schema": {"type": "string"},
    },
    TOKEN_HEADER: {
        "description": "Where the command stands in the log. A query that is given it waits until it shows what the command did.",
        "schema": _ADDRESS,
    },
    STATUS_HEADER: {
        "description": "The read models had not come as far as was to be waited for: the answer may be older.",
        "schema": {"type": "string", "enum": [BEHIND]},
    },
    "ETag": {"description": "Names these very bytes.", "schema": {"type": "string"}},
    "Accept-Ranges": {
        "description": "Ranges may be asked for.",
        "schema": {"type": "string", "enum": ["bytes"]},
    },
    "Content-Range": {
        "description": "Which bytes these are, of how many; of a range that is not there how many there are.",
        "schema": {"type": "string"},
    },
    "Content-Disposition": {
        "description": "Under which name to keep it (RFC 6266).",
        "schema": {"type": "string"},
    },
    REPLAYED: {
        "description": "This is the answer that the request was given when it came before.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    SHOULD_RETRY: {
        "description": "Whether the same request may be answered otherwise later; OpenAI's clients look at it.",
        "schema": {"type": "string", "enum": ["true", "false"]},
    },
    MODEL_HEADER: {"description": "The model that heard the recording.", "schema": {"type": "string"}},
    TRANSCRIPTION_HEADER: {
        "description": "The transcription, for the other routes.",
        "schema": {"type": "string", "format": "uuid"},
    },
    "X-Accel-Buffering": {
        "description": "Has proxies hand each piece on at once.",
        "schema": {"type": "string", "enum": ["no"]},
    },
}
REQUEST_HEADERS: Final[Mapping[str, Terms]] = {
    "Prefer": {
        "description": "`respond-async`: answer at once, without waiting until queries show what was done (RFC 7240). What else may be in it is passed over.",
        "schema": {"type": "string", "examples": ["respond-async"]},
    },
    TOKEN_HEADER: {
        "description": "From the answer to a command: wait until the answer shows what it did.",
        "schema": _ADDRESS,
    },
    "Range": {"description": "The bytes that are wanted (RFC 9110, 14.2).", "schema": {"type": "string"}},
    "If-None-Match": {"description": "The ETag of what is there already.", "schema": {"type": "string"}},
    "If-Range": {"description": "The ETag of what the range is of.", "schema": {"type": "string"}},
}

OF_STATUS: Final[Mapping[str, Sequence[str]]] = {
    "401": ("WWW-Authenticate",),
    "403": ("WWW-Authenticate",),
    "412": ("ETag",),
    "416": ("Content-Range",),
    "429": ("Retry-After",),
    "503": ("Retry-After",),
    "507": ("Retry-After",),
}
"""Headers that go with a status, wherever it comes from."""
OF_ROUTE: Final[Mapping[str, Mapping[str, Sequence[str]]]] = {
    "POST /v1/transcriptions": {"202": ("Location", REPLAYED)},
    "POST /v1/files/upload": {"201": (REPLAYED,)},
    "POST /v1/auth/register": {"201": (REPLAYED,)},
    "GET /v1/transcriptions": {"200": ("Link", "ETag"), "304": ("Link", "ETag")},
    "GET /v1/files": {"200": ("Link", "ETag"), "304": ("Link", "ETag")},
    "GET /v1/files/{file_id}": {"200": ("ETag",), "304": ("ETag",)},
    "GET /v1/user/quota": {"200": ("ETag",), "304": ("ETag",)},
    "GET /v1/search": {"200": ("Link",)},
    "GET /v1/transcriptions/{transcription_id}": {
        "200": ("Retry-After", "ETag"),
        "304": ("Retry-After", "ETag"),
    },
    "GET /v1/transcriptions/{transcription_id}/transcript": {"200": ("ETag",), "304": ("ETag",)},
    "GET /v1/transcriptions/{transcription_id}/revisions": {"200": ("Link",)},
    "GET /v1/transcriptions/{transcription_id}/revisions/{number}": {"200": ("ETag",), "304": ("ETag",)},
    "POST /v1/transcriptions/{transcription_id}/revisions/{number}/restore": {"200": ("ETag",)},
    "PUT /v1/transcriptions/{transcription_id}/text": {"200": ("ETag",)},
    "PATCH /v1/transcriptions/{transcription_id}/words": {"200": ("ETag",)},
    "GET /v1/events": {"200": ("X-Accel-Buffering",)},
    "GET /v1/transcriptions/{transcription_id}/events": {"200": ("X-Accel-Buffering",)},
    "POST /v1/audio/transcriptions": {"200": (MODEL_HEADER, TRANSCRIPTION_HEADER, "X-Accel-Buffering")},
    "POST /v1/audio/translations": {"200": (MODEL_HEADER, TRANSCRIPTION_HEADER)},
    "GET /v1/transcriptions/{transcription_id}/history": {"200": ("Link",)},
    "GET /v1/transcriptions/{transcription_id}/export": {
        "200": ("Content-Disposition", "ETag"),
        "304": ("ETag",),
    },
    "GET /v1/auth/me/export": {"200": ("Content-Disposition",)},
    "GET /v1/files/{file_id}/content": {
        "200": ("ETag", "Accept-Ranges", "Content-Disposition"),
        "206": ("ETag", "Accept-Ranges", "Content-Disposition", "Content-Range"),
        "304": ("ETag", "Accept-Ranges"),
    },
}
"""Headers of answers that are this route's own; what is common to all of its kind goes without saying."""
ASKED_OF_ROUTE: Final[Mapping[str, Sequence[str]]] = {
    "GET /v1/transcriptions": ("If-None-Match",),
    "GET /v1/transcriptions/{transcription_id}": ("If-None-Match",),
    "GET /v1/files": ("If-None-Match",),
    "GET /v1/files/{file_id}": ("If-None-Match",),
    "GET /v1/user/quota": ("If-None-Match",),
    "GET /v1/files/{file_id}/content": ("Range", "If-None-Match", "If-Range"),
}
"""Headers that this route reads."""

ENTERING: Final = (400, 401, 403, 410, 429, 503)
"""What may become of anybody who asks for what is somebody's; 400 is for a Consistency-Token that no command gave out."""
WITH_BODY: Final = (400, 408, 413)
"""What may become of any request with a body."""

_STATUS: Final = {"enum": [each.value for each in Status if each not in (Status.ABSENT, Status.DELETED)]}
_PASSWORD: Final = {"minLength": PASSWORD_CHARACTERS_MIN, "maxLength": PASSWORD_CHARACTERS_MAX}

LIMITS: Final[Mapping[str, Terms]] = {
    "Credentials.email": {"minLength": 1, "maxLength": EMAIL_CHARACTERS_MAX},
    "Credentials.password": _PASSWORD,
    "ErasureRequest.password": {"minLength": 1},
    "ApiKeyRequest.name": {"minLength": 1, "maxLength": NAME_CHARACTERS_MAX},
    "ApiKeyRequest.scopes": {"minItems": 1, "maxItems": len(SCOPES)},
    "ApiKeyBody.prefix": {"minLength": SHOWN_CHARACTERS, "maxLength": SHOWN_CHARACTERS},
    "NewApiKey.key": {"pattern": rf"^steno_[0-9A-Za-z]{{{KEY_CHARACTERS - len('steno_')}}}$"},
    "TranscriptionRequest.prompt": {"maxLength": PROMPT_CHARACTERS_MAX},
    "TranscriptionRequest.vocabulary": {"maxItems": TERMS_MAX},
    "TextEdit.transcript_text": {"maxLength": TEXT_BODY_BYTES_MAX},
    "TranscriptionSummary.status": _STATUS,
    "TranscriptionBody.status": _STATUS,
    "TranscriptionChange.status": _STATUS,
    "FileBody.transcription_status": {"enum": [*_STATUS["enum"], "not_initiated"]},
    "TranscriptionSummary.progress_percentage": {"minimum": 0, "maximum": 100},
    "TranscriptionBody.progress_percentage": {"minimum": 0, "maximum": 100},
    "Problem.type": {"format": "uri-reference"},
    "Problem.status": {"minimum": 400, "maximum": 599},
}
"""By schema and field: what the rules allow, which refuse the rest in words of their own."""
