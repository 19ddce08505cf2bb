"""Settings for Riva are whole before anything is sent, and what is secret in them is shown nowhere."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from inference_worker.engines.choice import EngineChoice
from inference_worker.engines.riva.server import RivaServer, metadata_of, server_of
from infrastructure.encryption import require_encryption
from infrastructure.settings import InvalidSetting, Settings, read_settings
from tests.stack.certificates import Authority

TOKEN = "Bearer nvapi-very=secret"


async def test_everything_that_is_set_reaches_the_engine(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    ours = authority.certify("ours")
    settings = read_settings(
        {
            "STENOLOG_ENGINE": "riva",
            "STENOLOG_RIVA_ADDRESS": "[2001:db8::7]:443",
            "STENOLOG_RIVA_TLS": "true",
            "STENOLOG_RIVA_CA": str(authority.ca),
            "STENOLOG_RIVA_CERT": str(ours.certificate),
            "STENOLOG_RIVA_KEY": str(ours.key),
            "STENOLOG_RIVA_METADATA": f"authorization={TOKEN}, function-id=0-1",
            "STENOLOG_RIVA_MODEL": "parakeet",
            "STENOLOG_RIVA_DEADLINE_SECONDS": "30",
            "STENOLOG_RIVA_MESSAGE_BYTES_MAX": "1000000",
            "STENOLOG_RIVA_PUNCTUATION": "false",
            "STENOLOG_RIVA_BOOST": "7.5",
        }
    )
    server = await server_of(settings)
    assert server == RivaServer(
        address="[2001:db8::7]:443",
        tls=True,
        ca=str(authority.ca),
        cert=str(ours.certificate),
        key=str(ours.key),
        metadata=(("authorization", TOKEN), ("function-id", "0-1")),
        model="parakeet",
        deadline_seconds=30.0,
        message_bytes_max=1_000_000,
        punctuation=False,
        boost=7.5,
    )
    assert server.port == 443


async def test_the_defaults_are_those_of_the_engine() -> None:
    assert await server_of(Settings()) == RivaServer()


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (Settings(riva_address="riva"), "STENOLOG_RIVA_ADDRESS: 'riva' is no server: give host:port"),
        (Settings(riva_address="riva:70000"), "STENOLOG_RIVA_ADDRESS: 'riva:70000' is no server"),
        (
            Settings(riva_address="http://riva:50051"),
            "STENOLOG_RIVA_ADDRESS: 'http://riva:50051' is no server",
        ),
        (Settings(riva_ca="/ca.pem"), "STENOLOG_RIVA_CA: is of no use without STENOLOG_RIVA_TLS=true"),
        (
            Settings(riva_metadata=f"authorization={TOKEN}"),
            "STENOLOG_RIVA_METADATA: would be sent in the clear without STENOLOG_RIVA_TLS=true",
        ),
        (
            Settings(riva_tls=True, riva_cert="/c.pem"),
            "STENOLOG_RIVA_CERT: goes together with STENOLOG_RIVA_KEY: one is missing",
        ),
        (Settings(riva_tls=True, riva_ca="/nowhere.pem"), "STENOLOG_RIVA_CA: /nowhere.pem"),
        (
            Settings(riva_tls=True, riva_cert="/nowhere.pem", riva_key="/nowhere.pem"),
            "STENOLOG_RIVA_CERT and STENOLOG_RIVA_KEY: /nowhere.pem",
        ),
    ],
)
async def test_what_cannot_be_meant_is_named(settings: Settings, problem: str) -> None:
    with pytest.raises(InvalidSetting) as refused:
        await server_of(settings)
    assert str(refused.value).startswith(problem)


@pytest.mark.parametrize(
    "text",
    [TOKEN, "Authorization=x", "a=", "a=1,=2", "a=\x00", "a=ä", "grpc-timeout=1S", "token-bin=aGk="],
)
def test_metadata_that_is_none_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(InvalidSetting, match=r"^STENOLOG_RIVA_METADATA: entry . ") as refused:
        metadata_of(text)
    assert text not in str(refused.value)


def test_metadata_is_in_no_representation() -> None:
    settings = Settings(riva_metadata=f"authorization={TOKEN}", jwt_secret="mine", kafka_password="theirs")
    choice = EngineChoice(kind="riva", riva=RivaServer(metadata=(("authorization", TOKEN),)))
    shown = f"{settings!r} {settings} {choice!r} {choice} {choice.riva}"
    assert not [each for each in (TOKEN, "mine", "theirs") if each in shown]
    assert "riva_address='127.0.0.1:50051'" in shown
    assert msgspec.json.decode(msgspec.json.encode(choice), type=EngineChoice) == choice


def test_where_encryption_is_required_riva_is_not_asked_in_the_clear() -> None:
    in_the_clear = Settings(engine="riva", require_encryption=True)
    with pytest.raises(
        InvalidSetting, match=r"^STENOLOG_RIVA_TLS: STENOLOG_REQUIRE_ENCRYPTION wants true$"
    ):
        require_encryption(in_the_clear, ["riva"])
    require_encryption(msgspec.structs.replace(in_the_clear, riva_tls=True), ["riva"])
    require_encryption(msgspec.structs.replace(in_the_clear, engine="scripted"), ["riva"])


def test_without_its_package_the_error_says_what_to_install() -> None:
    script = """
import sys
sys.modules.update(dict.fromkeys(["grpc", "riva"]))
from inference_worker.engines.choice import EngineChoice, open_engine
from inference_worker.faults import EngineMissing
try:
    open_engine(EngineChoice(kind="riva"))
except EngineMissing as problem:
    print(problem)
"""
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert told.stdout.startswith(
        "STENOLOG_ENGINE: riva needs nvidia-riva-client, which is not installed (no riva.client): "
        "install the extra riva, as with pip install"
    )
