"""What a call that failed means: an outage to sit out, a wrong setting, or a fault of this one recording."""

import re
from collections.abc import Collection
from typing import Final

from grpc import StatusCode

from inference_worker import faults
from inference_worker.engines.riva.server import RivaServer
from inference_worker.faults import EngineAway, Fault, Misfit

OUTAGES: Final = frozenset(
    {StatusCode.UNAVAILABLE, StatusCode.RESOURCE_EXHAUSTED, StatusCode.DEADLINE_EXCEEDED}
)
_REFUSALS: Final = frozenset(
    {StatusCode.INVALID_ARGUMENT, StatusCode.FAILED_PRECONDITION, StatusCode.OUT_OF_RANGE}
)
"""The same request would be refused again, by anybody."""
_NO_TLS: Final = re.compile(
    r"CERTIFICATE_VERIFY_FAILED: [\w ]+|Hostname Verification Check failed|WRONG_VERSION_NUMBER"
    r"|Failed to create security handshaker"
)
_TOO_LARGE: Final = re.compile(r"(?<!CLIENT: Received message )(larger than max|exceeds maximum size)")
_NO_MODEL: Final = "Unavailable model requested"
"""In Riva's words; every recording in that language would be refused."""
_DETAILS_CHARACTERS_MAX: Final = 300


def failure_of(
    code: StatusCode, details: str, server: RivaServer, private: Collection[str] = ()
) -> EngineAway | Misfit | Fault:
    """`private` is what a server may repeat and the log must not."""
    told = f"{code.name}: {discreet(details, [*private, *(value for _, value in server.metadata)])}"
    if (wrong := _wrong_setting(code, details)) is not None:
        return Misfit(f"STENOLOG_RIVA_{wrong} ({server.address}: {told})")
    if code in OUTAGES:
        return EngineAway(told, unanswered=code is StatusCode.DEADLINE_EXCEEDED)
    if code in _REFUSALS:
        return Fault(faults.ENGINE_REFUSED, permanent=True, problem=f"Riva refuses it: {told}")
    return Fault(faults.ENGINE_FAILED, problem=f"Riva failed: {told}")


def discreet(details: str, private: Collection[str]) -> str:
    """One line of what a server says about itself, without anything that we told it."""
    line = " ".join(details.split())
    for each in sorted({part for text in private for part in (text, *text.split())}, key=len, reverse=True):
        line = re.sub(re.escape(each), "…", line, flags=re.IGNORECASE)
    return line[:_DETAILS_CHARACTERS_MAX]


def _wrong_setting(code: StatusCode, details: str) -> str | None:
    match code:
        case StatusCode.UNAUTHENTICATED | StatusCode.PERMISSION_DENIED:
            return "METADATA: the server does not let us in: set what it wants, like authorization=Bearer …"
        case StatusCode.UNIMPLEMENTED | StatusCode.NOT_FOUND:
            return "ADDRESS: what answers there recognises no speech, or is not Riva"
        case StatusCode.INVALID_ARGUMENT if _NO_MODEL in details:
            return "MODEL: the server has no longer the models that it listed; start anew, and they are read again"
        case StatusCode.UNAVAILABLE if found := _NO_TLS.search(details):
            return f"TLS, STENOLOG_RIVA_CA: no encrypted connection comes about: {found[0]}"
        case StatusCode.RESOURCE_EXHAUSTED if _TOO_LARGE.search(details):
            return "MESSAGE_BYTES_MAX: the server takes only shorter messages: lower it"
        case _:
            return None
