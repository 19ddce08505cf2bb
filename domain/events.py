"""Every event there is, as one type."""

from typing import TypeAlias

from domain.api_keys import ApiKeyEvent
from domain.media_file import FileEvent
from domain.quota import QuotaEvent
from domain.transcription_events import TranscriptionEvent
from domain.user import UserEvent

Event: TypeAlias = UserEvent | QuotaEvent | FileEvent | TranscriptionEvent | ApiKeyEvent
