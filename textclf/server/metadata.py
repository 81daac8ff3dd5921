"""What a server tells of its models in JSON: the states of versions, and the signatures of one."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.json_format import MessageToDict
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

from textclf.engine.versions import VersionStatus


def status_json(statuses: Sequence[VersionStatus]) -> bytes:
    """Return `{"model_version_status": […]}`; versions are strings, as JSON has int64."""
    return _json(
        {
            "model_version_status": [
                {
                    "version": str(status.version),
                    "state": status.state.name,
                    "status": {"error_code": status.code.name, "error_message": status.message},
                }
                for status in statuses
            ]
        }
    )


def metadata_json(name: str, version: int, signatures: Mapping[str, SignatureDef]) -> bytes:
    """Return the name, the version and all signatures of a version, with the fields that are empty, too."""
    fields = {alias: _fields(signature) for alias, signature in signatures.items()}
    return _json(
        {
            "model_spec": {"name": name, "signature_name": "", "version": str(version)},
            "metadata": {"signature_def": {"signature_def": fields}},
        }
    )


def _fields(signature: SignatureDef) -> dict[str, Any]:
    return MessageToDict(signature, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


def _json(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode("utf-8", "surrogateescape")
