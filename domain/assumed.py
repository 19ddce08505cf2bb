"""When a transcript's language is what the model knows, and not what anybody heard or said."""

from domain.languages import Abilities
from domain.transcript import MediaWarning


def language_warnings(
    told: str | None, abilities: Abilities, duration_seconds: float
) -> tuple[MediaWarning, ...]:
    """One of the whole recording where nobody said its language and the model, knowing but one, took that for it."""
    if told is not None or len(abilities.languages) != 1:
        return ()
    return (MediaWarning(code="language_assumed", from_seconds=0.0, to_seconds=duration_seconds),)
