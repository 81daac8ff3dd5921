"""Scores of a trained or exported classifier on labelled data."""

import logging
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from textclf.config import Config, dump_config
from textclf.config.files import override
from textclf.data import Split, load_corpus, load_split, problems
from textclf.errors import ConfigError, DataError, ExportError, RunError, did_you_mean, listing
from textclf.evaluation import Evaluation, Scores, confusion_matrix, write_report
from textclf.models.tasks import TASKS
from textclf.runs.directory import Run
from textclf.runs.files import PLOTS_FOLDER, REPORT_FILE, is_run, way_back
from textclf.serving.classifier import Classifier, load
from textclf.store.versions import SEALED, sealed_versions, versions
from textclf.training.summary import facts

logger = logging.getLogger(__name__)

_WRITTEN = (
    "format",
    "delimiter",
    "text_column",
    "pair_column",
    "label_column",
    "header",
    "quoting",
    "encoding",
    "bad_rows",
)
_OTHERWISE = " Bring the data back, or name labelled data that it was not trained on: --data FILE."
OVERRIDES = tuple(f"data.{field}" for field in _WRITTEN)
"""What may be said of a source: how it is written, and nothing of how it is cut."""


def evaluate(
    model: Run | Classifier | str | Path,
    source: str | None = None,
    *,
    overrides: Iterable[str] = (),
    report_dir: str | Path | None = None,
    force: bool = False,
) -> Scores:
    """Score a classifier on labelled data.

    Without a source it is the run's own test split, if its data are still those that it was trained on: were
    they not, the split would be cut anew, and rows that were trained on would be scored. Rows that are
    dropped (`data.bad_rows=drop`) are logged, with their number.

    Args:
        model: A run, an export, or the directory of either.
        source: File, folder or `tfds:NAME`; the test split of the run's own data if None.
        overrides: `dotted.key=value` strings that say how the source is written where it is written otherwise
            than the training data, such as `data.text_column=body`; see `OVERRIDES`.
        report_dir: Where `report.html` and its plots are written; no report if None.
        force: Whether a report that stands there, or its plots, are replaced.

    Raises:
        ConfigError: An override is none of `OVERRIDES`, or there is no source that it could be of.
        DataError: The data cannot be read, have changed since the training, or hold labels that the classifier
            does not know.
        ExportError: There is neither a run nor an export.
        RunError: The report would replace another one, or the run is damaged.

    Example:
        >>> scores = evaluate("saved_models/quickstart", "sample:test")
        >>> scores.support, scores.accuracy > 0.7
        (324, True)
    """
    overrides = list(overrides)
    _check_overrides(overrides, source)
    if report_dir is not None and not force:
        _refuse_to_replace(Path(report_dir))
    if isinstance(model, str | Path):
        model = _load(Path(model))
    split = own_test_split(model) if source is None else _source_split(model, source, overrides)
    task = TASKS[model.config.task]
    targets = task.encode(split.labels, model.labels)
    probabilities = _probabilities(model, split)
    if report_dir is not None:
        write_report(Path(report_dir), _evaluation(model, split, targets, probabilities, source, overrides))
    confusion = confusion_matrix(targets, task.decide(probabilities), len(model.labels))
    return Scores.from_confusion(confusion, model.labels)


def _refuse_to_replace(report_dir: Path) -> None:
    for name, what in ((REPORT_FILE, "a report"), (PLOTS_FOLDER, "plots of a report")):
        if (report_dir / name).exists():
            raise RunError(f"'{report_dir}' holds {what} already. Choose another folder, or replace it with force.")


def _check_overrides(overrides: Sequence[str], source: str | None) -> None:
    """Refuse what would cut the data otherwise than training did: rows that were trained on would be scored."""
    if overrides and source is None:
        raise ConfigError(
            f"Got {listing(overrides)}, but no labelled data. The run's own test split is scored as training cut it; "
            "overrides say how other data is written. Name that data (--data FILE), or take the overrides out."
        )
    for text in overrides:
        key = text.partition("=")[0]
        if key not in OVERRIDES:
            raise ConfigError(
                f"--set {key}: unknown key, or one that says nothing of how labelled data is written; expected one of "
                f"{listing(OVERRIDES)}.{did_you_mean(key, OVERRIDES)}"
            )


def _load(path: Path) -> Run | Classifier:
    if is_run(path):
        return Run.load(path)
    is_version = (path / "saved_model.pb").is_file() or path.name.endswith(SEALED)
    if not is_version and not versions(path) and not sealed_versions(path):
        raise ExportError(
            f"No run or export at '{path}'. `textclf train` makes a run under runs/, `textclf export RUN` an export "
            f"under saved_models/.{way_back(path)}"
        )
    return load(path)


def own_test_split(model: Run | Classifier, otherwise: str = _OTHERWISE) -> Split:
    """Return the test split that training made, or refuse: another one may hold rows that were trained on.

    Args:
        model: What was trained.
        otherwise: What messages say that can be done if the data changed, for those who can do something else.
    """
    corpus = load_corpus(model.config.data, model.config.seed)
    if corpus.test is None:
        raise DataError("The run has no test split (data.test is null). Name labelled data to score: --data FILE.")
    recorded = model.results.get("data_fingerprint")
    if recorded is None:
        logger.warning(
            "'%s' has no record of the data that it was trained on. If they changed since, rows that were trained on "
            "may be scored.",
            model.path,
        )
    elif recorded != corpus.fingerprint:
        raise DataError(
            f"The data changed since '{model.path}' was trained on it: expected the fingerprint {recorded[:12]}…, got "
            f"{corpus.fingerprint[:12]}…. Its test split cannot be cut again without rows that were trained on."
            f"{otherwise}"
        )
    if corpus.bad_rows:
        logger.warning("Dropped: %s", problems.report(corpus.bad_rows, corpus.labels))
    unknown = sorted(set(corpus.test.labels) - set(model.labels))
    if unknown:
        raise DataError(
            f"The test split holds labels that the classifier does not know: {listing(unknown)}. The data changed "
            f"since the training.{otherwise}"
        )
    return corpus.test


def _source_split(model: Run | Classifier, source: str, overrides: Sequence[str]) -> Split:
    """Return the rows of a source; what the overrides do not say of it is as in the training data."""
    # The run's own format says nothing of another source; its name does.
    values = {"data": model.config.data.model_dump(mode="json") | {"format": "auto"}}
    config = Config.make(override(values, overrides))
    trained, given = model.config.data.pair_column, config.data.pair_column
    if (trained is None) != (given is None):
        raise ConfigError(
            f"data.pair_column={'null' if given is None else given} asks for {_kind(given)}, but '{model.path}' was "
            f"trained on {_kind(trained)} (data.pair_column={'null' if trained is None else trained})."
        )
    return load_split(source, config.data, model.labels)


def _kind(pair_column: str | None) -> str:
    return "single texts" if pair_column is None else "pairs of texts"


def _probabilities(model: Run | Classifier, split: Split) -> NDArray[np.float32]:
    """Return every label's score for each row, float32[rows, labels]."""
    return model.probabilities(split.texts, pairs=split.pairs)


def _evaluation(
    model: Run | Classifier,
    split: Split,
    targets: NDArray[np.int32],
    probabilities: NDArray[np.float32],
    source: str | None,
    overrides: Sequence[str],
) -> Evaluation:
    """Return what the report shows of a split.

    Args:
        model: What was scored.
        split: The rows.
        targets: int32[rows], their classes.
        probabilities: float32[rows, classes], the model's answers.
        source: Where the rows come from; None if they are the run's own.
        overrides: How the source is written.
    """
    command = ""
    if source is not None:
        words = ["textclf", "evaluate", str(model.path), "--data", source]
        command = shlex.join(words + [word for text in overrides for word in ("--set", text)])
    return Evaluation(
        title=model.config.name,
        split=source or "test",
        labels=model.labels,
        texts=split.texts,
        pairs=split.pairs,
        targets=targets,
        probabilities=probabilities,
        places=split.places,
        history=model.results.get("history"),
        config_yaml=dump_config(model.config),
        facts=facts(model.results) | {"read from": str(model.path)},
        versions=model.results.get("versions", {}),
        other_scores=_other_scores(model, source),
        model=model.config.model.name,
        command=command,
        temperature=model.results.get("calibration", {}).get("temperature", 1.0),
    )


def _other_scores(model: Run | Classifier, source: str | None) -> dict[str, Scores]:
    """Return what training measured on the run's own splits."""
    measured = {name: Scores.from_json(scores) for name, scores in model.results.get("scores", {}).items()}
    if source is None:
        return {name: scores for name, scores in measured.items() if name != "test"}
    return {f"the run's own {name}": scores for name, scores in measured.items()}
