"""The condition of a version on disk: as far as can be told without reading all of it, and after that."""

import json
from pathlib import Path

from textclf.errors import ExportError
from textclf.savedmodel.files import GRAPH_FILE, LABELS_FILE, MANIFEST_FILE
from textclf.savedmodel.manifest import check_manifest

NEEDED = (GRAPH_FILE, LABELS_FILE)


def foreign(version_path: Path) -> str:
    """Return what there is to say of a SavedModel that is not one of textclf's; an empty string if it is, or none.

    A server takes any SavedModel under a number, so such a version is not damaged, and may be what clients get.
    """
    ours = (version_path / name for name in (LABELS_FILE, MANIFEST_FILE))
    if not (version_path / GRAPH_FILE).is_file() or any(path.exists() for path in ours):
        return ""
    return (
        "it is a SavedModel, but not one of textclf's, which cannot load it. A server does, and answers requests "
        "without a label with it if it is the newest. Take it out of the server's sight: "
        f"textclf retire {version_path.parent.name} {version_path.name}"
    )


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


def check_whole(version_path: Path) -> None:
    """Refuse a version that lacks something, or of which a byte is not as its manifest says, if it has one.

    Raises:
        ExportError: With the first thing that was found.
    """
    found = damage(version_path)
    if not found and (version_path / MANIFEST_FILE).exists():
        found = check_manifest(version_path)
    if found:
        raise ExportError(
            f"'{version_path}' is damaged: {found[0].removesuffix('.')}. Bring it back from a backup, or export the "
            "run again."
        )


def _sizes(manifest: Path) -> dict[str, int]:
    """Return the size of each file that a manifest names; none if there is no manifest."""
    if not manifest.exists():
        return {}
    files = json.loads(manifest.read_text(encoding="utf-8"))["files"]
    return {name: facts["bytes"] for name, facts in files.items()}
