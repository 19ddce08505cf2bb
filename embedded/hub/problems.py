"""What keeps a model from being fetched, in one line that says what to do."""

from infrastructure.mendable import Mendable


class ModelNotFetched(Mendable):
    """Nothing is in the model's place that was not there before."""
