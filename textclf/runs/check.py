"""A look at a run's data with the run's own tokens: what `textclf check` shows."""

from textclf import data
from textclf.config import Config
from textclf.data import DataCheck
from textclf.models.builder import model_class


def check(config: Config) -> DataCheck:
    """Look at the data of a run before anything is learnt from it.

    Args:
        config: The run. Bad rows are left out and reported, whatever its `data.bad_rows` says.

    Returns:
        Rows, labels, duplicates and lengths of each split, overlaps and warnings; `to_text` and `to_json` show it.

    Raises:
        DataError: The data cannot be read, or holds nothing to learn from.

    Example:
        >>> config = Config.make({"data": {"train": "sample:train", "dev": "sample:dev", "test": "sample:test"}})
        >>> found = check(config)
        >>> len(found.splits["train"].labels), found.splits["train"].duplicates
        (8, 0)
    """
    chosen = model_class(config.model.name)
    return data.check(
        config.data,
        config.seed,
        lambda texts: chosen.token_counter(config, texts),
        config.text.max_tokens,
        config.model.length_fields,
    )
