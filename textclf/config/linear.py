"""The options of the linear baseline."""

from typing import Annotated, Literal

from pydantic import Field

from textclf.config.domains import Choices, Range, SearchSpace
from textclf.config.section import ModelOptions, Positive, PositiveInt


class LinearConfig(ModelOptions):
    """TF-IDF over token n-grams and multinomial logistic regression: the maximum-entropy model."""

    name: Literal["linear"] = "linear"
    """The model."""
    max_ngram: Annotated[int, Field(ge=1, le=3)] = 2
    """Longest n-gram, in tokens; shorter ones count too."""
    min_count: PositiveInt = 1
    """How many training texts an n-gram must stand in."""
    inverse_regularization: Positive = 30.0
    """scikit-learn's `C`: larger fits the training texts more closely."""
    max_iterations: PositiveInt = 1000
    """Most steps of the solver (L-BFGS)."""

    @property
    def learns_in_steps(self) -> bool:
        """False: scikit-learn fits it."""
        return False

    def search_space(self) -> SearchSpace:
        """Return the n-grams that count, and how closely they are fitted."""
        return {
            "model.inverse_regularization": Range(0.1, 1000.0, log=True),
            "model.max_ngram": Choices((1, 2, 3)),
            "model.min_count": Range(1, 3),
        }
