"""The base of every part of a config: typed, frozen, and strict about names and types."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

PositiveInt = Annotated[int, Field(ge=1)]
NonNegativeInt = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0.0)]
NonNegative = Annotated[float, Field(ge=0.0)]
Portion = Annotated[float, Field(ge=0.0, lt=1.0)]
"""A share of a whole that is never all of it."""


class Section(BaseModel):
    """A part of a run's config.

    An unknown key is an error, so that a typing mistake never turns into a default; `"5"` is not
    5; and a section never changes once it is made. The string under a field is its description
    and states its unit: `textclf init` writes it into the file as a comment.
    """

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        protected_namespaces=(),
    )


class ModelOptions(Section):
    """The options of a model; `name` is the one that it is registered under."""

    name: str
    """The model."""

    def defaults(self) -> dict[str, dict[str, Any]]:
        """Return the fields of `text` and `training` whose defaults are others for this model, by section."""
        return {}

    def doubts(self, training: Any) -> list[str]:
        """Return warnings of what a `TrainingConfig` would hardly learn anything good with."""
        del training
        return []
