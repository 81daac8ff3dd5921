"""The base of every part of a config: typed, frozen, and strict about names and types."""

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from textclf.config.domains import SearchSpace
from textclf.errors import listing

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


_OF_STEPS = tuple(
    f"compute.{name}"
    for name in ("accumulate", "steps_per_call", "mixed_precision", "xla", "num_lengths", "profile_steps")
)


class ModelOptions(Section):
    """The options of a model; `name` is the one that it is registered under."""

    length_fields: ClassVar[str] = "text.max_tokens"
    """The fields that say what becomes of a long text, as a message names them."""
    least_of_pairs: ClassVar[int] = 3
    """Tokens of the shortest pair that says anything: one of each text, and those around and between them."""

    name: str
    """The model."""

    @property
    def learns_in_steps(self) -> bool:
        """Whether the training loop fits the model, as `training` says; if not, a solver does, in one go."""
        return True

    @property
    def not_compilable(self) -> str | None:
        """The option, as `model.field=value`, with which XLA cannot compile the graph, or None.

        That is one with which shapes in the graph follow from the texts, and not from the batch's shape alone.
        """
        return None

    @property
    def weights(self) -> str:
        """Where the weights come from and what licence they have, a sentence for a model card."""
        return "Trained from the first weight on the data below; no weights of others."

    @property
    def not_of_pairs(self) -> str | None:
        """The option, as `model.field=value`, with which the model cannot read pairs of texts, or None."""
        return None

    def idle(self) -> set[str]:
        """Return the options that count nothing beside what the others say; a resolved config leaves them out."""
        return set()

    def check_files(self) -> None:
        """Refuse, before TensorFlow's seconds of start-up, what the options name and this machine has not.

        Raises:
            ConfigError: A file or a folder is missing.
        """

    def defaults(self) -> dict[str, dict[str, Any]]:
        """Return the fields of `text` and `training` whose defaults are others for this model, by section."""
        return {}

    def search_space(self) -> SearchSpace:
        """Return what `textclf tune` tries, by the dotted path of the field: of `model`, `text` or `training`."""
        return {}

    def unused_fields(self) -> dict[str, str]:
        """Return which fields of `text` and `compute` count nothing for this model, by their paths, and why."""
        return {} if self.learns_in_steps else dict.fromkeys(_OF_STEPS, "a solver fits it in one go")

    def doubts(self, config: Any) -> list[str]:
        """Return warnings of what a `Config` says to no purpose, or would hardly learn anything good with."""
        found = []
        given = sorted(config.training.model_fields_set)
        if given and not self.learns_in_steps:
            found.append(
                f"What the training section says counts nothing for this model, which a solver fits in one go: "
                f"{listing(given, most=3)}."
            )
        for path, reason in self.unused_fields().items():
            section, name = path.split(".")
            fields = getattr(config, section)
            value = getattr(fields, name)
            if value != type(fields).model_fields[name].default:
                found.append(f"{path}={value} counts nothing for this model: {reason}.")
        return found
