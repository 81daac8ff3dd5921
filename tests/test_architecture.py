"""The shape of the package: imports point one way, and files stay short."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import textclf

PACKAGE = Path(textclf.__file__).parent
FILES = sorted(path for path in PACKAGE.rglob("*.py"))

# A package may import those that stand after it.
ORDER = [
    "cli",
    "loadtest",
    "server",
    "engine",
    "serving",
    "gate",
    "store",
    "savedmodel",
    "tuning",
    "runs",
    "tensorboard",
    "training",
    "evaluation",
    "models",
    "text",
    "data",
    "config",
    "client",
    "optional",
    "errors",
    "startup",
    "terminal",
    "writing",
]


def module_of(path: Path) -> str:
    """Return the dotted name of a file's module."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(tree: ast.AST) -> Iterator[str]:
    """Yield the modules that code imports, at its top or in a function, but not for types alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the way they point"
            yield from (f"{node.module}.{name.name}" for name in node.names)
        else:
            yield from imported(node)


def part_of(module: str) -> str | None:
    """Return the part of textclf that a module stands in; None for another's, or for `textclf` itself."""
    package, *rest = module.split(".")
    return rest[0] if package == "textclf" and rest and rest[0] in ORDER else None


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_imports_point_one_way(path: Path) -> None:
    part = part_of(module_of(path))
    found = {part_of(name) for name in imported(ast.parse(path.read_text(encoding="utf-8")))} - {None, part}
    allowed = set(ORDER[ORDER.index(part) + 1 :]) if part else set(ORDER)
    assert found <= allowed, f"{module_of(path)} imports {sorted(found - allowed)}"


def test_every_part_is_in_the_order() -> None:
    parts = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    assert parts <= {*ORDER, "samples"}


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_a_file_can_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_the_library_neither_prints_nor_pickles_nor_asserts(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Assert)]
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert "print" not in calls
    assert not {name for name in imported(tree) if name.split(".")[0] in ("pickle", "dill", "cloudpickle", "joblib")}
