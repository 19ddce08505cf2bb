"""`python -m tests.chaos`: one run with a seed, a verdict, and the way to repeat it."""

import argparse
import asyncio
import secrets
import shutil
import sys
import tempfile
from math import ceil
from pathlib import Path
from typing import Final

import msgspec

from tests.chaos.report import Report, write
from tests.chaos.run import Plan, run

FAULTS_PER_MINUTE: Final = 30
SEED_BELOW: Final = 1_000_000


def main() -> int:
    options = _options()
    plan = Plan(
        seed=secrets.randbelow(SEED_BELOW) if options.seed is None else options.seed,
        seconds=options.minutes * 60,
        fault_count=ceil(options.minutes * FAULTS_PER_MINUTE) if options.faults is None else options.faults,
        broker=options.broker,
        crowd_size=options.crowd,
        idle_count=options.idle,
    )
    folder = Path(tempfile.mkdtemp(prefix="stenolog-chaos-"))
    folder.chmod(0o711)  # PostgreSQL's account walks through
    report = asyncio.run(run(plan, folder, say))
    write(report, say)
    return _conclude(report, plan, folder, options)


def say(line: str) -> None:
    print(line, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="how long the load lasts")
    parser.add_argument("--seed", type=int, help="of an earlier run, to repeat its faults")
    parser.add_argument("--faults", type=int, help=f"default: {FAULTS_PER_MINUTE} a minute")
    parser.add_argument(
        "--broker", choices=("apache", "noida"), default="", help="default: Apache Kafka, if it can be had"
    )
    parser.add_argument("--crowd", type=int, default=100, help="commands of one user at once; 0 for none")
    parser.add_argument("--idle", type=int, default=1_000, help="connections that say nothing; 0 for none")
    parser.add_argument("--keep", action="store_true", help="logs and data, also when nothing is wrong")
    parser.add_argument("--report", type=Path, default=Path("build/chaos.json"))
    return parser.parse_args()


def _conclude(report: Report, plan: Plan, folder: Path, options: argparse.Namespace) -> int:
    """The exit code. What a failed run left behind stays."""
    file: Path = options.report
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    if not report.violations:
        if options.keep:
            say(f"\nlogs and data are in {folder}")
        else:
            shutil.rmtree(folder)
        say(f"\nno violation; the report is in {file}")
        return 0
    again = f"python -m tests.chaos --seed {plan.seed} --minutes {plan.seconds / 60:g} --faults {plan.fault_count}"
    again += f" --crowd {plan.crowd_size} --idle {plan.idle_count}"
    say(f"\n{len(report.violations)} violations; logs and data are in {folder}, the report in {file}")
    say(f"the same faults again: {again}" + (f" --broker {plan.broker}" if plan.broker else ""))
    return 1


if __name__ == "__main__":
    sys.exit(main())
