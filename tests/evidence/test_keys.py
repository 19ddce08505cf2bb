"""Keys come from the settings, and a lost or wrong one is said to be so in one line."""

from base64 import b64encode

import pytest

from evidence.keys import KeyLost, require_known, seal_keys
from infrastructure.settings import InvalidSetting
from tests.evidence.logs import KEY, OTHER_KEY

FIRST, SECOND = (f"{name}:{b64encode(name[:1].encode() * 32).decode()}" for name in ("kept", "other"))


def test_the_first_of_several_keys_is_the_one_that_signs() -> None:
    keys = seal_keys(f" {SECOND}, {FIRST} ")
    assert [key.key_id for key in keys] == ["other", "kept"]
    assert keys[0].public == OTHER_KEY.public
    assert keys[1].public == KEY.public


@pytest.mark.parametrize(
    "text",
    ["", " , ", "no key", "a:AAAA", FIRST[:-1], f"{FIRST},{FIRST}", f"{FIRST};{SECOND}", f":{FIRST}"],
)
def test_what_is_no_list_of_keys_is_refused_by_the_name_of_its_variable(text: str) -> None:
    with pytest.raises(InvalidSetting, match=r"^STENOLOG_SEAL_KEYS") as refused:
        seal_keys(text)
    assert "\n" not in str(refused.value)
    assert FIRST.partition(":")[2] not in str(refused.value)


def test_a_key_does_not_show_what_is_secret() -> None:
    assert repr(seal_keys(FIRST)[0]) == "SealKey('kept')"


def test_a_new_key_is_introduced_beside_one_that_signed_before() -> None:
    require_known(seal_keys(FIRST), [])
    require_known(seal_keys(f"{SECOND},{FIRST}"), [KEY.public])
    with pytest.raises(KeyLost, match=r"none of its keys \(other\) has signed .* --replace-lost-key"):
        require_known(seal_keys(SECOND), [KEY.public])
