"""`stenolog events verify`, `prove` and `check-proof`, as an auditor runs them."""

import asyncio
import os
import sys
from pathlib import Path

import msgspec
import pytest
from msgspec import Struct

from domain.log import Address
from evidence.entries import fields_of
from evidence.proofs import Proof, proof_of
from infrastructure.processes import ROOT
from tests.evidence.logs import KEY, OTHER_KEY, SealedLog

SECONDS = 60.0


class Answer(Struct, frozen=True):
    code: int
    output: str
    said: str


async def started(log: SealedLog, folder: Path, *arguments: str) -> asyncio.subprocess.Process:
    variables = {
        "PYTHONPATH": str(ROOT),
        "STENOLOG_DATABASE_URL": log.url,
        "STENOLOG_OBJECT_STORE": log.folder.as_uri(),
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("STENOLOG_")}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cli", "events", *arguments, env=inherited | variables, cwd=folder,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def stenolog(log: SealedLog, folder: Path, *arguments: str) -> Answer:
    process = await started(log, folder, *arguments)
    async with asyncio.timeout(SECONDS):
        output, said = await process.communicate()
    assert process.returncode is not None
    return Answer(process.returncode, output.decode(), said.decode())


async def test_verify_says_what_was_verified_and_names_what_differs(log: SealedLog, tmp_path: Path) -> None:
    await log.append(300)
    await log.seal()
    latest = await log.tables.latest(0)
    assert latest is not None
    (tmp_path / "kept").write_text(latest.note)
    await log.append(3)
    good = await stenolog(log, tmp_path, "verify", "--against", "kept", "--key", str(log.verifier))
    assert (good.code, good.output.splitlines()[1:]) == (
        0,
        ["3 newer events are not sealed yet, and nothing is known of them"],
    )
    assert "verified 300 events in" in good.output
    assert "all as they were sealed" in good.output
    assert "verifying: 100 % 300 events" in good.said
    await log.tamper("update events set actor = 'x' where seq = 17")
    bad = await stenolog(log, tmp_path, "verify")
    assert bad.code == 3
    assert bad.output.startswith("event 0:17: changed: actor is not what was sealed; ")
    told = await stenolog(log, tmp_path, "verify", "--json")
    first = msgspec.json.decode(told.output.splitlines()[0])
    assert told.code == 3
    assert (first["sealed"], first["findings"][0]["seq"], first["findings"][0]["kind"]) == (
        300,
        17,
        "changed",
    )


@pytest.mark.parametrize("against", ["missing", "no-note"])
async def test_what_cannot_be_verified_is_no_good_answer(
    log: SealedLog, tmp_path: Path, against: str
) -> None:
    (tmp_path / "no-note").write_text("hello")
    answer = await stenolog(log, tmp_path, "verify", "--against", against)
    assert answer.code in (1, 2)
    assert answer.output == ""
    assert "Traceback" not in answer.said


async def test_a_proof_is_verified_without_a_database(log: SealedLog, tmp_path: Path) -> None:
    await log.append(300)
    await log.seal()
    made = await stenolog(log, tmp_path, "prove", "0:17")
    assert (made.code, made.output) == (0, "wrote 0-17.tlog-proof\n")
    (tmp_path / "keys").write_text(f"{log.signing_key(key=OTHER_KEY).verifier}\n{log.verifier}\n")
    offline = SealedLog("nowhere", log.pool, log.store, log.objects, tmp_path / "nowhere")
    good = await stenolog(offline, tmp_path, "check-proof", "0-17.tlog-proof", "--key", "keys")
    assert good.code == 0
    assert good.output.startswith(f"event 0:17 is in {log.verifier.name}, of which 300 events are sealed\n")
    assert fields_of(good.output.splitlines()[1].encode())["seq"] == 17
    strange = str(log.signing_key(key=OTHER_KEY).verifier)
    refused = await stenolog(offline, tmp_path, "check-proof", "0-17.tlog-proof", "--key", strange)
    assert (refused.code, refused.output) == (3, "")
    assert len(refused.said.splitlines()) == 1


async def test_a_proof_that_says_another_place_or_entry_is_refused(log: SealedLog, tmp_path: Path) -> None:
    await log.append(5)
    await log.append(5, partition=1)
    await log.seal(0, 1)
    await stenolog(log, tmp_path, "prove", "0:3", "-o", "good")
    good = proof_of((tmp_path / "good").read_text())
    forged = Proof(good.entry.replace(b"Granted", b"Debited"), good.index, good.path, good.checkpoint)
    moved = Proof(good.entry, 3, good.path, good.checkpoint)
    for proof in (forged, moved):
        (tmp_path / "bad").write_text(proof.text)
        answer = await stenolog(log, tmp_path, "check-proof", "bad", "--key", str(log.verifier))
        assert answer.code == 3, answer
    for arguments in (["good"], ["good", "--key", "no key"]):
        answer = await stenolog(log, tmp_path, "check-proof", *arguments)
        assert answer.code == 1, answer
        assert len(answer.said.splitlines()) == 1


@pytest.mark.parametrize(
    ("address", "code"), [("0:4", 1), ("0:0", 1), ("9:1", 1), ("x", 2), ("1", 2), ("0:-1", 2)]
)
async def test_what_cannot_be_proven_is_said_in_one_line(
    log: SealedLog, tmp_path: Path, address: str, code: int
) -> None:
    await log.append(3)
    await log.seal()
    answer = await stenolog(log, tmp_path, "prove", address)
    assert answer.code == code, answer
    assert "Traceback" not in answer.said
    assert not list(tmp_path.glob("*.tlog-proof"))


async def test_a_damaged_tile_gives_no_proof(log: SealedLog, tmp_path: Path) -> None:
    await log.append(300)
    await log.seal()
    await log.objects.put("evidence/0/tile/0/001.p/44", b"\0" * 32 * 44)
    answer = await stenolog(log, tmp_path, "prove", str(Address(0, 3)))
    assert answer.code == 1
    assert "`stenolog events verify` tells more" in answer.said
    assert KEY.key_id not in answer.output


@pytest.mark.parametrize("content", ["", "\n \n"])
async def test_a_file_without_a_key_is_not_taken_for_trust_in_the_databases_keys(
    log: SealedLog, tmp_path: Path, content: str
) -> None:
    await log.append(3)
    await log.seal()
    (tmp_path / "keys").write_text(content)
    for command in (["verify"], ["check-proof", "keys"]):
        answer = await stenolog(log, tmp_path, *command, "--key", "keys")
        assert (answer.code, answer.output) == (1, "")
        assert (
            answer.said == "stenolog: --key: keys has no key in it: fetch it again, one key on each line\n"
        )


@pytest.mark.parametrize("key", ["k" * 300, "/" + "k" * 300])
async def test_a_key_that_is_too_long_for_the_name_of_a_file_is_refused_in_one_line(
    log: SealedLog, tmp_path: Path, key: str
) -> None:
    answer = await stenolog(log, tmp_path, "verify", "--key", key)
    assert (answer.code, len(answer.said.splitlines())) == (1, 1)


async def test_a_proof_that_cannot_be_written_is_said_in_one_line(log: SealedLog, tmp_path: Path) -> None:
    await log.append(3)
    await log.seal()
    answer = await stenolog(log, tmp_path, "prove", "0:1", "-o", "nowhere/proof")
    assert (answer.code, answer.said) == (
        1,
        "stenolog: nowhere/proof cannot be written: No such file or directory\n",
    )
