"""The Compose file and the image say what there is; no Docker engine is needed to see whether they do."""

import re
from pathlib import Path
from typing import Any, Final

import pytest
from ruamel.yaml import YAML

from cli.main import COMMANDS
from infrastructure.processes import PROCESSES, ROOT
from infrastructure.settings import PREFIX, Settings, to_environment

COMPOSE: Final[dict[str, Any]] = YAML(typ="safe").load(ROOT / "docker-compose.yml")
SERVICES: Final[dict[str, dict[str, Any]]] = COMPOSE["services"]
OURS: Final = {name: service for name, service in SERVICES.items() if "build" in service}
SECRET: Final = re.compile(r"PASSWORD|SECRET|ACCESS_KEY")


@pytest.mark.parametrize("name", OURS)
def test_every_command_exists(name: str) -> None:
    [command] = OURS[name]["command"]
    assert command in COMMANDS


def test_every_process_is_a_service_of_its_own() -> None:
    assert set(OURS) == {*PROCESSES, "migrate"}


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_has_a_version(name: str) -> None:
    assert re.fullmatch(r"[a-z/]+:v?\d+(\.\d+)+", SERVICES[name]["image"])


@pytest.mark.parametrize("name", OURS)
def test_every_setting_is_one(name: str) -> None:
    settings = {variable for variable in OURS[name]["environment"] if variable.startswith(PREFIX)}
    assert settings <= set(to_environment(Settings()))


@pytest.mark.parametrize("name", SERVICES)
def test_no_secret_has_a_default(name: str) -> None:
    for variable, value in SERVICES[name]["environment"].items():
        if SECRET.search(variable):
            assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", value), f"{variable} of {name}"


def test_the_worker_is_not_told_where_the_database_is() -> None:
    assert "STENOLOG_DATABASE_URL" not in OURS["work"]["environment"]


def test_what_others_wait_for_says_whether_it_is_healthy() -> None:
    for service in OURS.values():
        for awaited, terms in service["depends_on"].items():
            if terms["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[awaited]


@pytest.mark.parametrize("name", sorted(set(OURS) - {"migrate"}))
def test_every_process_waits_for_the_migration(name: str) -> None:
    assert OURS[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


def test_every_path_the_image_is_made_of_exists_and_reaches_the_build() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    copied = re.findall(r"^COPY (?!--from)(\S+)", dockerfile, re.MULTILINE)
    admitted = re.findall(r"^!(\S+)", (ROOT / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(copied) == set(admitted)
    assert all((ROOT / path).exists() for path in copied)


def test_every_package_is_in_the_image() -> None:
    packages = {path.parent.name for path in Path(ROOT).glob("*/__init__.py")} - {"tests", "benchmarks"}
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert packages == set(re.findall(r"^COPY (\w+) \1$", dockerfile, re.MULTILINE))
