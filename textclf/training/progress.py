"""What the terminal shows of a training, as an ordinary Keras callback."""

import sys
from typing import Any

import keras
from tqdm.auto import tqdm

from textclf.config import Config, TrainingConfig
from textclf.training.state import TrainingState


def announce(config: Config, num_texts: int, num_dev: int) -> None:
    """Say on standard error what is about to be learnt: the first line of an evaluation may be minutes away.

    Args:
        config: The run.
        num_texts: Texts of train.
        num_dev: Texts of dev.
    """
    training = config.training
    steps = -(-num_texts // training.batch_size)
    epochs = f"{training.epochs} epoch{'' if training.epochs == 1 else 's'}"
    how = f"{epochs} of {steps:,} step{'' if steps == 1 else 's'}"
    how = how if config.model.learns_in_steps else "fitted in one go"
    line = f"{config.model.name}: train has {num_texts:,} texts, dev {num_dev:,}; {how}."
    tqdm.write(line, file=sys.stderr)


class ProgressBar(keras.callbacks.Callback):
    """A bar on standard error with loss, speed and the best score, and a line an evaluation.

    Args:
        state: The trainer's state.
        training: The run's config of training: the score that is shown, and the patience.
    """

    reads_tensors = True

    def __init__(self, state: TrainingState, training: TrainingConfig) -> None:
        """Wait for the training to begin."""
        super().__init__()
        self._state, self._monitor, self._patience = state, training.monitor, training.patience
        self._bar: Any = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Start the epoch's bar; where there is no terminal only the lines of the evaluations are written."""
        del logs
        title = f"epoch {epoch + 1}/{self.params['epochs']}"
        self._close()
        self._bar = tqdm(
            total=self.params["steps"],
            initial=self._state.batch,  # not 0 where a training goes on, or back
            desc=title,
            unit=" steps",
            leave=False,
            disable=None,
        )

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Move the bar; the loss is read now and then, since reading waits for the device."""
        if batch % 10 == 0 and logs and not self._bar.disable:
            shown = {"loss": f"{float(logs['loss']):.3f}"}
            if self._state.history:
                shown[f"best {self._monitor}"] = f"{self._state.best_score:.4f}"
            self._bar.set_postfix(shown, refresh=False)
        self._bar.update()

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        """Write a line for an evaluation."""
        del logs
        record = self._state.history[-1]
        tqdm.write(
            f"epoch {record['epoch']:>3}  step {record['step']:>6}  loss {record['train_loss']:.3f}  "
            f"dev loss {record['dev_loss']:.3f}  dev {self._monitor} {record['dev'][self._monitor]:.4f}  "
            f"{record['examples_per_second']:,.0f} texts/s",
            file=sys.stderr,
        )

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Take the bar away."""
        del epoch, logs
        self._close()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Take the bar away after an interruption too, and say so if patience has ended the training."""
        del logs
        self._close()
        state = self._state
        if self._patience and state.evaluations_since_best >= self._patience and state.epoch < self.params["epochs"]:
            tqdm.write(
                f"Stopped early (training.patience={self._patience}): no evaluation after that of step "
                f"{state.best_step} was better; its weights are kept.",
                file=sys.stderr,
            )

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
