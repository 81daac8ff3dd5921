"""The package, its `textclf` command, and extras for what not everyone needs."""

import re
from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).parent
version = re.search(r'^__version__ = "(.+)"', (here / "textclf/__init__.py").read_text(encoding="utf-8"), re.MULTILINE)

setup(
    name="textclf",
    version=version.group(1) if version else "",
    description="Train, judge, export and serve text classifiers with TensorFlow: raw strings in, label names out",
    long_description=(here / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=["textclf", "textclf.*"]),
    package_data={
        "textclf.evaluation": ["*.j2"],
        "textclf.gate": ["*.tsv"],
        "textclf.savedmodel": ["*.j2"],
        "textclf.samples": ["*.csv", "*.yaml", "*.md"],
        "textclf.server": ["page_files/*"],
    },
    install_requires=[
        "click>=8.1",
        "filelock>=4",
        "httpx2>=2",
        "jinja2>=3.1",
        "keras>=3.12,<4",
        "matplotlib>=3.9",
        "ml-dtypes>=0.5",
        "numpy>=1.26",
        "protobuf>=4.22",
        "pydantic>=2.10,<3",
        "pyyaml>=6.0",
        "scikit-learn>=1.5",
        "scipy>=1.13",
        "tensorboard>=2.19",
        "tensorflow>=2.19,<3",
        "tensorflow-serving-api>=2.19,<3",
        "tensorflow-text>=2.19,<3",
        "tqdm>=4.66",
    ],
    extras_require={
        "parquet": ["pyarrow>=17"],
        "secure": ["cryptography>=42"],
        # aiohttp: up to 3.14.3 a client that never ends its headers is not cut off
        "serve": ["aiohttp>=3.14.4,<4", "grpcio>=1.70", "prometheus-client>=0.21"],
        # importlib-resources: tensorflow-datasets 4.9.10 needs it and does not name it
        "tfds": ["importlib-resources>=6", "tensorflow-datasets>=4.9.7"],
        "tune": ["optuna>=4,<6"],
        "bert": [
            "flatbuffers>=24",
            "h5py>=3.11",
            "huggingface-hub>=1.23",
            "kagglehub>=0.3.8",
            "keras-hub>=0.31",
            "safetensors>=0.4.5",
        ],
    },
    entry_points={"console_scripts": ["textclf = textclf.cli.main:main"]},
)
