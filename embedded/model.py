"""The model that `stenolog up` works with: found, and put together where that is needed, before anything starts."""

import asyncio

from msgspec.structs import replace

from embedded.supervisor import Say
from inference_worker.faults import ModelMissing
from inference_worker.models import find_model, knows_only_english, name_of
from infrastructure.settings import InvalidSetting, Settings


async def with_model(settings: Settings, say: Say) -> Settings:
    """The settings with the model's folder in them. Raises InvalidSetting.

    The processes are told the folder, since they are not told where the cache is.
    """
    if settings.engine != "faster-whisper":
        return settings
    try:
        model = await asyncio.to_thread(find_model, settings.model)
    except ModelMissing as problem:
        raise InvalidSetting(str(problem)) from problem
    if await asyncio.to_thread(knows_only_english, model):
        say(
            f"the model {name_of(model)} knows English only: other languages are refused, or written down as "
            "English when nobody says which it is"
        )
    return replace(settings, model=str(model))
