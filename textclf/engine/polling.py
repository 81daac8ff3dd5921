"""Which versions of a model are to be loaded: those under its base path that the policy of its config asks for."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tensorflow_serving.config.model_server_config_pb2 import ModelConfig

_NUMBER = re.compile(r"[+-]?[0-9]+")
_MOST = 2**63


def wanted_versions(config: "ModelConfig") -> dict[int, Path]:
    """Return the folders of the versions that are to be loaded, by their numbers.

    As TensorFlow Serving does, it takes whatever is named as an int64 is written, `0007` too; if two names are the same
    number, the last one in their order.

    Args:
        config: Base path and version policy: the latest (one if it does not say how many), all, or specific ones.

    Raises:
        OSError: The base path cannot be read; what is loaded then stays.
    """
    if "://" in config.base_path:
        raise OSError(f"'{config.base_path}' is no folder of this machine. Mount it, or copy it here")
    names = sorted(path.name for path in Path(config.base_path).iterdir())
    there = {int(name): Path(config.base_path) / name for name in names if _is_version(name)}
    policy = config.model_version_policy
    kind = policy.WhichOneof("policy_choice")
    if kind == "all":
        return there
    if kind == "specific":
        return {version: path for version, path in there.items() if version in policy.specific.versions}
    latest = sorted(there)[-max(policy.latest.num_versions, 1) :]
    return {version: there[version] for version in latest}


def _is_version(name: str) -> bool:
    return _NUMBER.fullmatch(name) is not None and -_MOST <= int(name) < _MOST
