"""Every command explains itself, and what is wrong is said in one line."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cli.main import COMMANDS, Commands, main
from cli.processes import REBUILT
from embedded.ports import LOOPBACK, free_port
from embedded.stack_folder import StackFolder
from infrastructure.processes import ROOT
from projections.__main__ import ALL
from projections.models import READ_MODELS


def stenolog(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run as a user runs it, from another folder than the checkout."""
    inherited: Mapping[str, str] = {
        name: value for name, value in os.environ.items() if not name.startswith("STENOLOG_")
    }
    return subprocess.run(
        [sys.executable, "-m", "cli", *arguments],
        env={**inherited, "PYTHONPATH": str(ROOT), **variables},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_list_names_every_command_with_what_it_does_on_one_line() -> None:
    listed = CliRunner().invoke(main, ["--help"], terminal_width=110).output
    for name, (_, summary) in COMMANDS.items():
        assert re.search(rf"^ +{name} +{re.escape(summary)}$", listed, re.MULTILINE)


def test_the_list_reads_no_command() -> None:
    listing = "import sys, cli.main; cli.main.main(['--help'], standalone_mode=False); assert 'cli.up' not in sys.modules"
    subprocess.run(
        [sys.executable, "-c", listing], cwd=ROOT, check=True, timeout=60, stdout=subprocess.DEVNULL
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_what_it_does(command: str) -> None:
    result = CliRunner().invoke(main, [command, "--help"])
    assert result.exit_code == 0
    assert len(result.output.splitlines()) > 4


def test_a_wrong_setting_is_one_line_that_names_it_and_exit_code_2(tmp_path: Path) -> None:
    finished = stenolog("up", "--data", str(tmp_path), STENOLOG_PARTITIONS="many")
    assert (finished.returncode, finished.stdout) == (2, "")
    assert finished.stderr == "stenolog: STENOLOG_PARTITIONS: Expected `int`, got `str`\n"


def test_a_misspelt_setting_is_refused_before_anything_starts(tmp_path: Path) -> None:
    finished = stenolog("up", "--data", str(tmp_path / "data"), STENOLOG_PARTITION="8")
    assert finished.returncode == 2
    assert finished.stderr.startswith("stenolog: STENOLOG_PARTITION is no setting; there are STENOLOG_")
    assert not (tmp_path / "data").exists()


def test_a_second_up_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    with StackFolder(tmp_path).locked():
        finished = stenolog("up", "--port", "0", "--data", str(tmp_path))
    assert finished.returncode == 1
    assert finished.stderr == (
        f"stenolog: another `stenolog up` runs on {tmp_path}: stop it, or choose another folder with --data\n"
    )


def test_a_taken_port_is_refused_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        told = f"stenolog: port {port} is taken by another program: choose one with --port\n"
        finished = stenolog("up", "--port", str(port), "--data", str(tmp_path / "data"))
        assert (finished.returncode, finished.stderr) == (1, told)
        finished = stenolog("up", "--data", str(tmp_path / "data"), STENOLOG_PORT=str(port))
        assert (finished.returncode, finished.stderr) == (1, told)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    data = tmp_path / "file" / "data"
    finished = stenolog("up", "--port", "0", "--data", str(data))
    assert (finished.returncode, finished.stderr) == (
        2,
        f"stenolog: --data: {data} cannot be written: Not a directory: choose another folder\n",
    )


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"STENOLOG_DATABASE_URL": ""}, "stenolog: STENOLOG_DATABASE_URL is empty: unset it, "),
        (
            {"STENOLOG_BROKER": "apache", "STENOLOG_KAFKA_BOOTSTRAP": "kafka:9092"},
            "stenolog: STENOLOG_KAFKA_BOOTSTRAP names a Kafka and STENOLOG_BROKER=apache ",
        ),
        ({"STENOLOG_HOST": "203.0.113.7"}, "stenolog: nobody can listen on 203.0.113.7, port "),
    ],
)
def test_what_up_cannot_use_is_refused_before_anything_starts(
    tmp_path: Path, variables: dict[str, str], told: str
) -> None:
    finished = stenolog("up", "--port", "0", "--data", str(tmp_path / "data"), **variables)
    assert finished.returncode == 2
    assert finished.stderr.startswith(told)
    assert len(finished.stderr.splitlines()) == 1
    assert not (tmp_path / "data").exists()


def test_events_without_a_running_system_say_what_to_do(tmp_path: Path) -> None:
    finished = stenolog("events", "tail", "--data", str(tmp_path))
    assert finished.returncode == 1
    assert (
        finished.stderr
        == f"stenolog: no `stenolog up` runs on {tmp_path}: start one, or say where the database is\n"
    )


def test_an_unreachable_database_is_one_line_without_its_password() -> None:
    url = f"postgresql://auditor:hunter2@{LOOPBACK}:{free_port()}/stenolog"
    finished = stenolog("events", "tail", STENOLOG_DATABASE_URL=url)
    assert finished.returncode == 1
    assert finished.stderr.startswith("stenolog: cannot connect to the database: ")
    assert "hunter2" not in finished.stderr
    assert len(finished.stderr.splitlines()) == 1


def test_the_log_is_not_read_in_the_clear_when_that_is_forbidden() -> None:
    url = f"postgresql://auditor:hunter2@{LOOPBACK}:{free_port()}/stenolog?sslmode=require"
    told = stenolog("events", "tail", STENOLOG_DATABASE_URL=url, STENOLOG_REQUIRE_ENCRYPTION="true")
    assert told.returncode == 2
    assert told.stderr.startswith("stenolog: STENOLOG_DATABASE_URL: STENOLOG_REQUIRE_ENCRYPTION wants ")
    assert "hunter2" not in told.stderr
    migrating = stenolog("migrate", STENOLOG_DATABASE_URL=url, STENOLOG_REQUIRE_ENCRYPTION="true")
    assert migrating.returncode == 2
    names = [line.removeprefix("stenolog: ").partition(":")[0] for line in migrating.stderr.splitlines()]
    assert names == ["STENOLOG_DATABASE_URL", "STENOLOG_KAFKA_SECURITY"]


def test_our_packages_win_over_others_with_the_same_generic_names(tmp_path: Path) -> None:
    """A stray `api` on somebody's path must not be what `stenolog api` runs."""
    (tmp_path / "api").mkdir()
    (tmp_path / "api" / "__init__.py").touch()
    (tmp_path / "api" / "__main__.py").write_text("print('a stranger')")
    finished = stenolog("api", STENOLOG_PARTITIONS="many", PYTHONPATH=f"{ROOT}{os.pathsep}{tmp_path}")
    assert "a stranger" not in finished.stdout
    assert finished.returncode == 2


@pytest.mark.parametrize("number", ["0", "65", "many"])
def test_a_number_of_api_processes_that_nobody_can_mean_is_named(number: str) -> None:
    finished = stenolog("api", "--workers", number)
    assert finished.returncode == 2
    assert finished.stderr.startswith("STENOLOG_API_WORKERS: ")
    assert len(finished.stderr.splitlines()) == 1


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_a_script_that_asks_us(shell: str) -> None:
    finished = stenolog("completion", shell)
    assert (finished.returncode, "_STENOLOG_COMPLETE" in finished.stdout) == (0, True)


def test_commands_are_completed_without_being_read() -> None:
    asked = {"_STENOLOG_COMPLETE": "bash_complete", "COMP_WORDS": "stenolog ex", "COMP_CWORD": "1"}
    assert stenolog(**asked).stdout == "plain,export\n"


def test_the_list_of_commands_is_completed_without_reading_any() -> None:
    completing = """
import sys
from click import Context
from cli.main import COMMANDS, main
found = main.shell_complete(Context(main), "")
assert [each.value for each in found] == list(COMMANDS)
assert "cli.up" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", completing], cwd=ROOT, check=True, timeout=60)


def test_what_can_be_rebuilt_is_named() -> None:
    assert (*READ_MODELS, ALL) == REBUILT
    refused = stenolog("rebuild", "nothing")
    assert refused.returncode == 2
    assert "'nothing' is not one of 'users', 'quota'," in refused.stderr


def test_options_are_completed() -> None:
    asked = {
        "_STENOLOG_COMPLETE": "bash_complete",
        "COMP_WORDS": "stenolog transcribe --la",
        "COMP_CWORD": "2",
    }
    assert stenolog(**asked).stdout == "plain,--language\n"


def test_ctrl_c_while_a_command_is_imported_ends_with_130() -> None:
    class Slow(Commands):
        def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
            raise KeyboardInterrupt(ctx, cmd_name)

    result = CliRunner().invoke(Slow("stenolog"), ["quota"])
    assert (result.exit_code, result.output) == (130, "")
