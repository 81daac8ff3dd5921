"""Write which ops TensorFlow Serving knows, by version: `textclf/gate/server_ops.tsv`, which `textclf verify` reads.

Each version of the server is given by the folders of the TensorFlow and the tensorflow-text that it links (its
`workspace.bzl` names them), as their wheels hold them; the libraries themselves are asked, without TensorFlow's Python.
To have the table anew, with each wheel unzipped into a folder tfVERSION:

    for version in 2.12 2.16 2.18 2.19 2.20; do pip download --no-deps "tensorflow-cpu==$version.*"; done
    for version in 2.12 2.20; do pip download --no-deps "tensorflow-text==$version.*"; done
    python tools/server_ops.py 2.12=tf2.12 2.16=tf2.16,tf2.12 2.18=tf2.18,tf2.12 2.19=tf2.19,tf2.12 2.20=tf2.20

A line of the table: op, library, first version of the server. Attributes are left out: a server logs one that it does
not know and goes on without.
"""

import argparse
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

TABLE = Path(__file__).parents[1] / "textclf/gate/server_ops.tsv"
HEADER = "op\tlibrary\tsince"

PROGRAM = """
import sys
from pathlib import Path
from textclf.gate.tensorflow_c import TensorFlow
folder, with_text, out = sys.argv[1:]
tensorflow = TensorFlow(Path(folder, "tensorflow"))
for library in sorted(Path(folder).glob("tensorflow_text/python/*/_*.so")) if with_text else []:
    tensorflow.load_ops(library)
Path(out).write_bytes(tensorflow.registered_ops())
"""


@cache
def registered(folder: str, text: bool) -> set[str]:
    """Return the ops that TensorFlow registers, with tensorflow-text's or without."""
    from tensorflow.core.framework.op_def_pb2 import OpList

    with tempfile.NamedTemporaryFile() as file:
        subprocess.run([sys.executable, "-c", PROGRAM, folder, "text" if text else "", file.name], check=True)
        return {op.name for op in OpList.FromString(Path(file.name).read_bytes()).op}


def table(servers: dict[str, tuple[str, str]]) -> list[str]:
    """Return the table's lines; the servers by version, in ascending order."""
    rows: dict[str, str] = {}
    for version, (tensorflow, text) in servers.items():
        # A tensorflow-text loads into the TensorFlow alone that it was built for; its ops are the same in another.
        text_ops = registered(text, text=True) - registered(text, text=False)
        libraries = {"tensorflow": registered(tensorflow, text=False), "tensorflow-text": text_ops}
        for library, ops in libraries.items():
            for op in ops:
                rows.setdefault(op, f"{op}\t{library}\t{version}")
    return [rows[op] for op in sorted(rows)]


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description="Write which ops TensorFlow Serving knows, by version.")
    parser.add_argument(
        "servers",
        nargs="+",
        metavar="VERSION=FOLDER[,TEXT]",
        help="unpacked wheels; TEXT if its tensorflow-text was built for another",
    )
    servers = {}
    for server in parser.parse_args().servers:
        version, _, folders = server.partition("=")
        tensorflow, _, text = folders.partition(",")
        servers[version] = (tensorflow, text or tensorflow)
    TABLE.write_text("\n".join([HEADER, *table(servers)]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
