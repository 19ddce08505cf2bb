"""The Whisper models that have a name, and where the hub keeps them; the names and repositories are faster-whisper's."""

import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

_EXPLICIT: Final = re.compile(
    r"(?!.*(?:--|\.\.))([A-Za-z0-9][\w.-]*)/([A-Za-z0-9][\w.-]*)@([0-9a-f]{40})", re.ASCII
)


class Published(Struct, frozen=True):
    """A model on the hub. Without a `commit` the first fetch decides on one, which is kept from then on."""

    repo: str
    commit: str = ""
    weights_sha256: str = ""
    megabytes: int | None = None
    """Of all its files together, rounded."""
    english_only: bool | None = None
    """Also where a model has signs for other languages but learned no other; None where nobody knows beforehand."""


KNOWN: Final[Mapping[str, Published]] = {
    "tiny": Published(
        "Systran/faster-whisper-tiny",
        "d90ca5fe260221311c53c58e660288d3deb8d356",
        "dcb76c6586fc06cbdac6dd21f14cfd129cc4cdd9dce19bf4ffa62e59cbe6e6d1",
        78,
        english_only=False,
    ),
    "tiny.en": Published(
        "Systran/faster-whisper-tiny.en",
        "0d3d19a32d3338f10357c0889762bd8d64bbdeba",
        "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
        78,
        english_only=True,
    ),
    "base": Published(
        "Systran/faster-whisper-base",
        "ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66",
        "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
        148,
        english_only=False,
    ),
    "base.en": Published(
        "Systran/faster-whisper-base.en",
        "3d3d5dee26484f91867d81cb899cfcf72b96be6c",
        "2a166925539a16005f14ff328359f9b9adb9dc4fb631bb3b227526862e93e2ef",
        148,
        english_only=True,
    ),
    "small": Published(
        "Systran/faster-whisper-small",
        "536b0662742c02347bc0e980a01041f333bce120",
        "3e305921506d8872816023e4c273e75d2419fb89b24da97b4fe7bce14170d671",
        486,
        english_only=False,
    ),
    "small.en": Published(
        "Systran/faster-whisper-small.en",
        "d1d751a5f8271d482d14ca55d9e2deeebbae577f",
        "62b2a45b05ee59acb4a5341b33ee35e041395d378d418a18acfe4c9e768ee37a",
        486,
        english_only=True,
    ),
    "medium": Published(
        "Systran/faster-whisper-medium",
        "08e178d48790749d25932bbc082711ddcfdfbc4f",
        "9b45e1009dcc4ab601eff815b61d80e60ce3fd8c74c1a14f4a282258286b51ae",
        1_531,
        english_only=False,
    ),
    "medium.en": Published(
        "Systran/faster-whisper-medium.en",
        "a29b04bd15381511a9af671baec01072039215e3",
        "11b220779aea4c6f3ce9d2549c8a95ea869ed84066864b999531ef53e594fe5b",
        1_530,
        english_only=True,
    ),
    "large-v1": Published(
        "Systran/faster-whisper-large-v1",
        "b07c8d4be0be90092aa01a29c975077acb8d15c9",
        "a3cce8081a5414206ab09a80aa410ebf9965feef52adafeead13f4a83398b1d1",
        3_090,
        english_only=False,
    ),
    "large-v2": Published(
        "Systran/faster-whisper-large-v2",
        "f0fe81560cb8b68660e564f55dd99207059c092e",
        megabytes=3_090,
        english_only=False,
    ),
    "large-v3": Published(
        "Systran/faster-whisper-large-v3",
        "edaa852ec7e145841d8ffdb056a99866b5f0a478",
        "69f74147e3334731bc3a76048724833325d2ec74642fb52620eda87352e3d4f1",
        3_091,
        english_only=False,
    ),
    "large-v3-turbo": Published(
        "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
        "0a363e9161cbc7ed1431c9597a8ceaf0c4f78fcf",
        "e76620f83d5f5b69efd3d87e3dc180c1bd21df9fbebacfd4335e5e1efcc018da",
        1_622,
        english_only=False,
    ),
    "distil-small.en": Published(
        "Systran/faster-distil-whisper-small.en",
        "ef77d90526ccd62cde3808ee70626a01e5cf83e4",
        megabytes=335,
        english_only=True,
    ),
    "distil-medium.en": Published(
        "Systran/faster-distil-whisper-medium.en",
        "80ddfce281f77766d8943d63109199fc8145dfa5",
        megabytes=792,
        english_only=True,
    ),
    "distil-large-v2": Published(
        "Systran/faster-distil-whisper-large-v2", megabytes=1_516, english_only=True
    ),
    "distil-large-v3": Published(
        "Systran/faster-distil-whisper-large-v3",
        "c3058b475261292e64a0412df1d2681c06260fab",
        megabytes=1_516,
        english_only=True,
    ),
    "distil-large-v3.5": Published(
        "distil-whisper/distil-large-v3.5-ct2", megabytes=1_516, english_only=True
    ),
}
_ALIASES: Final[Mapping[str, str]] = {"large": "large-v3", "turbo": "large-v3-turbo"}


def full_name(name: str) -> str:
    """`turbo` is short for another name."""
    return _ALIASES.get(name, name)


def published(name: str) -> Published | None:
    """What is known by this name, which may be `owner/repo@commit`; None for anything else."""
    explicit = _EXPLICIT.fullmatch(name)
    if explicit is None:
        return KNOWN.get(full_name(name))
    owner, repo, commit = explicit.groups()
    return Published(f"{owner}/{repo}", commit)


def folder_name(name: str) -> str:
    """Of the folder in which a model of this name is kept: no two names share one."""
    return full_name(name).replace("/", "--")


def name_of_folder(folder: str) -> str:
    """The other way round; a known name has no two hyphens in a row, and the hub allows none in an owner's or a repository's."""
    explicit = folder.replace("--", "/", 1)
    return explicit if _EXPLICIT.fullmatch(explicit) else folder
