"""The names of models: each leads to one place on the hub and to one folder, and back."""

import re

import pytest

from inference_worker.catalogue import KNOWN, folder_name, full_name, name_of_folder, published
from inference_worker.joined_model import WEIGHTS_SHA256

ADDRESS = f"team/whisper.odd-1@{'0123456789' * 4}"


@pytest.mark.parametrize("name", KNOWN)
def test_pins_of_a_known_model_are_whole_hashes(name: str) -> None:
    known = KNOWN[name]
    assert re.fullmatch(r"[0-9a-f]{40}|", known.commit)
    assert re.fullmatch(r"[0-9a-f]{64}|", known.weights_sha256)
    assert known.english_only == (".en" in name or "distil" in name)


def test_no_two_names_lead_to_the_same_model() -> None:
    assert len({model.repo for model in KNOWN.values()}) == len(KNOWN)
    pins = [model.commit for model in KNOWN.values() if model.commit]
    weights = [model.weights_sha256 for model in KNOWN.values() if model.weights_sha256]
    assert (len(set(pins)), len(set(weights))) == (len(pins), len(weights))


def test_the_packaged_base_is_the_published_one() -> None:
    assert KNOWN["base"].weights_sha256 == WEIGHTS_SHA256


@pytest.mark.parametrize("name", [*KNOWN, ADDRESS])
def test_the_name_of_a_folder_leads_back(name: str) -> None:
    assert "/" not in folder_name(name)
    assert name_of_folder(folder_name(name)) == name


def test_an_address_names_its_repository_and_commit() -> None:
    model = published(ADDRESS)
    assert model is not None
    assert (model.repo, model.commit) == ("team/whisper.odd-1", "0123456789" * 4)
    assert published("turbo") == KNOWN[full_name("turbo")] == KNOWN["large-v3-turbo"]


@pytest.mark.parametrize(
    "name",
    [
        "team/odd",
        "team/odd@main",
        f"../odd@{'0' * 40}",
        f"a/b/c@{'0' * 40}",
        f"a--b/c@{'0' * 40}",
        "/models",
        "",
    ],
)
def test_what_is_no_whole_address_is_no_published_model(name: str) -> None:
    assert published(name) is None
