"""When a training is written down so that it can go on after a kill."""

from textclf.config.section import NonNegative, NonNegativeInt, PositiveInt, Section


class CheckpointsConfig(Section):
    """When checkpoints are written, and how many stay."""

    minutes: NonNegative = 5.0
    """Minutes from a checkpoint to the next; 0 turns them off."""
    steps: NonNegativeInt = 0
    """Steps from a checkpoint to the next, beside those by the clock; 0 turns them off."""
    keep: PositiveInt = 2
    """Checkpoints that stay, the newest ones; a finished run has none."""
