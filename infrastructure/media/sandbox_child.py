"""Confines itself as every child that looks at media does, and says what the kernel granted. Arguments: parent, path."""

import sys
from pathlib import Path

import msgspec

from infrastructure.media.sandbox import Limits, confine, end_with_parent


def main(arguments: list[str]) -> None:
    parent, path = arguments
    end_with_parent(int(parent))
    granted = confine(Limits(), Path(path))
    sys.stdout.buffer.write(msgspec.json.encode(granted))


if __name__ == "__main__":
    main(sys.argv[1:])
