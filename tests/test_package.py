"""The package as others get it: the wheel, installed elsewhere, works; and importing it costs nothing."""

import ast
import itertools
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def python(*arguments: str, cwd: Path, path: Path | None = None) -> str:
    """Run Python elsewhere, and return what it prints."""
    environment = {**os.environ, "PYTHONPATH": str(path)} if path else os.environ
    done = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize(
    "program",
    [
        "import textclf",
        "from textclf.cli.main import main",
        "import textclf.evaluation",
        "import textclf.runs.files",
        "import textclf.store.sealing, textclf.store.signing, textclf.store.trust",
    ],
)
def test_the_import_is_light(program: str, tmp_path: Path) -> None:
    heavy = "{'tensorflow', 'keras', 'sklearn', 'matplotlib', 'scipy', 'pyarrow'}"
    assert python("-c", f"{program}; import sys; print({heavy} & sys.modules.keys())", cwd=tmp_path).strip() == "set()"


def test_a_clone_beside_a_script_does_not_hide_the_package(tmp_path: Path) -> None:
    (tmp_path / "textclf").mkdir()
    assert python("-c", "import textclf; print(textclf.__version__)", cwd=tmp_path).strip()


def requirements() -> set[str]:
    """Return the names of the distributions that setup.py declares, extras included."""
    call = next(
        node
        for node in ast.walk(ast.parse((ROOT / "setup.py").read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "setup"
    )
    options = {word.arg: word.value for word in call.keywords}
    extras = ast.literal_eval(options["extras_require"]).values()
    lines = itertools.chain(ast.literal_eval(options["install_requires"]), *extras)
    return {normalized(re.split("[<>=!~]", line)[0]) for line in lines}


def normalized(name: str) -> str:
    """Return a distribution's name as package indexes compare it."""
    return re.sub("[-_.]+", "-", name).lower()


def third_party_imports(path: Path) -> Iterator[str]:
    """Yield the top-level packages that a file imports anywhere, by statement or by `import_optional`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        modules: list[str] = []
        if isinstance(node, ast.Import):
            modules = [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [str(node.module)]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_optional", "import_module")):
            modules = [node.args[0].value] if isinstance(node.args[0], ast.Constant) else []
        packages = {module.partition(".")[0] for module in modules}
        yield from packages - sys.stdlib_module_names - {"textclf"}


def test_everything_that_is_imported_is_declared() -> None:
    imported = {package for path in (ROOT / "textclf").rglob("*.py") for package in third_party_imports(path)}
    assert {"scipy", "pyarrow", "tensorflow_datasets", "yaml"} <= imported
    names = packages_distributions()
    distributions = {package: set(map(normalized, names.get(package, [package]))) for package in imported}
    assert {package for package, of in distributions.items() if not of & requirements()} == set()


def test_every_public_name_is_there() -> None:
    import textclf

    assert sorted(textclf.__all__) == textclf.__all__
    assert all(getattr(textclf, name) is not None for name in textclf.__all__)
    assert set(dir(textclf)) >= set(textclf.__all__)
    with pytest.raises(AttributeError, match="module 'textclf' has no attribute 'trian'"):
        _ = textclf.trian


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy: setuptools writes beside the sources."""
    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "textclf", source / "textclf", ignore=shutil.ignore_patterns("__pycache__", ".*"))
    options = ["--no-deps", "--no-build-isolation", "--quiet", "--disable-pip-version-check"]
    python("-m", "pip", "wheel", ".", *options, "--wheel-dir", str(folder), cwd=source)
    (built,) = folder.glob("textclf-*.whl")
    return built


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_its_data_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"textclf"}
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "textclf").rglob("*.py")}
    assert modules <= set(names)
    data = {f"textclf/samples/{name}.csv" for name in ("train", "dev", "test")}
    data |= {"textclf/evaluation/report.html.j2", "textclf/gate/server_ops.tsv"}
    data |= {f"textclf/server/page_files/{name}" for name in ("index.html", "page.css", "page.js")}
    assert data <= set(names)
    assert not [name for name in names if "__pycache__" in name or "_cache/" in name]


@pytest.mark.slow
def test_the_installed_wheel_reads_its_sample_and_predicts(wheel: Path, exported: Path, tmp_path: Path) -> None:
    target, elsewhere = tmp_path / "target", tmp_path / "elsewhere"
    elsewhere.mkdir()
    options = ["--no-deps", "--quiet", "--disable-pip-version-check", "--target", str(target)]
    python("-m", "pip", "install", *options, str(wheel), cwd=elsewhere)
    program = f"""
import textclf
from pathlib import Path
from textclf.data import read
from textclf.config import DataConfig
print(Path(textclf.__file__).parent.parent)
print(len(list(read("sample:train", DataConfig(train="sample:train")))))
print(textclf.load({str(exported)!r}).predict(["where is my parcel"])[0].label)
"""
    shown = python("-c", program, cwd=elsewhere, path=target).splitlines()
    assert shown[0] == str(target)
    assert int(shown[1]) > 500
    import textclf

    assert shown[2] == textclf.load(exported).predict(["where is my parcel"])[0].label
    version = python(str(target / "bin/textclf"), "--version", cwd=elsewhere, path=target)
    assert version.startswith("textclf, version ")
