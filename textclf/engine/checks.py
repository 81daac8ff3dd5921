"""What a signature must be, and a request must bring, before it is run; as TensorFlow Serving words it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from google.protobuf import text_format
from numpy.typing import NDArray
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

from textclf.engine.errors import invalid
from textclf.engine.servable import Servable
from textclf.engine.tensor_protos import TensorProtos

DEFAULT_SIGNATURE = "serving_default"
"""The signature of a request that names none."""


def input_values(signature: SignatureDef, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return the tensor of each input, the signature's default where the request has none."""
    needed, given, defaults = set(signature.inputs), set(feeds), TensorProtos(signature.defaults)
    if len(given) > len(needed) or (len(given) < len(needed) and not defaults):
        raise invalid(
            f"input size does not match signature: {len(given)}!={len(needed)} len({{{_joined(given)}}}) != "
            f"len({{{_joined(needed)}}}). Sent extra: {{{_joined(given - needed)}}}. "
            f"Missing but required: {{{_joined(needed - given)}}}."
        )
    values = {}
    for alias in sorted(needed):
        if alias not in feeds and alias not in defaults:
            raise invalid(
                f"Signature input alias: {alias}(feed name: {signature.inputs[alias].name}) not found in request and "
                f"no default value provided. Inputs expected to be in the request {{{_joined(given)}}}, or default "
                f"input alias set: {_joined(defaults)}"
            )
        values[alias] = feeds[alias] if alias in feeds else defaults[alias]
    if given - needed:
        raise invalid(
            f"Inputs contains invalid name. Used request inputs: {_joined(given & needed)}, "
            f"request input: {_joined(given)}"
        )
    return values


def check_filter(signature: SignatureDef, output_filter: Sequence[str]) -> None:
    """Refuse outputs that the signature does not have, and one that is named twice."""
    seen = set()
    for alias in output_filter:
        if alias not in signature.outputs:
            raise invalid(
                f"output tensor alias not found in signature: {alias} Outputs expected to be in the set "
                f"{{{_joined(signature.outputs)}}}."
            )
        if alias in seen:
            raise invalid(f"duplicate output tensor alias: {alias}")
        seen.add(alias)


def find_signature(servable: Servable, name: str, unknown: str) -> SignatureDef:
    """Return the signature of a name, `serving_default` if it is empty; what is not found ends the message."""
    name = name or DEFAULT_SIGNATURE
    if name not in servable.signatures:
        raise invalid(unknown + name)
    return servable.signatures[name]


def classify_outputs(signature: SignatureDef) -> list[str]:
    """Return the outputs to ask for, once the signature is found to be one that classifies."""
    if len(signature.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    if len(signature.outputs) not in (1, 2):
        raise invalid(f"Expected one or two output Tensors, found {len(signature.outputs)}")
    if "inputs" not in signature.inputs:
        raise invalid(f"No classification inputs found in SignatureDef: {_quoted(signature)}")
    outputs = [alias for alias in ("classes", "scores") if alias in signature.outputs]
    if not outputs:
        raise invalid(
            'Expected classification signature outputs to contain at least one of "classes" or "scores". '
            f"Signature was: {_quoted(signature)}"
        )
    return outputs


def regress_outputs(signature: SignatureDef) -> list[str]:
    """Return the output to ask for, once the signature is found to be one that regresses."""
    if len(signature.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    if len(signature.outputs) != 1:
        raise invalid("Expected one output Tensor.")
    if "inputs" not in signature.inputs:
        raise invalid(f"No regression inputs found in SignatureDef: {_quoted(signature)}")
    if "outputs" not in signature.outputs:
        raise invalid(f"No regression outputs found in SignatureDef: {_quoted(signature)}")
    return ["outputs"]


def _joined(names: Iterable[str]) -> str:
    return ",".join(sorted(names))


def _quoted(signature: SignatureDef) -> str:
    """Return a signature as a message quotes it."""
    return str(text_format.MessageToString(signature))
