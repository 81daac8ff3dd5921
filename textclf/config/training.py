"""How a model learns: optimizer, schedule, stopping, and what is written on the way."""

from typing import Literal

from pydantic import field_validator

from textclf.config.scores import SCORES, unknown_score
from textclf.config.section import NonNegative, NonNegativeInt, Portion, Positive, PositiveInt, Section


class TrainingConfig(Section):
    """The training loop's settings."""

    epochs: PositiveInt = 20
    """Most passes over the training split."""
    batch_size: PositiveInt = 64
    """Texts in a step, over all devices together."""
    learning_rate: Positive = 1e-3
    """Highest step size of AdamW (Loshchilov & Hutter 2019)."""
    schedule: Literal["constant", "linear", "cosine"] = "linear"
    """How the learning rate goes from its highest value to zero at the last step; constant stays."""
    warmup: Portion = 0.0
    """Share of all steps over which the learning rate rises from zero (0 to 1)."""
    weight_decay: NonNegative = 0.0
    """AdamW's decoupled weight decay, per step and unit of learning rate; biases and normalization are not decayed."""
    clip_norm: NonNegative = 1.0
    """Largest global norm of the gradient; a longer one is scaled down; 0 turns it off."""
    label_smoothing: Portion = 0.0
    """Share of the target's probability spread over all classes (0 to 1; Szegedy et al. 2016)."""
    monitor: str = "macro_f1"
    """Score on dev that picks the best weights and stops early: macro_f1, accuracy, weighted_f1, …"""
    patience: NonNegativeInt = 5
    """Evaluations without a better score before training stops; 0 never stops early."""
    evaluate_every: NonNegativeInt = 0
    """Steps between evaluations on dev; 0 evaluates at the end of every epoch."""
    class_weights: Literal["balanced"] | dict[str, Positive] | None = None
    """Weight of each label's loss: balanced gives all labels the same sum over train, a mapping gives some labels
    other weights than 1; null gives each text the same."""
    lazy_embeddings: bool = False
    """Whether a step moves the vectors of its own tokens alone (lazy Adam): its time then does not grow with the
    vocabulary. The others' moments rest, so results differ a little."""
    rollback: bool = False
    """Whether a training whose loss is no number any more, or has blown up, goes back to the last checkpoint, or the
    beginning, and on at half the rate, up to three times; otherwise it ends, naming step and rows."""
    num_length_groups: PositiveInt = 20
    """Batches that are filled together from texts sorted by length, so that little padding is computed; 1 turns it
    off."""

    @field_validator("monitor")
    @classmethod
    def _monitor_is_a_score(cls, value: str) -> str:
        """Refuse a misspelt score before anything is read or trained."""
        if value not in SCORES:
            raise ValueError(unknown_score(value))
        return value
