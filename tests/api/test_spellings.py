"""Who is meant by an address or a password that is spelled in another way."""

from uuid import uuid4

import pytest

from tests.api.rig import PASSWORD, Installation, Person

KELVIN_SIGN = "\u212a"


async def register(installation: Installation, email: str, password: str = PASSWORD) -> int:
    sent = {"email": email, "password": password}
    return (await installation.client().post("/auth/register", json=sent)).status_code


async def log_in(installation: Installation, email: str, password: str = PASSWORD) -> int:
    sent = {"email": email, "password": password}
    return (await installation.client().post("/auth/login", json=sent)).status_code


async def test_a_look_alike_is_nobody_elses_account(installation: Installation) -> None:
    kate = f"k{uuid4().hex}@example.com"
    assert await register(installation, kate) == 201
    look_alike = KELVIN_SIGN + kate[1:]
    assert await log_in(installation, look_alike) == 401
    assert await register(installation, look_alike) == 400


async def test_an_international_domain_is_one_user_in_both_spellings(installation: Installation) -> None:
    name = uuid4().hex
    assert await register(installation, f"{name}@bücher.example") == 201
    assert await register(installation, f"{name}@xn--bcher-kva.example") == 409
    for domain in ("BÜCHER.example", "bu\u0308cher.example", "XN--BCHER-KVA.EXAMPLE"):
        assert await log_in(installation, f"{name}@{domain}") == 200


async def test_case_and_spaces_around_an_address_do_not_matter(
    installation: Installation, anna: Person
) -> None:
    assert await log_in(installation, f"  {anna.email.upper()} ") == 200
    assert await register(installation, f" {anna.email}") == 409


@pytest.mark.parametrize("after", ["\n", "\r\n", "\t", "\x00", "\u00a0", "\u200b"])
async def test_an_address_with_something_unseen_in_it_is_refused(
    installation: Installation, anna: Person, after: str
) -> None:
    assert await register(installation, anna.email + after) == 400
    assert await log_in(installation, anna.email + after) == 401


async def test_a_password_may_be_typed_with_its_accents_apart(installation: Installation) -> None:
    email = f"{uuid4().hex}@example.com"
    assert await register(installation, email, "pässwörd élan") == 201
    assert await log_in(installation, email, "pa\u0308sswo\u0308rd e\u0301lan") == 200
    assert await log_in(installation, email, "passworden elan") == 401
