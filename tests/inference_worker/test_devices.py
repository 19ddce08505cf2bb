"""Where a model runs: GPUs are used where they work, and missed where they were asked for."""

import pytest

from inference_worker.engine_process import EngineProcess
from inference_worker.engines.choice import EngineChoice
from inference_worker.engines.devices import Device, batch_on, open_model
from inference_worker.faults import DeviceUnusable
from inference_worker.models import find_model
from infrastructure.settings import InvalidSetting


def a_gpu_whose_libraries_are_missing() -> int:
    """What CTranslate2 counts where there is a GPU; here it then really fails to use it."""
    return 1


def test_without_a_gpu_the_cpu_is_taken_in_silence(capsys: pytest.CaptureFixture[str]) -> None:
    assert open_model(find_model("tiny.en"), Device(), lambda: 0).compute_type == "int8"
    assert capsys.readouterr().err == ""


def test_a_gpu_that_cannot_be_used_is_named_in_one_line_and_the_cpu_is_taken(
    capsys: pytest.CaptureFixture[str],
) -> None:
    opened = open_model(find_model("tiny.en"), Device(), a_gpu_whose_libraries_are_missing)
    assert (opened.model.model.device, opened.compute_type) == ("cpu", "int8")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("falling back to the CPU: STENOLOG_DEVICE: no GPU can be used: CUDA")


def test_a_gpu_that_was_asked_for_is_not_replaced() -> None:
    with pytest.raises(DeviceUnusable, match="STENOLOG_DEVICE: no GPU can be used"):
        open_model(find_model("tiny.en"), Device(kind="cuda"), a_gpu_whose_libraries_are_missing)


def test_what_the_processor_cannot_compute_in_is_refused() -> None:
    with pytest.raises(DeviceUnusable, match="STENOLOG_COMPUTE_TYPE: float16 does not go with cpu"):
        open_model(find_model("tiny.en"), Device(kind="cpu", compute_type="float16"))


def test_the_compute_type_and_the_threads_are_those_of_the_settings() -> None:
    opened = open_model(find_model("tiny.en"), Device(kind="cpu", compute_type="float32", cpu_threads=2))
    assert opened.model.model.compute_type == opened.compute_type == "float32"


def test_speech_is_heard_in_batches_on_a_gpu_and_on_the_cpu_where_somebody_says_so() -> None:
    assert (batch_on("cuda", "auto"), batch_on("cpu", "auto")) == (8, 1)
    assert batch_on("cuda", 1) == batch_on("cpu", 1) == 1


def test_where_the_cpu_stands_in_for_a_gpu_the_batch_is_that_of_the_cpu() -> None:
    assert open_model(find_model(""), Device(), a_gpu_whose_libraries_are_missing).batch == 1


@pytest.mark.parametrize(
    ("device", "setting"),
    [
        (Device(kind="cuda"), "STENOLOG_DEVICE"),
        (Device(kind="cpu", compute_type="float16"), "STENOLOG_COMPUTE_TYPE"),
    ],
)
async def test_a_device_that_is_not_there_is_a_wrong_setting(device: Device, setting: str) -> None:
    engine = EngineProcess(
        EngineChoice(
            kind="faster-whisper",
            model="tiny.en",
            device=device.kind,
            compute_type=device.compute_type,
            cpu_threads=device.cpu_threads,
        )
    )
    with pytest.raises(InvalidSetting, match=setting):
        await engine.make_ready()
    assert engine.pid is None
