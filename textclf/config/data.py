"""Where the labelled texts come from and how they are split."""

from itertools import combinations
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, field_validator, model_validator

from textclf.config.checks import unknown_encoding, wrong_delimiter
from textclf.config.section import NonNegativeInt, Section


def _source_or_share(value: Any) -> Any:
    """Refuse what is neither in one sentence, where a plain union would give a problem a branch."""
    if isinstance(value, str) or (isinstance(value, float) and 0.0 < value < 1.0):
        return value
    raise ValueError(f"expected a source or a share between 0 and 1, got {value!r}")


SourceOrShare = Annotated[str | float, BeforeValidator(_source_or_share)]


class DataConfig(Section):
    """The sources, their format, and the splits."""

    train: str
    """File, folder or `tfds:NAME[:config]` to learn from. With shares below, dev and test are cut from it."""
    dev: SourceOrShare = 0.1
    """Source of the split that picks the epoch, or its share of the rows of train (0 to 1)."""
    test: SourceOrShare | None = 0.1
    """Source of the split that is scored once at the end, or its share of the rows of train; null for none."""
    format: Literal["auto", "csv", "tsv", "jsonl", "parquet", "fasttext", "folder", "tfds"] = "auto"
    """Format of the sources; auto goes by the name (`.csv`, `.tsv`, `.jsonl`, `.parquet`, `.txt`, each but Parquet
    also `.gz`; a folder; `tfds:`)."""
    text_column: str = "text"
    """Name of the column or field that holds the text; of pairs, the first one."""
    pair_column: str | None = None
    """Name of the column or field that holds the second text, if rows are pairs of texts; null for single texts."""
    label_column: str = "label"
    """Name of the column or field that holds the label."""
    header: bool = True
    """Whether CSV and TSV files start with a line of column names; without it columns are named '1', '2', …"""
    quoting: Literal["auto", "standard", "none"] = "auto"
    """Whether `"` quotes fields in CSV and TSV (standard) or is a character like others (none); auto is standard
    for CSV, none for TSV."""
    delimiter: str | None = None
    """Character between the fields of CSV and TSV files, such as `;` or `|`; null is a comma for CSV, a tab for TSV."""
    encoding: str = "utf-8"
    """Character encoding of the text files, as Python names it: utf-8, windows-1252, gb18030, …"""
    folds: str | None = None
    """File with one fold number a line, one line a row of train; the rows of `fold` become the test split."""
    fold: NonNegativeInt = 0
    """Number of the fold that is tested; counts only with `folds`."""
    bad_rows: Literal["stop", "drop"] = "stop"
    """What happens if rows are bad (no text, no label, wrong number of fields, …): stop, or drop exactly these and
    list them in a file."""

    @property
    def columns(self) -> dict[str, str]:
        """The columns of text, label and, of pairs, second text, by the option that names each."""
        named = {"data.text_column": self.text_column, "data.label_column": self.label_column}
        return named if self.pair_column is None else named | {"data.pair_column": self.pair_column}

    @field_validator("encoding")
    @classmethod
    def _encoding_is_known(cls, value: str) -> str:
        if problem := unknown_encoding(value):
            raise ValueError(problem)
        return value

    @field_validator("delimiter")
    @classmethod
    def _delimiter_is_a_character(cls, value: str | None) -> str | None:
        if value is not None and (problem := wrong_delimiter(value)):
            raise ValueError(problem)
        return value

    @model_validator(mode="after")
    def _columns_differ(self) -> "DataConfig":
        fields = {"text_column": self.text_column, "pair_column": self.pair_column, "label_column": self.label_column}
        for (first, name), (second, other) in combinations(fields.items(), 2):
            if name == other:
                raise ValueError(f"{first} and {second} are both '{name}'; they must differ")
        return self

    @model_validator(mode="after")
    def _pairs_need_columns(self) -> "DataConfig":
        if self.pair_column is not None and self.format in ("fasttext", "folder"):
            raise ValueError(
                f"format={self.format} and pair_column={self.pair_column} exclude each other: that format has no "
                "columns, and so no place for a second text"
            )
        return self

    @model_validator(mode="after")
    def _folds_make_the_test_split(self) -> "DataConfig":
        if self.folds is not None and isinstance(self.test, str):
            raise ValueError("folds makes the test split, so test cannot name a source; take one of the two out")
        return self
