"""Why a recording cannot be transcribed: one class for each reason, with a stable code, and words that say what to do."""

from domain.errors import Rejection


class UnreadableMedia(Rejection):
    """The bytes are not a recording that can be transcribed."""

    code = "media_unreadable"


class EmptyFile(UnreadableMedia):
    code = "file_empty"

    def __init__(self) -> None:
        super().__init__("The file is empty: send the recording's bytes")


class NotMedia(UnreadableMedia):
    code = "media_unreadable"

    def __init__(self) -> None:
        super().__init__(
            "The file is no audio or video that can be read: "
            "send WAV, MP3, M4A, MP4, MOV, 3GP, AMR, AAC, FLAC, OGG, Opus, WebM, MKV, AIFF, CAF, AU, WMA, AC-3, "
            "GSM, AVI, FLV or MPEG"
        )


class SoundUnsupported(UnreadableMedia):
    """No recorder makes such sound, or none that can be mixed."""

    code = "media_unsupported"

    def __init__(self, sample_rate: float, channels: float) -> None:
        super().__init__(
            f"The sound has {sample_rate:.0f} samples a second and {channels:.0f} channels: "
            "send 1000 samples a second or more, and at most 64 channels"
        )
        self.sample_rate = sample_rate
        self.channels = channels


class EncryptedMedia(UnreadableMedia):
    code = "media_encrypted"

    def __init__(self) -> None:
        super().__init__(
            "The sound is encrypted, as shops and streaming services sell it: send a copy that is not"
        )


class JoinedMedia(UnreadableMedia):
    code = "media_joined"

    def __init__(self) -> None:
        super().__init__(
            "The file holds several recordings, more than its header tells: send them one by one"
        )


class TooShortMedia(UnreadableMedia):
    code = "media_too_short"

    def __init__(self) -> None:
        super().__init__("The recording lasts less than a tenth of a second: send one with speech in it")


class NoAudio(UnreadableMedia):
    code = "media_without_audio"

    def __init__(self) -> None:
        super().__init__("The file has no sound to transcribe: send a recording with an audio track")


class TruncatedMedia(UnreadableMedia):
    code = "media_truncated"

    def __init__(self, expected_seconds: float, readable_seconds: float) -> None:
        super().__init__(
            f"The file says it lasts {expected_seconds:.1f} s but only {readable_seconds:.1f} s "
            "can be read: upload it again in full"
        )
        self.expected_seconds = expected_seconds
        self.readable_seconds = readable_seconds


class MediaTooLong(UnreadableMedia):
    code = "media_too_long"

    def __init__(self, seconds_max: float) -> None:
        super().__init__(
            f"The recording lasts longer than the {seconds_max:.0f} s that are allowed: send it in parts"
        )
        self.seconds_max = seconds_max
