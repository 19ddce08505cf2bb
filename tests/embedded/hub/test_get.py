"""`stenolog model get`: what comes is what was pinned, whole, once, and from where it broke off."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from embedded.ports import free_port
from inference_worker.models import find_model
from tests.embedded.hub.conftest import FILES, HEAD, REPO, WEIGHTS, Start
from tests.embedded.hub.hub_server import Hub, commit
from tests.stack.waiting import eventually

Run = Callable[..., tuple[int | None, str, str]]
PIECE_BYTES = 10 << 20
"""What the client writes at a time."""
UNPINNED = "distil-large-v2"
UNPINNED_REPO = "Systran/faster-distil-whisper-large-v2"


def unfinished_bytes(cache: Path) -> int:
    return sum(file.stat().st_size for file in cache.glob("models/.*+*/model.bin"))


def test_a_model_is_fetched_whole_and_nothing_beside_it(run: Run, model: str, cache: Path) -> None:
    code, output, said = run("get", model)
    assert code == 0, said
    folder = Path(output.strip())
    assert folder == find_model(model)
    assert folder.parent == cache / "models"
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == {
        name: content
        for name, content in FILES.items()
        if name not in ("pytorch_model.bin", "../escape.json")
    }
    assert not list(cache.glob("models/.*+*"))


def test_what_is_here_is_checked_and_not_fetched_again(run: Run, model: str, hub: Hub) -> None:
    folder = Path(run("get", model)[1].strip())
    fetched = len(hub.asked)
    assert run("get", model)[0] == 0
    assert len(hub.asked) == fetched
    (folder / "model.bin").write_bytes(WEIGHTS[:-1] + b"?")
    assert run("get", model)[0] == 0
    assert (folder / "model.bin").read_bytes() == WEIGHTS


async def test_a_fetch_that_was_killed_goes_on_where_it_ended(
    start: Start, run: Run, model: str, hub: Hub, cache: Path
) -> None:
    hub.hold_after_bytes = 15 << 20
    process = start("get", model)
    await eventually(lambda: unfinished_bytes(cache) >= PIECE_BYTES, "a piece of the weights is here")
    process.kill()
    hub.hold_after_bytes = None
    hub.go_on.set()
    code, output, said = run("get", model)
    assert code == 0, said
    assert hub.ranges_of_weights() == ["", f"bytes={PIECE_BYTES}-"]
    assert (Path(output.strip()) / "model.bin").read_bytes() == WEIGHTS


def test_a_connection_that_is_cut_is_taken_up_again(run: Run, model: str, hub: Hub) -> None:
    hub.cut_once_after_bytes = 15 << 20
    code, output, said = run("get", model)
    assert code == 0, said
    assert hub.ranges_of_weights() == ["", f"bytes={PIECE_BYTES}-"]
    assert (Path(output.strip()) / "model.bin").read_bytes() == WEIGHTS


def test_what_an_earlier_attempt_left_wrong_is_fetched_anew(
    run: Run, model: str, hub: Hub, cache: Path
) -> None:
    left = cache / "models" / f".{REPO.replace('/', '--')}@{commit(1)}+{commit(1)[:12]}"
    left.mkdir(parents=True)
    (left / "model.bin").write_bytes(b"wrong")
    code, output, said = run("get", model)
    assert code == 0, said
    assert hub.ranges_of_weights() == ["bytes=5-", ""]
    assert (Path(output.strip()) / "model.bin").read_bytes() == WEIGHTS


def test_wrong_bytes_are_thrown_away(run: Run, model: str, hub: Hub, cache: Path) -> None:
    hub.sent_instead["model.bin"] = WEIGHTS[:-1] + b"?"
    code, output, said = run("get", model)
    assert (code, output) == (1, "")
    assert "model.bin of team/whisper-odd is not what the hub said it is (its hash differs)" in said
    assert unfinished_bytes(cache) == 0
    hub.sent_instead.clear()
    assert run("get", model)[0] == 0


def test_files_that_git_keeps_are_checked_too(run: Run, model: str, hub: Hub) -> None:
    hub.sent_instead["vocabulary.txt"] = b"a\nc\n"
    code, _, said = run("get", model)
    assert code == 1
    assert "vocabulary.txt of team/whisper-odd is not what the hub said it is" in said


def test_more_than_was_said_is_not_taken(run: Run, model: str, hub: Hub, cache: Path) -> None:
    hub.sent_instead["model.bin"] = WEIGHTS * 2
    code, _, said = run("get", model)
    assert code == 1
    assert "the hub sends more than it said" in said
    assert unfinished_bytes(cache) <= len(WEIGHTS)


async def test_the_second_of_two_waits_for_the_first(
    start: Start, run: Run, model: str, hub: Hub, cache: Path
) -> None:
    hub.hold_after_bytes = 15 << 20
    first = start("get", model)
    await eventually(lambda: unfinished_bytes(cache) >= PIECE_BYTES, "the first is at it")
    code, _, said = run("get", model, "--wait", "0")
    assert code == 1
    assert f"another process is still fetching {model} after 0 s: try again later" in said
    second = start("get", model)
    assert second.stderr is not None
    assert "is being fetched by another process; waiting for it" in second.stderr.readline()
    hub.go_on.set()
    assert [first.wait(timeout=60), second.wait(timeout=60)] == [0, 0]
    assert len(hub.ranges_of_weights()) == 1


def test_weights_other_than_the_pinned_ones_are_not_fetched(run: Run, hub: Hub) -> None:
    pinned = "d90ca5fe260221311c53c58e660288d3deb8d356"
    hub.add("Systran/faster-whisper-tiny", FILES)
    hub.repos["Systran/faster-whisper-tiny"].commits[pinned] = FILES
    code, _, said = run("get", "tiny")
    assert code == 1
    assert f"Systran/faster-whisper-tiny@{pinned} has weights with SHA-256" in said
    assert "pinned is dcb76c6586fc" in said
    assert hub.asked == []


def test_the_first_fetch_decides_on_a_commit_for_good(run: Run, hub: Hub, cache: Path) -> None:
    hub.add(UNPINNED_REPO, FILES, number=1)
    code, output, said = run("get", UNPINNED)
    assert code == 0, said
    (Path(output.strip()) / "config.json").unlink()
    hub.add(UNPINNED_REPO, FILES | {"config.json": b"{1}"}, number=2)
    assert run("get", UNPINNED)[0] == 0
    assert (Path(output.strip()) / "config.json").read_bytes() == b"{}"
    assert {path.split("/")[4] for path, _ in hub.asked if "/resolve/" in path} == {commit(1)}
    assert commit(1) in (cache / "models" / f"{UNPINNED}.json").read_text()


def test_a_gated_model_says_how_to_get_in(run: Run, model: str, hub: Hub) -> None:
    hub.repos[REPO].problem = (401, "GatedRepo")
    code, _, said = run("get", model)
    assert code == 1
    assert f"{REPO} is gated: accept its terms at {hub.url}/{REPO}, then let HF_TOKEN be a token" in said


def test_a_repository_or_a_commit_that_is_not_there_is_named(run: Run, model: str, hub: Hub) -> None:
    assert f"{hub.url} has no team/nothing" in run("get", f"team/nothing@{commit(1)}")[2]
    assert f"{REPO} has no commit {commit(9)}" in run("get", f"{REPO}@{commit(9)}")[2]
    code, _, said = run("get", "huge")
    assert code == 1
    assert "no model is called huge: name one of tiny, tiny.en, base" in said


def test_a_hub_with_an_error_is_said_to_have_one(run: Run, model: str, hub: Hub) -> None:
    hub.repos[REPO].problem = (503, "")
    assert f"{hub.url} answered 503 for {REPO}: try again later" in run("get", model)[2]


def test_a_hub_that_cannot_be_reached_is_named(run: Run, model: str) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    code, _, said = run("get", model, HF_ENDPOINT=url)
    assert code == 1
    assert said.startswith(f"stenolog: {url} cannot be reached or broke off (ConnectError): try again")
    assert "HF_HUB_OFFLINE forbids" in run("get", model, HF_HUB_OFFLINE="1")[2]


def test_a_disk_without_room_is_known_before_anything_comes(run: Run, model: str, hub: Hub) -> None:
    hub.listed_bytes["model.bin"] = 1 << 60
    code, _, said = run("get", model)
    assert code == 1
    assert "the disk is full at" in said
    assert "let STENOLOG_CACHE name a larger one" in said
    assert hub.asked == []


def test_what_is_no_converted_model_is_not_kept(run: Run, hub: Hub, cache: Path) -> None:
    without = {name: content for name, content in FILES.items() if name != "tokenizer.json"}
    address = f"team/raw@{hub.add('team/raw', without)}"
    assert "team/raw is no CTranslate2 Whisper model: it has no tokenizer.json" in run("get", address)[2]
    other = FILES | {"model.bin": HEAD.replace(b"Whisper", b"Wav2Vec")}
    address = f"team/other@{hub.add('team/other', other)}"
    assert "model.bin of team/other is no CTranslate2 Whisper model" in run("get", address)[2]
    assert [path for path in cache.glob("models/*") if path.is_dir()] == []


def test_the_hub_is_told_nothing_about_this_machine() -> None:
    script = "from embedded.hub import client; print(client._client().constants.HF_HUB_DISABLE_TELEMETRY)"
    assert subprocess.check_output([sys.executable, "-c", script], text=True) == "True\n"
