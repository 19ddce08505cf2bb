"""`python -m tests.fuzz`: a system of its own, somebody with recordings, and schemathesis for as long as is wanted."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.end_to_end.installation import start, stop
from tests.end_to_end.person import Person
from tests.fuzz.schemathesis import Fuzz, found_nothing

SAMPLE: Final = Path(__file__).parents[2] / "samples" / "french.ogg"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--examples", type=int, default=200, help="for each operation and phase")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stenolog-fuzz-") as folder:
        Path(folder).chmod(0o711)  # PostgreSQL's account walks through
        found_none = asyncio.run(_fuzz(Path(folder), options))
    return 0 if found_none else 1


async def _fuzz(folder: Path, options: argparse.Namespace) -> bool:
    print("starting a system", flush=True)
    running = await start(folder / "data", engine="scripted")
    try:
        async with Person.arrives(running.url) as person:
            await with_recordings(person)
            fuzz = Fuzz(
                url=running.url,
                token=token_of(person),
                seconds=round(options.minutes * 60),
                seed=options.seed,
                examples=options.examples,
            )
            print(f"asking for {options.minutes:g} minutes", flush=True)
            found_none, said = await found_nothing(fuzz, folder)
    finally:
        await stop(running)
    print(said)
    return found_none


async def with_recordings(person: Person) -> None:
    """One transcribed, one not."""
    transcribed, _ = [await person.uploads(SAMPLE) for _ in range(2)]
    await person.requests(transcribed["file_id"])


def token_of(person: Person) -> str:
    return person.client.headers["Authorization"].removeprefix("Bearer ")


if __name__ == "__main__":
    sys.exit(main())
