"""What a loaded version is asked over REST and over gRPC alike, with the checks and messages of TensorFlow Serving.

They are those of `servables/tensorflow` (`predict_util.cc`, `classifier.cc`, `regressor.cc`, `multi_inference.cc`) and
of `saved_model::GetInputValues`. A signature's method name is not looked at, only its keys.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from textclf.engine.checks import (
    DEFAULT_SIGNATURE,
    check_filter,
    classify_outputs,
    find_signature,
    input_values,
    regress_outputs,
)
from textclf.engine.errors import Code, RequestError, invalid
from textclf.engine.results import Classifications, Regressions, classifications, regressions
from textclf.engine.runner import Runner
from textclf.engine.servable import Servable

if TYPE_CHECKING:
    from tensorflow_serving.apis.inference_pb2 import MultiInferenceRequest

CLASSIFY = "tensorflow/serving/classify"
REGRESS = "tensorflow/serving/regress"


class Task(NamedTuple):
    """One of the questions of a MultiInference.

    Attributes:
        model: The name of the model; all tasks must name the same.
        signature: The name of the signature; empty for `serving_default`.
        method: `CLASSIFY` or `REGRESS`.
    """

    model: str
    signature: str
    method: str


def tasks_of(request: "MultiInferenceRequest") -> list[Task]:
    """Return the questions of a request."""
    return [Task(each.model_spec.name, each.model_spec.signature_name, each.method_name) for each in request.tasks]


async def predict(
    runner: Runner,
    servable: Servable,
    signature_name: str,
    feeds: Mapping[str, NDArray[Any]],
    output_filter: Sequence[str] = (),
) -> dict[str, NDArray[Any]]:
    """Run a signature.

    Args:
        runner: What runs it.
        servable: The version; leased as long as this takes.
        signature_name: Empty for `serving_default`.
        feeds: A tensor by the alias of the input. An alias is read only once those before it are found good.
        output_filter: The aliases of the outputs that are wanted; all if empty.

    Returns:
        The tensors by the aliases of the outputs.

    Raises:
        RequestError: FAILED_PRECONDITION for an unknown signature, INVALID_ARGUMENT for inputs or outputs that do not
            fit it, what TensorFlow says of the values, or what the runner says of the load.
    """
    name = signature_name or DEFAULT_SIGNATURE
    signature = servable.signatures.get(name)
    if signature is None:
        raise RequestError(Code.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')
    values = input_values(signature, feeds)
    check_filter(signature, output_filter)
    return await runner.run(servable, name, values, list(output_filter) or sorted(signature.outputs))


async def classify(
    runner: Runner, servable: Servable, signature_name: str, examples: Sequence[bytes]
) -> Classifications:
    """Classify with a signature `inputs` → `classes` and `scores`, or one of both.

    Args:
        runner: What runs it.
        servable: The version; leased as long as this takes.
        signature_name: Empty for `serving_default`.
        examples: Serialized `tf.train.Example`s.

    Returns:
        The classes of each example. A label is empty and a score 0 where the signature has none; bytes of a label that
        are no UTF-8 are kept as surrogates.

    Raises:
        RequestError: INVALID_ARGUMENT for an unknown signature or other keys, no examples, or outputs of another shape
            or dtype; what TensorFlow says of the examples; what the runner says of the load.
    """
    signature = find_signature(servable, signature_name, "No signature was found with the name: ")
    outputs = classify_outputs(signature)
    return classifications(await _run_examples(runner, servable, signature_name, examples, outputs), len(examples))


async def regress(runner: Runner, servable: Servable, signature_name: str, examples: Sequence[bytes]) -> Regressions:
    """Regress with a signature `inputs` → `outputs`; takes and raises what `classify` does.

    Returns:
        The value of each example.
    """
    signature = find_signature(servable, signature_name, "No signature was found with the name: ")
    outputs = regress_outputs(signature)
    return regressions(await _run_examples(runner, servable, signature_name, examples, outputs), len(examples))


async def multi_inference(
    runner: Runner, servable: Servable, tasks: Sequence[Task], examples: Sequence[bytes]
) -> list[Classifications | Regressions]:
    """Classify and regress the same examples with several signatures of one version.

    All tasks are checked before the first one runs.

    Returns:
        A result for each task, `Classifications` or `Regressions` by its method.

    Raises:
        RequestError: As `classify`; UNIMPLEMENTED for another method.
    """
    wanted = _outputs_of_tasks(servable, tasks)
    results: list[Classifications | Regressions] = []
    for task, outputs in zip(tasks, wanted, strict=True):
        tensors = await _run_examples(runner, servable, task.signature, examples, outputs)
        read = classifications if task.method == CLASSIFY else regressions
        results.append(read(tensors, len(examples)))
    return results


def _outputs_of_tasks(servable: Servable, tasks: Sequence[Task]) -> list[list[str]]:
    """Return the outputs that each task asks for, once all are found good."""
    wanted, seen = [], set()
    for task in tasks:
        if not task.model:
            raise invalid("Found ModelSpec with an empty model name.")
        if task.model != tasks[0].model:
            raise invalid("All ModelSpecs in a MultiInferenceRequest must access the same model name.")
        name = task.signature or DEFAULT_SIGNATURE
        if name in seen:
            raise invalid(f"Duplicate evaluation of signature: {name}")
        seen.add(name)
        signature = find_signature(servable, name, "Requested signature not found in model graph: ")
        if task.method not in (CLASSIFY, REGRESS):
            raise RequestError(Code.UNIMPLEMENTED, f"Unsupported signature method_name: {task.method}")
        wanted.append(classify_outputs(signature) if task.method == CLASSIFY else regress_outputs(signature))
    return wanted


async def _run_examples(
    runner: Runner, servable: Servable, signature_name: str, examples: Sequence[bytes], outputs: Sequence[str]
) -> dict[str, NDArray[Any]]:
    if not examples:
        raise invalid("Input is empty.")
    tensor = np.empty(len(examples), object)
    tensor[:] = examples
    return await runner.run(servable, signature_name or DEFAULT_SIGNATURE, {"inputs": tensor}, outputs)
