"""What a run did and found, for people and as JSON."""

from collections.abc import Callable, Mapping

from msgspec import Struct

from tests.chaos.oracle import Check


class Report(Struct, frozen=True, kw_only=True):
    """`faults` by kind and target; `commands` by kind and outcome."""

    seed: int
    broker: str
    load_seconds: float
    elapsed_seconds: float
    faults: Mapping[str, Mapping[str, int]]
    faults_missed: int
    commands: Mapping[str, Mapping[str, int]]
    statuses: Mapping[str, int]
    reads: Mapping[str, int]
    bursts: int
    """How often a whole crowd of commands came at once."""
    idle_sockets: int
    """The most that were open at the same time."""
    ended_by_themselves: Mapping[str, int]
    """Processes that ended without being killed, by name and exit code."""
    events: Mapping[str, int]
    """By type."""
    checks: list[Check]

    @property
    def fault_count(self) -> int:
        return sum(sum(targets.values()) for targets in self.faults.values())

    @property
    def violations(self) -> list[str]:
        return [f"{each.name}: {violation}" for each in self.checks for violation in each.violations]


def write(report: Report, say: Callable[[str], None]) -> None:
    say(f"\nseed {report.seed} on {report.broker}")
    say(f"load {report.load_seconds:.0f} s, in all {report.elapsed_seconds:.0f} s")
    say(f"\nfaults: {report.fault_count}, and {report.faults_missed} whose target was down")
    for kind, targets in report.faults.items():
        say(f"  {kind:<10} {sum(targets.values()):>6}   {_listed(targets)}")
    commands = sum(sum(outcomes.values()) for outcomes in report.commands.values())
    say(f"\ncommands: {commands}")
    for kind, outcomes in report.commands.items():
        say(f"  {kind:<10} {sum(outcomes.values()):>6}   {_listed(outcomes)}")
    say(f"answers: {_listed(report.statuses)}")
    say(f"queries with a token: {_listed(report.reads)}")
    say(f"crowd: {report.bursts} times, beside {report.idle_sockets} idle sockets")
    say(f"ended by themselves: {_listed(report.ended_by_themselves) or 'none'}")
    say(f"\nevents: {sum(report.events.values())}   {_listed(report.events)}")
    say("\nchecks")
    for each in report.checks:
        say(f"  {'FAILED' if each.violations else 'ok':<7} {each.count:>7}  {each.name}")
        for violation in each.violations:
            say(f"      {violation}")


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
