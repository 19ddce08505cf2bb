"""Where what is fetched once is kept."""

from pathlib import Path

import pytest

from infrastructure.cache import cache_folder
from infrastructure.settings import InvalidSetting


def test_the_cache_is_where_the_setting_or_the_system_has_it() -> None:
    assert cache_folder({"STENOLOG_CACHE": "/srv/kept"}) == Path("/srv/kept")
    assert cache_folder({"XDG_CACHE_HOME": "/srv/cache"}) == Path("/srv/cache/stenolog")
    assert cache_folder({}) == Path.home() / ".cache" / "stenolog"


def test_an_account_without_a_home_is_told_to_name_a_folder() -> None:
    with pytest.raises(InvalidSetting, match="STENOLOG_CACHE: name a folder"):
        cache_folder({"STENOLOG_CACHE": "~nobody-of-this-name/kept"})
