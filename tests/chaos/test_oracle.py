"""The oracle sees what is wrong; one that never found anything would prove nothing."""

from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from domain.log import LogRecord
from tests.builders import ANNA
from tests.chaos.faults import POSTGRES, PRODUCT, Kind, schedule, second
from tests.chaos.ledger import Command, Ledger
from tests.chaos.oracle import check_answers, check_topic
from tests.infrastructure.kafka.messages import record, records

REQUEST = UUID(int=1)


def edited(seq: int = 1, **changes: object) -> LogRecord:
    """What the log has of an edit that Anna asked for."""
    stored = replace(record(seq), type="TranscriptEdited", actor=f"user:{ANNA}", request_id=str(REQUEST))
    return replace(stored, **changes)


def violations(command: Command, *log: LogRecord) -> list[str]:
    ledger = Ledger()
    ledger.commands.append(command)
    return [violation for check in check_answers(ledger, {0: list(log)}) for violation in check.violations]


def asked(status: int | None, token: str | None = None) -> Command:
    return Command(kind="edit", request_id=REQUEST, status=status, token=token)


def test_a_command_that_is_where_its_token_says_is_fine() -> None:
    assert not violations(asked(200, "0:1"), edited())


@pytest.mark.parametrize(
    ("command", "log"),
    [
        (asked(200, "0:1"), []),
        (asked(200, "0:1"), [edited(1), edited(2)]),
        (asked(200, "0:2"), [edited(1)]),
        (asked(200, "0:1"), [edited(1, actor=f"user:{uuid4()}")]),
        (asked(200, "0:1"), [edited(1, type="QuotaReserved")]),
        (asked(200), [edited()]),
        (asked(404), [edited()]),
        (asked(None), [edited(1), edited(2)]),
        (asked(503), [edited(1, type="QuotaReserved")]),
    ],
    ids=[
        "done and lost",
        "done twice",
        "done elsewhere",
        "done by somebody else",
        "something else done",
        "done although nothing changed",
        "done although refused",
        "no answer and done twice",
        "no answer and something else done",
    ],
)
def test_an_answer_that_the_log_contradicts_is_found(command: Command, log: list[LogRecord]) -> None:
    assert violations(command, *log)


@pytest.mark.parametrize("sent", [[1, 2], [1, 2, 3, 3], [1, 3, 2], [1, 2, 1, 2, 3]])
def test_a_topic_that_differs_from_the_log_is_found(sent: list[int]) -> None:
    assert check_topic({0: records(*sent)}, {0: records(1, 2, 3)}, forgetful=False).violations


def test_a_topic_that_is_the_log_is_fine() -> None:
    check = check_topic({0: records(1, 2, 3)}, {0: records(1, 2, 3)}, forgetful=False)
    assert (check.count, check.violations) == (3, [])


def test_an_event_with_other_content_is_found() -> None:
    assert check_topic({0: [edited()]}, {0: records(1)}, forgetful=False).violations


def test_one_seed_makes_one_schedule_and_another_seed_another() -> None:
    first, again, other = (
        schedule(seed, 60, 30, "Apache Kafka", lasting_seconds=(4, 7)) for seed in (1, 1, 2)
    )
    assert first == again != other


def test_every_kind_hits_every_target_before_one_is_hit_twice() -> None:
    faults = schedule(7, 60, 29, "Apache Kafka", lasting_seconds=(4, 7))
    assert [each.at_seconds for each in faults] == sorted(each.at_seconds for each in faults)
    assert {each.target for each in faults if each.kind is Kind.KILL} == {
        *PRODUCT,
        *map(second, PRODUCT),
        POSTGRES,
        "Apache Kafka",
    }
