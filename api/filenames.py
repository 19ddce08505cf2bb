"""Names of files as clients send them, in whatever bytes, and as they are kept."""

import re
from typing import Final
from urllib.parse import unquote_to_bytes

from multipart import MultipartSegment

FILENAME_CHARACTERS_MAX: Final = 255
HEADER_CHARSET: Final = "latin-1"
"""Every byte is a character of it: so the parser reads each header, and what the bytes mean is decided here."""
HEADER_BYTES_MAX: Final = 32 << 10
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_EXTENDED: Final = re.compile(r"""filename\*\s*=\s*"?([\w-]*)'[^']*'([^;"\s]*)""", re.IGNORECASE)
"""RFC 8187, 3.2.1."""


def filename_of(segment: MultipartSegment) -> str | None:
    """None for a part that is no file. Bytes that are not UTF-8 become U+FFFD: a name is no reason to refuse a recording.

    RFC 7578, 4.2 forbids `filename*`; some clients send it alone all the same.
    """
    if segment.filename is not None:
        return str(segment.filename).encode(HEADER_CHARSET, "replace").decode(errors="replace")
    extended = _EXTENDED.search(segment.header("Content-Disposition", ""))
    if extended is None:
        return None
    charset = "latin-1" if extended[1].lower() == "iso-8859-1" else "utf-8"
    return unquote_to_bytes(extended[2]).decode(charset, errors="replace")


def clean_filename(sent: str) -> str:
    """The last part of a path, of either kind, without what terminals and headers take for commands."""
    name = _UNPRINTABLE.sub("", sent).replace("\\", "/").rpartition("/")[2].strip()
    return _shortened(name) if name not in ("", ".", "..") else "upload"


def _shortened(name: str) -> str:
    stem, dot, extension = name.rpartition(".")
    if len(name) <= FILENAME_CHARACTERS_MAX or not dot or len(extension) > 10:
        return name[:FILENAME_CHARACTERS_MAX]
    return f"{stem[: FILENAME_CHARACTERS_MAX - 1 - len(extension)]}.{extension}"
