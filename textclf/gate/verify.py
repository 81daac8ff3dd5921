"""The load gate: all that can be known of a version before a server loads it."""

import json
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from textclf.errors import ExportError, refusal
from textclf.gate.batching import allowed_batch_sizes, check_batching
from textclf.gate.contract import check_signatures, served, takes_strings
from textclf.gate.graph import check_graph, graph_facts
from textclf.gate.process import Outcome, ask
from textclf.gate.replay import GOLDEN, WARMUP, Asked, plan
from textclf.gate.report import Report
from textclf.gate.warmup import read_warmup
from textclf.savedmodel.files import BATCHING_FILE, EXTRA, GOLDEN_FILE, GRAPH_FILE, LABELS_FILE, WARMUP_FILE
from textclf.savedmodel.golden import Golden, Request, read_golden
from textclf.savedmodel.manifest import check_manifest
from textclf.store.signing import check_signature
from textclf.store.trust import demands
from textclf.store.versions import versions

_MEASURED = {
    "version": "library",
    "load_seconds": "load_seconds",
    "resident_libraries": "resident_libraries_bytes",
    "resident_load": "resident_loaded_bytes",
    "resident_end": "resident_asked_bytes",
}


def verify(path: str | Path) -> Report:
    """Check a version as TensorFlow Serving would load and ask it, in processes without TensorFlow's Python.

    What can be told without running the graph is told first: manifest, ops, signatures, batching file. If the files
    are not those that were exported, or the graph is not one for a server, nothing of it is run. Else it is loaded
    through TensorFlow's C API, replays its warm-up records and its golden requests, and is sent what must not end a
    server.

    Args:
        path: A version's folder, or the model's for its newest version.

    Returns:
        All findings, none if the version may be served, and what was measured.

    Raises:
        ExportError: There is no version.
    """
    path = _version(Path(path))
    report = Report(path, findings=[*check_manifest(path), *_signature_findings(path)])
    report.files = {
        file.relative_to(path).as_posix(): file.stat().st_size for file in sorted(path.rglob("*")) if file.is_file()
    }
    meta_graph = _meta_graph(path, report.findings)
    if meta_graph is None:
        report.skipped = "there is no graph"
        return report
    signatures = served(meta_graph)
    report.graph, report.signatures = graph_facts(meta_graph), list(signatures)
    report.findings += check_graph(meta_graph)
    report.findings += check_signatures(meta_graph, _num_classes(path, report.findings))
    if report.findings:
        report.skipped = "what is found below stands against it"
    ids = not all(takes_strings(signature) for signature in signatures.values())
    report.findings += check_batching(path / BATCHING_FILE, ids)
    warmup, golden = _warmup(path, report.findings), _golden(path, report.findings)
    asked, problems = plan(signatures, warmup, golden, allowed_batch_sizes(path / BATCHING_FILE))
    report.findings += problems
    if not report.skipped:
        _ask(path, asked, report)
    return report


def _signature_findings(path: Path) -> list[str]:
    """Return why a version is not signed as a `trust.yaml` asks; a SavedModel is a program, and is not run unsigned."""
    found = []
    for demand in demands(path):
        try:
            check_signature(path, demand.keys)
        except ExportError as error:
            found.append(str(error))
    return found


def _ask(path: Path, asked: list[Asked], report: Report) -> None:
    """Ask all in a fresh process, and the first golden request again in another that was not warmed up."""
    outcome = ask(path, [request.question for request in asked])
    report.measured = {_MEASURED[name]: value for name, value in outcome.facts.items()}
    if outcome.failure:
        report.findings.append(f"It cannot be loaded: {outcome.failure}.")
        return
    kinds = [request.kind for request in asked]
    report.requests = {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}
    report.findings += _problems(asked, outcome)
    if report.accepted and GOLDEN in kinds:
        first = kinds.index(GOLDEN)
        if WARMUP in kinds:
            report.measured["first_answer_warm_seconds"] = outcome.answers[first].seconds
        cold = ask(path, [asked[first].question])
        if cold.answers:
            report.measured["first_answer_seconds"] = cold.answers[0].seconds


def _problems(asked: list[Asked], outcome: Outcome) -> list[str]:
    problems = []
    for number, (request, answer) in enumerate(zip(asked, outcome.answers, strict=False)):
        if answer.unasked:
            before = asked[number - 1].name if number else "the load"
            problems.append(f"Between {before} and {request.name}, the process {answer.death}. So would the server.")
        else:
            problems += request.problems(answer)
    left = len(asked) - len(outcome.answers)
    if left:
        problems.append(f"{left} requests were left unasked: too many before them ended the process.")
    return problems


def _version(path: Path) -> Path:
    """Return the path itself if it is a version's folder, whole or not, or its newest version."""
    found = versions(path)
    if found:
        return path / str(found[-1])
    if not path.is_dir():
        raise ExportError(f"No export at '{path}'. `textclf export RUN` makes one under saved_models/.")
    if not (path / GRAPH_FILE).exists() and not (path / EXTRA).is_dir():
        raise ExportError(f"'{path}' holds neither a SavedModel nor numbered versions of one.")
    return path


def _meta_graph(path: Path, findings: list[str]) -> Any:
    """Return the graph that a server loads, the one with the tag `serve`; None, with a finding, if there is none."""
    try:
        saved = SavedModel.FromString((path / GRAPH_FILE).read_bytes())
    except (OSError, DecodeError) as error:
        findings.append(f"'{GRAPH_FILE}' cannot be read: {refusal(error)}.")
        return None
    for meta_graph in saved.meta_graphs:
        if list(meta_graph.meta_info_def.tags) == ["serve"]:
            return meta_graph
    findings.append(f"'{GRAPH_FILE}' holds no graph with the tag 'serve', which TensorFlow Serving loads.")
    return None


def _num_classes(path: Path, findings: list[str]) -> int | None:
    try:
        labels = json.loads((path / LABELS_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        findings.append(f"'{LABELS_FILE}' cannot be read: {refusal(error)}.")
        return None
    if not isinstance(labels, list):
        findings.append(f"'{LABELS_FILE}' holds {labels!r:.60}; expected the names of the labels, a JSON list.")
        return None
    return len(labels)


def _warmup(path: Path, findings: list[str]) -> list[Request]:
    try:
        return read_warmup(path / WARMUP_FILE)
    except ExportError as error:
        findings.append(str(error))
        return []


def _golden(path: Path, findings: list[str]) -> Golden:
    if not (path / GOLDEN_FILE).is_file():
        findings.append(f"'{GOLDEN_FILE}' is missing: nothing says what the version answered when it was exported.")
        return Golden()
    try:
        golden = read_golden(path / GOLDEN_FILE)
    except ExportError as error:
        findings.append(str(error))
        return Golden()
    if not golden.requests:
        findings.append(f"'{GOLDEN_FILE}' holds no request: nothing says what the version answered.")
    return golden
