"""Master keys: read from one setting, the first wraps, all unwrap, and each mistake is one line that quotes no secret."""

from base64 import b64encode

import pytest

from infrastructure.master_keys import MasterKeyMissing, MasterKeyWrong, WrappedKey, master_keys
from infrastructure.settings import InvalidSetting, Settings
from schemas.sealing import PersonKey
from tests.builders import ANNA, BERT
from tests.keys import KEY, NEW_SECRET, OLD_SECRET, as_setting

OLD = as_setting(old=OLD_SECRET)
NEW_AND_OLD = as_setting(new=NEW_SECRET, old=OLD_SECRET)
SECRET = b64encode(OLD_SECRET).decode()


def test_the_first_wraps_and_all_unwrap() -> None:
    before, after = master_keys(OLD), master_keys(f" {NEW_AND_OLD} ,")
    assert after.wrap(ANNA, KEY).master_key == "new"
    assert after.unwrap(ANNA, before.wrap(ANNA, KEY)).secret == KEY.secret
    assert after.unwrap(ANNA, after.wrap(ANNA, KEY)).secret == KEY.secret


def test_a_wrapped_key_is_of_one_person_alone() -> None:
    keys = master_keys(OLD)
    with pytest.raises(MasterKeyWrong):
        keys.unwrap(BERT, keys.wrap(ANNA, KEY))


def test_what_is_wrapped_does_not_show_the_key() -> None:
    assert KEY.secret not in master_keys(OLD).wrap(ANNA, KEY).wrapped


def test_a_master_key_that_is_not_given_is_named() -> None:
    stored = master_keys(OLD).wrap(ANNA, KEY)
    with pytest.raises(
        MasterKeyMissing, match="master key old, which is not among those given: give it back"
    ):
        master_keys(as_setting(new=NEW_SECRET)).unwrap(ANNA, stored)


def test_another_key_under_the_same_name_is_refused() -> None:
    stored = master_keys(OLD).wrap(ANNA, KEY)
    with pytest.raises(MasterKeyWrong, match="old is another key"):
        master_keys(as_setting(old=NEW_SECRET)).unwrap(ANNA, stored)
    with pytest.raises(MasterKeyWrong):
        master_keys(OLD).unwrap(ANNA, WrappedKey("old", b""))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is missing: give it as NAME=BASE64"),
        (" , ", "is missing"),
        (SECRET, "give each key as NAME=BASE64"),
        (f"first:{SECRET}", "give each key as NAME=BASE64"),
        (f"first={SECRET[:-4]}", "give each key as NAME=BASE64"),
        (f"first={SECRET}AAAA", "give each key as NAME=BASE64"),
        (f"a name={SECRET}", "give each key as NAME=BASE64"),
        (f"first={SECRET},second={SECRET}", "twice"),
        (as_setting(a=OLD_SECRET) + "," + as_setting(a=NEW_SECRET), "twice"),
    ],
)
def test_a_setting_nobody_could_mean_is_refused_without_repeating_it(text: str, told: str) -> None:
    with pytest.raises(InvalidSetting) as refused:
        master_keys(text)
    assert str(refused.value).startswith("STENOLOG_MASTER_KEYS")
    assert told in str(refused.value)
    assert SECRET[:20] not in str(refused.value)


def test_nothing_that_is_shown_holds_the_secret() -> None:
    assert repr(master_keys(NEW_AND_OLD)) == "MasterKeys(new, old)"
    assert SECRET not in repr(Settings(master_keys=OLD))


def test_each_person_has_a_key_of_their_own() -> None:
    assert len({PersonKey.new().secret for _ in range(100)}) == 100
