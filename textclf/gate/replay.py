"""What is asked of a loaded version, and what of its answers is a finding."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textclf.errors import listing
from textclf.gate.contract import takes_strings
from textclf.gate.hostile import hostile
from textclf.gate.process import Answer, Question
from textclf.savedmodel.files import BATCHING_FILE
from textclf.savedmodel.golden import Golden, Request
from textclf.savedmodel.signatures import LABEL, LABEL_SCORES, LABELS, MOST_LABELS

WARMUP, GOLDEN, HOSTILE = "warm-up", "golden", "hostile"


@dataclass(frozen=True)
class Asked:
    """A request to a version.

    Attributes:
        kind: `warm-up`, `golden` or `hostile`.
        name: What it is called in a finding.
        signature: The `SignatureDef` that is asked.
        inputs: A tensor an input of the signature.
        expected: The answer, if it is golden.
        tolerance: How far a float of it may be off.
    """

    kind: str
    name: str
    signature: Any
    inputs: Mapping[str, NDArray[Any]]
    expected: Mapping[str, NDArray[Any]] | None = None
    tolerance: float = 0.0

    @property
    def outputs(self) -> list[str]:
        """The names of the outputs that are fetched: those that are expected, or all."""
        return sorted(self.signature.outputs if self.expected is None else self.expected)

    @property
    def question(self) -> Question:
        """The request by the names of the graph's tensors."""
        feeds = {self.signature.inputs[name].name: tensor for name, tensor in self.inputs.items()}
        return Question(feeds, [self.signature.outputs[name].name for name in self.outputs])

    def problems(self, answer: Answer) -> list[str]:
        """Return what is wrong with the answer; a sentence each, empty if nothing."""
        if answer.death:
            return [f"{self.name}: the process {answer.death}. A request like it would end the server."]
        if answer.tensors is None:
            if self.kind == HOSTILE:
                return []
            then = " The server would refuse to load the version." if self.kind == WARMUP else ""
            return [f"{self.name} fails: {answer.error}.{then}"]
        found = dict(zip(self.outputs, answer.tensors, strict=True))
        problems = list(_wrong_values(self.inputs, found))
        if self.expected is not None:
            problems += _differences(self.expected, found, self.tolerance)
        return [f"{self.name}: {problem}." for problem in problems]


def plan(
    signatures: Mapping[str, Any], warmup: Sequence[Request], golden: Golden, sizes: Sequence[int] = ()
) -> tuple[list[Asked], list[str]]:
    """Return what to ask, in its order, and what cannot be asked or is not: warm-up, golden and hostile requests.

    Args:
        signatures: The `SignatureDef`s by name.
        warmup: The warm-up records; none if there is no file to read.
        golden: The golden requests.
        sizes: The batches that the server makes; warm-up records must ask each signature of strings in each.
    """
    asked: list[Asked] = []
    problems: list[str] = []
    for kind, requests in ((WARMUP, warmup), (GOLDEN, golden.requests)):
        for number, request in enumerate(requests, start=1):
            name = f"{'Warm-up record' if kind == WARMUP else 'Golden request'} {number} ('{request.signature}')"
            problem = _mismatch(request, signatures, kind == GOLDEN)
            if problem:
                problems.append(f"{name} {problem}.")
            elif kind == WARMUP:
                asked.append(Asked(kind, name, signatures[request.signature], request.inputs))
            else:
                signature = signatures[request.signature]
                asked.append(Asked(kind, name, signature, request.inputs, request.outputs, golden.tolerance))
    for name, signature in signatures.items():
        if warmup:
            problems += _cold(name, signature, warmup, sizes)
        if golden.requests and all(request.signature != name for request in golden.requests):
            problems.append(f"No golden request asks '{name}'.")
        if signature.inputs and takes_strings(signature):
            asked += [
                Asked(HOSTILE, f"{what[0].upper()}{what[1:]} to '{name}'", signature, inputs)
                for what, inputs in hostile(sorted(signature.inputs))
            ]
    return asked, problems


def _cold(name: str, signature: Any, warmup: Sequence[Request], sizes: Sequence[int]) -> Iterator[str]:
    """Yield what of a signature is not warmed up."""
    asked = [request for request in warmup if request.signature == name]
    if not asked:
        yield f"No warm-up record asks '{name}'."
    elif takes_strings(signature):
        warm = {tensor.shape[:1] for request in asked for tensor in request.inputs.values()}
        if cold := ", ".join(str(size) for size in sizes if (size,) not in warm):
            yield (
                f"No warm-up record asks '{name}' for a batch of {cold}, which '{BATCHING_FILE}' allows: the first "
                "such batch would be slow."
            )


def _mismatch(request: Request, signatures: Mapping[str, Any], is_golden: bool) -> str:
    """Return why a request cannot be asked; an empty string if it can."""
    signature = signatures.get(request.signature)
    if signature is None:
        return f"names a signature that is not there; there are {listing(signatures) or 'none'}"
    if request.inputs.keys() != set(signature.inputs):
        return f"has the inputs {listing(sorted(request.inputs))}; expected {listing(sorted(signature.inputs))}"
    unknown = sorted(request.outputs.keys() - set(signature.outputs))
    if unknown:
        return f"expects outputs that are not there: {listing(unknown)}"
    missing = sorted(set(signature.outputs) - request.outputs.keys()) if is_golden else []
    return f"says nothing of the outputs {listing(missing)}" if missing else ""


def _wrong_values(inputs: Mapping[str, NDArray[Any]], found: Mapping[str, NDArray[Any]]) -> Iterator[str]:
    """Yield what no answer may be: other rows than texts, and floats that JSON has no word for."""
    sizes = {tensor.shape[0] for tensor in inputs.values() if tensor.ndim == 1}
    for name, tensor in found.items():
        if len(sizes) == 1 and tensor.shape[:1] != (*sizes,):
            yield f"'{name}' has the shape {list(tensor.shape)} for a batch of {min(sizes)}"
        if tensor.dtype == np.float32 and not np.isfinite(tensor).all():
            yield f"'{name}' holds NaN or infinity"


def _differences(
    expected: Mapping[str, NDArray[Any]], found: Mapping[str, NDArray[Any]], tolerance: float
) -> Iterator[str]:
    """Yield how an answer differs from the golden one."""
    for name, wanted in expected.items():
        tensor = found[name]
        if tensor.dtype != wanted.dtype or tensor.shape != wanted.shape:
            yield (f"'{name}' is {_described(tensor)}, expected {_described(wanted)}")
        elif wanted.dtype == np.float32:
            # Scores are at most 1; what is larger, as features can be, is as exact as its size allows.
            sizes = np.maximum(np.abs(wanted.astype(np.float64)), 1.0)
            off = float((np.abs(tensor.astype(np.float64) - wanted) / sizes).max(initial=0))
            if not off <= tolerance:
                yield f"'{name}' differs by up to {off:.2g} from what was exported (at most {tolerance:g})"
        elif (differing := (tensor != wanted) & ~_interchangeable(name, expected, tolerance)).any():
            first = int(np.flatnonzero(differing.ravel())[0])
            got, was = _shown(tensor.ravel()[first]), _shown(wanted.ravel()[first])
            yield f"'{name}' holds {got} where {was} was exported"


def _interchangeable(name: str, expected: Mapping[str, NDArray[Any]], tolerance: float) -> NDArray[np.bool_]:
    """Return where another label may stand: where a neighbour's score is as good as equal, or may be, beyond the last.

    Args:
        name: Of an output.
        expected: The golden answer.
        tolerance: How far a score may be off.
    """
    none = np.zeros(expected[name].shape, np.bool_)
    scores = expected.get(LABEL_SCORES)
    if name not in (LABEL, LABELS) or scores is None or LABELS not in expected:
        return none
    near = np.abs(np.diff(scores.astype(np.float64), axis=1)) <= 2 * tolerance  # (rows, k - 1)
    edge = np.zeros((len(scores), 1), np.bool_)
    last = edge | (scores.shape[1] == MOST_LABELS)  # there may be others, which the answer does not name
    found = np.concatenate([edge, near], axis=1) | np.concatenate([near, last], axis=1)  # (rows, k)
    return found[:, 0] if name == LABEL else found


def _described(tensor: NDArray[Any]) -> str:
    dtype = "string" if tensor.dtype == object else str(tensor.dtype)
    return f"{dtype}{list(tensor.shape)}"


def _shown(value: Any) -> str:
    return f"'{value.decode(errors='replace')}'" if isinstance(value, bytes) else str(value)
