"""`stenolog events verify`, `prove` and `check-proof`: that the log is what was sealed, and that an event was in it."""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click
import msgspec

from cli.audit import opened_log, tell_access
from cli.events import database_url, events, json_option
from cli.moments import address_of
from cli.progress import percent_bar
from cli.running import complaining, run_to_end, say
from cli.targets import write_result
from cli.up import data_option
from cli.verifying import Kept, Places, Verified, verify
from domain.log import Address
from embedded.stack_folder import StackFolder
from evidence.entries import fields_of
from evidence.merkle import ProofRefused
from evidence.notes import MalformedKey, MalformedNote, NotSigned, VerifierKey, verifier_key
from evidence.proofs import MalformedProof, Proof, proof_of
from evidence.published import PublishedTiles
from evidence.tables import EvidenceTables
from evidence.tiles import MalformedTile
from evidence.tree import PublishedTree
from infrastructure.encryption import require_encryption
from infrastructure.mendable import Mendable
from infrastructure.object_store import open_object_store
from infrastructure.postgres.errors import TableDetached
from infrastructure.settings import read_settings

DIFFERS: Final = 3
"""The exit code where something is not what was sealed."""
_FILE_BYTES_MAX: Final = 1 << 20

key_option = click.option(
    "--key",
    "keys",
    multiple=True,
    metavar="KEY|FILE",
    help="A verifier key, or a file with one on each line, that you trust. May be repeated.",
)


class Unprovable(Mendable):
    """There is no proof to be made, or to be read."""


@events.command("verify")
@click.option(
    "--against",
    "kept",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A checkpoint that you kept: today's log has to begin with what it sealed. May be repeated.",
)
@key_option
@click.option("--processes", type=click.IntRange(1, 64), help="How many compare; one for each core.")
@json_option
@data_option
def verify_command(
    kept: tuple[Path, ...], keys: tuple[str, ...], processes: int | None, as_json: bool, data: Path
) -> None:
    """Compare every event with what was sealed, and every tile with its checkpoint.

    Names the first event of each partition that was changed, removed, inserted or put elsewhere. Without --key the keys in the
    database are trusted, and without --against whoever has a key may have sealed another log: give both where you can.

    Exits 0 when all is what was sealed, 3 when something is not, 1 or 2 when it could not be looked at.
    """
    run_to_end(_verify(kept, keys, processes, as_json, data))


async def _verify(
    kept: Sequence[Path], keys: Sequence[str], processes: int | None, as_json: bool, data: Path
) -> None:
    began = time.monotonic()
    with percent_bar("verifying") as on_percent:
        found = await verify(
            _places(data),
            keys=_keys(keys),
            kept=[Kept(str(file), _text(file)) for file in kept],
            processes=processes,
            on_progress=lambda done, of: on_percent(100 * done / of, f"{done:,} events"),
        )
    for line in _as_json(found) if as_json else _as_text(found, time.monotonic() - began):
        click.echo(line)
    if any(each.findings for each in found):
        sys.exit(DIFFERS)
    if away := [each.partition for each in found if each.detached]:
        raise TableDetached(away)


def _as_text(found: Sequence[Verified], seconds: float) -> Sequence[str]:
    findings = [str(finding) for each in found for finding in each.findings]
    sealed = sum(each.sealed for each in found if not each.detached)
    waiting = sum(max(0, each.events - each.sealed) for each in found)
    rate = f"{sealed:,} events in {seconds:.1f} s"
    told = [
        f"verified {rate}: {'all as they were sealed' if not findings else f'{len(findings)} findings'}"
    ]
    if waiting:
        told.append(f"{waiting:,} newer events are not sealed yet, and nothing is known of them")
    return [*findings, *told]


def _as_json(found: Sequence[Verified]) -> Sequence[str]:
    return [msgspec.json.encode(each).decode() for each in found]


@events.command()
@click.argument("address")
@click.option(
    "-o",
    "output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write; PARTITION-SEQ.tlog-proof without it.",
)
@data_option
def prove(address: str, output: Path | None, data: Path) -> None:
    """Write a proof that the event at ADDRESS, as in 3:17, is in the log: a file that verifies without us.

    It holds the event itself.
    """
    run_to_end(_prove(_address(address), output, data))


def _address(text: str) -> Address:
    if found := address_of(text):
        return found
    raise click.BadParameter(f"{text!r} is no address: give PARTITION:SEQ, as in 3:17")


async def _prove(address: Address, output: Path | None, data: Path) -> None:
    places = _places(data)
    async with (
        opened_log(places.database_url) as log,
        open_object_store(places.object_store, read_only=True) as objects,
    ):
        await tell_access(log, "prove", str(address))
        tables, tiles = EvidenceTables(log), PublishedTiles(objects, address.partition)
        proof = await made_proof(address, tables, tiles)
    file = output or Path(f"{address.partition}-{address.seq}.tlog-proof")
    write_result(file, proof.text.encode(), force=True)
    click.echo(f"wrote {file}")


async def made_proof(address: Address, tables: EvidenceTables, tiles: PublishedTiles) -> Proof:
    """Tried before it is handed out. Raises Unprovable."""
    latest = await tables.latest(address.partition)
    size = latest.size if latest else 0
    if latest is None or not 1 <= address.seq <= size:
        raise Unprovable(
            f"event {address} is not sealed: of partition {address.partition} the first {size} events are; is "
            "`stenolog seal` at work?"
        )
    tree, index = PublishedTree(tiles, size), address.seq - 1
    try:
        proof = Proof(await tree.entry(index), index, await tree.inclusion(index), latest.note)
        proof.require(await tables.keys(address.partition))
    except (MalformedTile, ProofRefused, NotSigned, MalformedNote) as problem:
        raise Unprovable(
            f"event {address} cannot be proven: {problem}; `stenolog events verify` tells more"
        ) from problem
    return proof


@events.command("check-proof")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@key_option
@json_option
def check_proof(file: Path, keys: tuple[str, ...], as_json: bool) -> None:
    """Verify the proof in FILE, without a network, a database or us.

    Give the verifier key that you trust; whoever made the proof could have given you any. Exits 0 when it is good, and 3 when it is not.
    """
    with complaining():
        if not keys:
            raise Unprovable(
                "give the verifier key that you trust with --key: the API serves it at /evidence/PARTITION/key"
            )
        trusted = _keys(keys)
        try:
            told = _checked(_text(file), trusted, as_json)
        except (MalformedProof, MalformedNote, NotSigned, ProofRefused) as problem:
            say(f"{file}: {problem}; ask for the proof again, and do not rely on this one")
            sys.exit(DIFFERS)
        click.echo(told)


def _checked(text: str, keys: Sequence[VerifierKey], as_json: bool) -> str:
    """What is proven. Raises what a proof raises that is not good."""
    proof = proof_of(text)
    checkpoint = proof.require(keys)
    fields = fields_of(proof.entry)
    if checkpoint.origin.endswith(f"/{fields['partition']}") and fields["seq"] == proof.index + 1:
        entry = proof.entry.decode()
        where = f"event {fields['partition']}:{fields['seq']} is in {checkpoint.origin}, of which {checkpoint.size} events are sealed"
        return entry if as_json else f"{where}\n{entry}"
    raise ProofRefused("the entry is in the log, at another place than it says of itself")


def _places(data: Path) -> Places:
    """Raises NotRunning where neither variables nor a running `up` say where."""
    objects = os.environ.get("STENOLOG_OBJECT_STORE")
    if os.environ.get("STENOLOG_DATABASE_URL"):
        settings = read_settings()
        require_encryption(settings, ["database"])
        return Places(database_url=settings.database_url, object_store=settings.object_store)
    return Places(
        database_url=database_url(data), object_store=objects or StackFolder(data).addresses().object_store
    )


def _keys(given: Sequence[str]) -> Sequence[VerifierKey]:
    """At least one for each that was given, since without any others would be trusted. Raises Unprovable."""
    try:
        return [verifier_key(line) for each in given for line in _lines(each)]
    except MalformedKey as problem:
        raise Unprovable(f"--key: {problem}") from problem


def _lines(key: str) -> Sequence[str]:
    try:
        if not Path(key).is_file():
            return [key]
        lines = [line for line in _text(Path(key)).splitlines() if line.strip()]
    except OSError as problem:
        raise Unprovable(f"--key: {key[:80]} cannot be read: {problem.strerror}") from problem
    if not lines:
        raise Unprovable(f"--key: {key} has no key in it: fetch it again, one key on each line")
    return lines


def _text(file: Path) -> str:
    with file.open("rb") as content:
        return content.read(_FILE_BYTES_MAX).decode(errors="replace")
