"""The condition of a version on disk, as far as can be told without reading all of it."""

import json
from pathlib import Path

from textclf.savedmodel.files import GRAPH_FILE, LABELS_FILE, MANIFEST_FILE

NEEDED = (GRAPH_FILE, LABELS_FILE)


def damage(version_path: Path) -> list[str]:
    """Return what is missing of a version, or has another size than its manifest says, a line each.

    Example:
        >>> damage(Path("nowhere"))
        ['saved_model.pb is missing', 'assets.extra/labels.json is missing']
    """
    found = [f"{name} is missing" for name in NEEDED if not (version_path / name).is_file()]
    try:
        sizes = _sizes(version_path / MANIFEST_FILE)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # no UTF-8, no JSON, another one
        return [*found, f"{MANIFEST_FILE} cannot be read"]
    for name, size in sizes.items():
        path = version_path / name
        if not path.is_file():
            found.append(f"{name} is missing")
        elif path.stat().st_size != size:
            found.append(f"{name} has {path.stat().st_size:,} bytes instead of {size:,}")
    return list(dict.fromkeys(found))


def _sizes(manifest: Path) -> dict[str, int]:
    """Return the size of each file that a manifest names; none if there is no manifest."""
    if not manifest.exists():
        return {}
    files = json.loads(manifest.read_text(encoding="utf-8"))["files"]
    return {name: facts["bytes"] for name, facts in files.items()}
