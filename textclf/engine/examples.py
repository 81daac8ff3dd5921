"""The `tf.train.Example`s that a request of Classify, Regress or MultiInference carries."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tensorflow_serving.apis.input_pb2 import Input


def serialized_examples(sent: "Input") -> list[bytes]:
    """Return the serialized examples of a request, each behind the context if there is one; none if it has none."""
    if sent.WhichOneof("kind") == "example_list_with_context":
        with_context = sent.example_list_with_context
        context = with_context.context.SerializeToString()
        # Protobuf merges what stands one behind the other.
        return [context + example.SerializeToString() for example in with_context.examples]
    return [example.SerializeToString() for example in sent.example_list.examples]
