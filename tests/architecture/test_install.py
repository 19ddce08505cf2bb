"""`make install` has uv take the packages from where pip would, and trust whom pip would."""

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

LOCKS = Path(__file__).parents[2] / "locks"
LISTED = """\
:env:.default-timeout='180'
:env:.find-links='/wheels /more'
freeze.timeout='7'
global.cert='/ca.pem'
global.extra-index-url='\\nhttps://one/simple\\nhttps://two/simple'
global.find-links='/old'
global.index-url='https://mirror/simple'
install.no-index='true'
install.trusted-host='mirror'
"""


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(LOCKS / "install.py"))


def test_what_pip_is_told_for_this_command_wins_over_what_it_is_told_for_all(
    script: dict[str, Any],
) -> None:
    found = script["settings_of_pip"](LISTED)
    assert (found["find-links"], found["timeout"]) == ("/wheels /more", "180")


def test_uv_is_told_all_that_pip_knows_of_indexes_and_trust(script: dict[str, Any]) -> None:
    assert set(script["flags_for_uv"](script["settings_of_pip"](LISTED))) == {
        "--index-strategy=unsafe-best-match",
        "--default-index=https://mirror/simple",
        "--index=https://one/simple",
        "--index=https://two/simple",
        "--find-links=/wheels",
        "--find-links=/more",
        "--allow-insecure-host=mirror",
        "--no-index",
        "--cert=/ca.pem",
    }


def test_where_pip_is_told_nothing_uv_trusts_whom_the_machine_trusts(script: dict[str, Any]) -> None:
    assert set(script["flags_for_uv"]({})) == {"--index-strategy=unsafe-best-match", "--system-certs"}


def test_a_proxy_and_more_patience_are_handed_over_and_less_is_not(script: dict[str, Any]) -> None:
    told = script["variables_for_uv"]({"proxy": "http://proxy:3128", "timeout": "180", "retries": "1"})
    assert told["HTTPS_PROXY"] == "http://proxy:3128"
    assert (told["UV_HTTP_TIMEOUT"], told["UV_HTTP_RETRIES"]) == ("180", "5")


def test_the_uv_that_installs_is_the_one_that_is_installed() -> None:
    [first] = re.findall(r"^uv==\S+", (LOCKS / "installer.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert first in (LOCKS / "development.txt").read_text(encoding="utf-8").split()
