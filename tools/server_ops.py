"""Write which ops TensorFlow Serving knows, by version: `textclf/gate/server_ops.tsv`, which `textclf verify` reads.

Each version of the server is given by the folders of the TensorFlow and the tensorflow-text that it links (its
`workspace.bzl` names them), as their wheels hold them; the libraries themselves are asked, without TensorFlow's Python:

    for version in 2.12 2.16 2.18 2.19 2.20; do pip download --no-deps "tensorflow-cpu==$version.*"; done
    for version in 2.12 2.20; do pip download --no-deps "tensorflow-text==$version.*"; done   # unzip each into tfVERSION
    python tools/server_ops.py 2.12=tf2.12 2.16=tf2.16,tf2.12 2.18=tf2.18,tf2.12 2.19=tf2.19,tf2.12 2.20=tf2.20

A line of the table: op, library, first version of the server, and the op's attributes, `name:version` where one came
later than the op.
"""

import argparse
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

TABLE = Path(__file__).parents[1] / "textclf/gate/server_ops.tsv"
HEADER = "op\tlibrary\tsince\tattributes"

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
def registered(folder: str, text: bool) -> dict[str, set[str]]:
    """Return the attributes of each op that TensorFlow registers, with tensorflow-text's or without."""
    from tensorflow.core.framework.op_def_pb2 import OpList

    with tempfile.NamedTemporaryFile() as file:
        subprocess.run([sys.executable, "-c", PROGRAM, folder, "text" if text else "", file.name], check=True)
        ops = OpList.FromString(Path(file.name).read_bytes())
    return {op.name: {attribute.name for attribute in op.attr} for op in ops.op}


def table(servers: dict[str, tuple[str, str]]) -> list[str]:
    """Return the table's lines; the servers by version, in ascending order."""
    library: dict[str, str] = {}
    since: dict[str, dict[str, str]] = {}
    for version, (tensorflow, text) in servers.items():
        core = registered(tensorflow, text=False)
        # Each tensorflow-text loads into the TensorFlow alone that it was built for; its ops are the same in another.
        for op, attributes in (registered(text, text=True) | core).items():
            is_text = op not in registered(text, text=False)
            if op not in core and not is_text:
                continue  # of the other TensorFlow
            library.setdefault(op, "tensorflow-text" if is_text and op not in core else "tensorflow")
            known = since.setdefault(op, {"": version})
            for attribute in attributes:
                known.setdefault(attribute, version)
    return [f"{op}\t{library[op]}\t{_row(since[op])}" for op in sorted(since)]


def _row(known: dict[str, str]) -> str:
    first = known[""]
    names = [name if known[name] == first else f"{name}:{known[name]}" for name in sorted(known) if name]
    return f"{first}\t{' '.join(names)}"


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description="Write which ops TensorFlow Serving knows, by version.")
    parser.add_argument("servers", nargs="+", metavar="VERSION=FOLDER[,TEXT]", help="unpacked wheels; TEXT if its tensorflow-text was built for another")
    servers = {}
    for server in parser.parse_args().servers:
        version, _, folders = server.partition("=")
        tensorflow, _, text = folders.partition(",")
        servers[version] = (tensorflow, text or tensorflow)
    TABLE.write_text("\n".join([HEADER, *table(servers)]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
