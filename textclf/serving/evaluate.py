"""Scores of a trained or exported classifier on labelled data."""

from collections.abc import Iterable
from pathlib import Path

from textclf.config import Config, dump_config
from textclf.config.files import override
from textclf.data import Split, load_corpus, load_split
from textclf.errors import DataError, RunError
from textclf.evaluation import Evaluation, Scores, confusion_matrix, write_report
from textclf.models.tasks import TASKS
from textclf.serving.classifier import Classifier, load
from textclf.training.run_directory import CONFIG, REPORT, Run


def evaluate(
    model: Run | Classifier | str | Path,
    source: str | None = None,
    *,
    overrides: Iterable[str] = (),
    report_dir: str | Path | None = None,
    force: bool = False,
) -> Scores:
    """Score a classifier on labelled data.

    Args:
        model: A run, an export, or the directory of either.
        source: File, folder or `tfds:NAME`; the test split of the run's own data if None.
        overrides: `dotted.key=value` strings on top of the run's data section, where the source is written
            otherwise than the training data: `data.text_column=body`.
        report_dir: Where `report.html` and its plots are written; no report if None.
        force: Whether a report that stands there is replaced.

    Raises:
        DataError: The data cannot be read or holds labels that the classifier does not know.
        RunError: The report would replace another one.

    Example:
        >>> evaluate("saved_models/quickstart", "sample:test").accuracy  # doctest: +SKIP
        0.83
    """
    if report_dir is not None and (Path(report_dir) / REPORT).exists() and not force:
        raise RunError(f"'{report_dir}' holds a report already. Choose another folder, or replace it with force.")
    if isinstance(model, str | Path):
        model = Run.load(model) if (Path(model) / CONFIG).is_file() else load(model)
    # The run's own format says nothing of another source; its name does.
    formats = [] if source is None else ["data.format=auto"]
    config = Config.make(override(model.config.model_dump(mode="json"), [*formats, *overrides]))
    split = _split(config, source, model.labels)
    targets = TASKS[config.task].encode(split.labels, model.labels)
    probabilities = model.probabilities(split.texts)
    if report_dir is not None:
        evaluation = Evaluation(
            title=config.name,
            split=source or "test",
            labels=model.labels,
            texts=split.texts,
            targets=targets,
            probabilities=probabilities,
            places=split.places,
            config_yaml=dump_config(config),
            facts={"model": str(model.path), "rows": f"{len(split):,}"},
            model=str(model.results.get("model", "")),
            versions=model.results.get("versions", {}),
        )
        write_report(Path(report_dir), evaluation)
    predictions = TASKS[config.task].decide(probabilities)
    return Scores.from_confusion(confusion_matrix(targets, predictions, len(model.labels)), model.labels)


def _split(config: Config, source: str | None, labels: list[str]) -> Split:
    """Return the rows to score, all with labels that the classifier knows."""
    if source is not None:
        return load_split(source, config.data, labels)
    corpus = load_corpus(config.data, config.seed)
    if corpus.test is None:
        raise DataError("The run has no test split (data.test is null). Name labelled data to score: --data FILE.")
    return corpus.test
