"""Installs the locked packages beside this Python: with uv, in a third of the time, or else with pip.

uv does not read pip's settings, so it is told where packages come from and whom to trust there.
"""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

LOCKS = Path(__file__).parent
PIP = (sys.executable, "-m", "pip")
QUIET = ("--quiet", "--disable-pip-version-check")
STEPS = (
    ("--require-hashes", "-r", str(LOCKS / "development.txt")),
    ("--no-deps", "--no-build-isolation", "--editable", str(LOCKS.parent)),
)
SECTIONS = ("global", "install", ":env:")
"""Of pip's settings, in the order in which the later one wins."""
WAIT_SECONDS = 60
RETRIES = 5


def settings_of_pip(listed: str) -> dict[str, str]:
    """What `pip config list` says of this command, by name."""
    found: dict[str, dict[str, str]] = {section: {} for section in SECTIONS}
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        section, _, name = key.partition(".")
        if section in found:
            found[section][name.removeprefix("default-")] = str(ast.literal_eval(value))
    return {name: value for section in SECTIONS for name, value in found[section].items()}


def flags_for_uv(pip: Mapping[str, str]) -> Iterator[str]:
    """Where pip takes packages from, and whom it trusts, in uv's words."""
    # To pip all indexes are alike; whatever one of them sends has to have the locked hash.
    yield "--index-strategy=unsafe-best-match"
    if index := pip.get("index-url"):
        yield f"--default-index={index}"
    yield from (f"--index={each}" for each in pip.get("extra-index-url", "").split())
    yield from (f"--find-links={each}" for each in pip.get("find-links", "").split())
    yield from (f"--allow-insecure-host={each}" for each in pip.get("trusted-host", "").split())
    if pip.get("no-index", "").lower() in {"1", "true", "yes", "on"}:
        yield "--no-index"
    yield f"--cert={pip['cert']}" if pip.get("cert") else "--system-certs"


def variables_for_uv(pip: Mapping[str, str]) -> dict[str, str]:
    """The same for what it takes from variables alone."""
    found = {
        "UV_HTTP_TIMEOUT": str(max(WAIT_SECONDS, int(float(pip.get("timeout") or 0)))),
        "UV_HTTP_RETRIES": str(max(RETRIES, int(pip.get("retries") or 0))),
    }
    if proxy := pip.get("proxy"):
        found |= {"ALL_PROXY": proxy, "HTTPS_PROXY": proxy, "HTTP_PROXY": proxy}
    if certificate := pip.get("client-cert"):
        found["SSL_CLIENT_CERT"] = certificate
    return found


def install_uv() -> bool:
    lock = str(LOCKS / "installer.txt")
    return (
        subprocess.run([*PIP, "install", *QUIET, "--require-hashes", "-r", lock], check=False).returncode
        == 0
    )


def uv_installs() -> bool:
    listed = subprocess.run([*PIP, "config", "list"], check=False, stdout=subprocess.PIPE, text=True).stdout
    pip = settings_of_pip(listed)
    command = [str(Path(sys.executable).with_name("uv")), "pip", "install", "--quiet"]
    command += ["--python", sys.executable, *flags_for_uv(pip)]
    if sys.dont_write_bytecode:  # else whatever is imported first is compiled then
        command.append("--compile-bytecode")
    told = {**os.environ, **variables_for_uv(pip)}
    return all(subprocess.run([*command, *step], check=False, env=told).returncode == 0 for step in STEPS)


def main() -> None:
    if install_uv() and uv_installs():
        return
    print("uv cannot install the packages here (see above): pip does, which takes longer", file=sys.stderr)
    for step in STEPS:
        subprocess.run([*PIP, "install", *QUIET, *step], check=True)


if __name__ == "__main__":
    main()
