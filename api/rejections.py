"""Why the API itself refuses a request, whatever the rules say: one class for each reason, with a stable code."""

from typing import Final

from domain.errors import Rejection

KEY_RETRY_AFTER_SECONDS: Final = 1
SHOWN_RETRY_AFTER_SECONDS: Final = 1


class UploadTooLarge(Rejection):
    code = "upload_too_large"

    def __init__(self, bytes_max: int) -> None:
        super().__init__(
            f"The upload is larger than the {bytes_max} bytes that are allowed: send it in parts"
        )


class ExportTooLarge(Rejection):
    code = "export_too_large"

    def __init__(self, events_max: int) -> None:
        super().__init__(
            f"There are more than the {events_max} events about you that an export may have: ask whoever runs this service"
        )


class MalformedUpload(Rejection):
    """The body is no upload; every message says what to send."""

    code = "malformed_upload"


class ComeBackLater(Rejection):
    """What is asked for can be had later; the answer says when in `Retry-After`."""

    def __init__(self, text: str, retry_after_seconds: int) -> None:
        super().__init__(text)
        self.retry_after_seconds = retry_after_seconds


class KeyInFlight(ComeBackLater):
    code = "idempotency_key_in_flight"

    def __init__(self) -> None:
        super().__init__(
            "The request with this Idempotency-Key is being carried out: wait a moment and send it again",
            KEY_RETRY_AFTER_SECONDS,
        )


class KeyOfAnother(Rejection):
    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__(
            "This Idempotency-Key was sent with another request: take a new key for each request, and the same one only "
            "to send it again"
        )


class NotShownYet(ComeBackLater):
    """Unlike what is unknown it is there: a 404 would say the opposite of what its command answered."""

    code = "not_shown_yet"

    def __init__(self) -> None:
        super().__init__(
            "This was accepted and cannot be shown yet: ask again in a moment", SHOWN_RETRY_AFTER_SECONDS
        )


class TooManyTries(ComeBackLater):
    code = "too_many_tries"

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(f"Too many tries: wait {retry_after_seconds} s", retry_after_seconds)


class Overloaded(ComeBackLater):
    """So many ask for the same at once that waiting in the queue would take too long."""

    code = "overloaded"

    def __init__(self, what: str, retry_after_seconds: int) -> None:
        super().__init__(
            f"Too many {what} at this moment: try again in {retry_after_seconds} s", retry_after_seconds
        )
