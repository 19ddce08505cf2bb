"""Where the Riva server is and how it is asked, as the settings have it; without any of its libraries."""

import asyncio
import re
from typing import Final, NoReturn

from msgspec import Struct

from infrastructure.encryption import Pair, show, trusting
from infrastructure.settings import InvalidSetting, Settings

_ADDRESS: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})")
_NAME: Final = re.compile(r"[a-z0-9_.-]+")
"""Of a metadata entry, as gRPC has it: HTTP/2 knows no capitals."""
_VALUE: Final = re.compile(r"[\x20-\x7e]+")


class RivaServer(Struct, frozen=True, kw_only=True):
    """`metadata` goes with every call and may be secret; so nothing shows it."""

    address: str = "127.0.0.1:50051"
    tls: bool = False
    ca: str = ""
    cert: str = ""
    key: str = ""
    metadata: tuple[tuple[str, str], ...] = ()
    model: str = ""
    deadline_seconds: float = 120.0
    message_bytes_max: int = 4 << 20
    punctuation: bool = True
    boost: float = 20.0
    patience_seconds: float = 600.0
    """How long an outage is sat out within an attempt, as one of the object store is."""

    def __repr__(self) -> str:
        return f"RivaServer({self.address!r}, tls={self.tls}, model={self.model!r})"

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])


async def server_of(settings: Settings) -> RivaServer:
    """Looks at the certificates, too. Raises InvalidSetting."""
    address = _ADDRESS.fullmatch(settings.riva_address)
    if address is None or not 0 < int(address[2]) < 1 << 16:
        _refuse("ADDRESS", f"{settings.riva_address!r} is no server: give host:port")
    _require_whole(settings)
    await asyncio.to_thread(_look_at_certificates, settings)
    return RivaServer(
        address=settings.riva_address,
        tls=settings.riva_tls,
        ca=settings.riva_ca,
        cert=settings.riva_cert,
        key=settings.riva_key,
        metadata=metadata_of(settings.riva_metadata),
        model=settings.riva_model,
        deadline_seconds=settings.riva_deadline_seconds,
        message_bytes_max=settings.riva_message_bytes_max,
        punctuation=settings.riva_punctuation,
        boost=settings.riva_boost,
    )


def metadata_of(text: str) -> tuple[tuple[str, str], ...]:
    """`authorization=Bearer …, function-id=…`. Raises InvalidSetting, without the text."""
    return tuple(_entry(number, each) for number, each in enumerate(text.split(","), 1) if text.strip())


def _entry(number: int, text: str) -> tuple[str, str]:
    name, _, value = (part.strip() for part in text.partition("="))
    if not (_NAME.fullmatch(name) and _VALUE.fullmatch(value)):
        _refuse("METADATA", f"entry {number} is not name=value, with a name in small letters")
    if name.startswith("grpc-") or name.endswith("-bin"):
        _refuse("METADATA", f"entry {number} has a name that gRPC keeps to itself (grpc-…, …-bin)")
    return name, value


def _require_whole(settings: Settings) -> None:
    """What would not be used, or be sent in the clear, is a mistake that would show up much later."""
    of_use_with_tls = {
        "CA": settings.riva_ca,
        "CERT": settings.riva_cert,
        "KEY": settings.riva_key,
        "METADATA": settings.riva_metadata,
    }
    for name, value in of_use_with_tls.items():
        if value and not settings.riva_tls:
            why = "would be sent in the clear" if name == "METADATA" else "is of no use"
            _refuse(name, f"{why} without STENOLOG_RIVA_TLS=true")
    if bool(settings.riva_cert) != bool(settings.riva_key):
        _refuse("CERT", "goes together with STENOLOG_RIVA_KEY: one is missing")


def _look_at_certificates(settings: Settings) -> None:
    """Of a file that cannot be used, gRPC itself would say only that no connection comes about."""
    context = trusting(settings.riva_ca, "STENOLOG_RIVA_CA")
    if settings.riva_cert:
        names = "STENOLOG_RIVA_CERT and STENOLOG_RIVA_KEY"
        show(context, Pair(certificate=settings.riva_cert, key=settings.riva_key, variables=names))


def _refuse(name: str, why: str) -> NoReturn:
    raise InvalidSetting(f"STENOLOG_RIVA_{name}: {why}")
