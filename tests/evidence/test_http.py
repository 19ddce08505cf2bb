"""Whoever verifies finds checkpoints, keys and tiles where C2SP tlog-tiles says, and entries with a token alone."""

from pathlib import Path

from evidence.checkpoints import verified_checkpoint
from evidence.notes import verifier_key
from evidence.tiles import bundle
from tests.evidence.logs import SealedLog
from tests.evidence.serving import AUDITOR, TOKEN, served
from tests.evidence.trees import Tiled

URL = "http://stenolog/evidence"


async def test_a_log_is_verified_by_what_is_served_alone(log: SealedLog, tmp_path: Path) -> None:
    await log.append(300)
    await log.seal()
    async with served(log, tmp_path) as installation, installation.client() as client:
        keys = (await client.get(f"{URL}/0/key")).text.splitlines()
        note = await client.get(f"{URL}/0/checkpoint")
        checkpoint = verified_checkpoint(note.text, [verifier_key(key) for key in keys])
        whole = Tiled(await log.entries())
        assert (checkpoint.size, checkpoint.root) == (whole.size, whole.root)
        for place, hashes in whole.tiles.items():
            assert (await client.get(f"{URL}/0/{place.path}")).content == hashes
        for place in (bundle(0), bundle(1, 44)):
            served_bundle = await client.get(f"{URL}/0/{place.path}", headers=AUDITOR)
            assert served_bundle.content == await log.tiles.bundle(place)


async def test_what_never_changes_may_be_kept_and_what_does_may_not(log: SealedLog, tmp_path: Path) -> None:
    await log.append(257)
    await log.seal()
    async with served(log, tmp_path) as installation, installation.client() as client:
        for path, kind, cache in [
            ("checkpoint", "text/plain; charset=utf-8", "no-cache"),
            ("key", "text/plain; charset=utf-8", "no-cache"),
            ("tile/0/000", "application/octet-stream", "public, max-age=31536000, immutable"),
            ("tile/0/001.p/1", "application/octet-stream", "public, max-age=60"),
            ("tile/entries/000", "application/octet-stream", "private, max-age=31536000, immutable"),
        ]:
            answer = await client.get(f"{URL}/0/{path}", headers=AUDITOR)
            assert answer.status_code == 200, path
            assert (answer.headers["Content-Type"], answer.headers["Cache-Control"]) == (kind, cache), path


async def test_entries_are_served_to_nobody_without_the_token(log: SealedLog, tmp_path: Path) -> None:
    await log.append(256)
    await log.seal()
    url = f"{URL}/0/tile/entries/000"
    async with served(log, tmp_path) as installation, installation.client() as client:
        for token in (b"", b"Bearer x", "Bearer é".encode(), TOKEN.encode()):
            answer = await client.get(url, headers={b"Authorization": token})
            assert answer.status_code == 401
            assert b"QuotaGranted" not in answer.content
    async with served(log, tmp_path, evidence_token="") as installation, installation.client() as client:
        for nothing in ("Bearer ", "Bearer"):
            answer = await client.get(url, headers={"Authorization": nothing})
            assert answer.status_code == 401
            assert "STENOLOG_EVIDENCE_TOKEN" in answer.json()["detail"]


STRANGE = [
    "0/tile/0/000.p/5", "0/tile/0/001", "0/tile/0/0", "0/tile/64/000", "0/tile/0/000.p/256", "0/tile/0/000.p/05",
    "0/tile/0/..%2F..%2Fcheckpoint", "0/tile/0/x1/000", "0/tile", "0/tile/", "1/checkpoint", "7/checkpoint", "7/key",
    "256/checkpoint", "-1/checkpoint", "99999999999999999999/tile/0/000", "x/checkpoint", "0/tile/0/000/x",
]  # fmt: skip


async def test_what_is_not_there_is_not_found(log: SealedLog, tmp_path: Path) -> None:
    await log.append(3)
    await log.seal()
    async with served(log, tmp_path) as installation, installation.client() as client:
        for path in STRANGE:
            answer = await client.get(f"{URL}/{path}", headers=AUDITOR)
            assert answer.status_code == 404, (path, answer.text)
