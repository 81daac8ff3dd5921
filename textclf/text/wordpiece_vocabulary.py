"""Word pieces learnt from training texts."""

from collections import Counter
from collections.abc import Sequence

import tensorflow as tf
import tensorflow_text as tf_text

from textclf.errors import ConfigError, listing
from textclf.text.splitting import in_batches
from textclf.text.vocabulary import PADDING, PADDING_ID, UNKNOWN
from textclf.text.wordpiece_normalizer import IN_NO_TEXT, WordPieceNormalizer

CLS, SEP, MASK = "[CLS]", "[SEP]", "[MASK]"
SPECIAL = (PADDING, UNKNOWN, CLS, SEP, MASK)
SUFFIX = "##"  # stands before a piece that goes on with a word
LONGEST_WORD = 100  # characters; BERT reads a longer word as unknown

# The learner's time grows with the distinct words: rarer ones than these hardly change the pieces.
_MOST_WORDS = 100_000
_RAREST_PIECE = 2  # what stands once in the training texts teaches nothing


def check_wordpieces(vocabulary: Sequence[str]) -> None:
    """Refuse a vocabulary that is no BERT's.

    Args:
        vocabulary: Tokens in the order of their ids.

    Raises:
        ConfigError: Padding is not first, a special token is missing, a token stands twice or holds a line break.
    """
    if not vocabulary or vocabulary[PADDING_ID] != PADDING:
        first = f"'{vocabulary[PADDING_ID]}'" if vocabulary else "nothing"
        raise ConfigError(f"Expected a vocabulary of word pieces that starts with '{PADDING}', got {first} there.")
    missing = [token for token in (UNKNOWN, CLS, SEP) if token not in vocabulary]
    if missing:
        raise ConfigError(f"Expected '{UNKNOWN}', '{CLS}' and '{SEP}' in the vocabulary, found no {listing(missing)}.")
    twice = [token for token, count in Counter(vocabulary).items() if count > 1]
    if twice:
        raise ConfigError(f"Expected each token of the vocabulary once, found {listing(twice)} more often.")
    broken = [token for token in vocabulary if "\n" in token]
    if broken:
        raise ConfigError(f"Expected tokens without line breaks in the vocabulary, found {listing(broken)}.")


def learn_wordpieces(texts: Sequence[str], *, vocabulary_size: int, lowercase: bool) -> list[str]:
    """Return a vocabulary of word pieces: the special tokens, then characters, then pieces, by frequency.

    Characters come first, as many as there is room for, so that few words are unknown; a character that only
    stands alone (Chinese, punctuation) takes one entry, one that stands in words two, `x` and `##x`. The rest
    are the pieces of TensorFlow Text's learner
    (https://www.tensorflow.org/text/guide/subwords_tokenizer#algorithm). The same texts in any order give the
    same vocabulary.

    Args:
        texts: The training texts.
        vocabulary_size: Most tokens to return; it can be fewer.
        lowercase: Whether cases and accents are taken out first.

    Raises:
        ConfigError: The texts hold nothing to learn, or there is no room beside the special tokens.

    Example:
        >>> learn_wordpieces(["go 去", "go"], vocabulary_size=20, lowercase=True)[5:]
        ['g', '##g', 'o', '##o', '去', 'go']
    """
    if vocabulary_size <= len(SPECIAL):
        raise ConfigError(
            f"model.vocabulary_size: expected more than the {len(SPECIAL)} special tokens, got {vocabulary_size}."
        )
    words = _count_words(texts, lowercase)
    if not words:
        raise ConfigError("Expected words in the training texts, found none. Look whether the texts are empty.")
    characters = _characters(words, vocabulary_size - len(SPECIAL))
    if not characters:
        raise ConfigError(f"model.vocabulary_size: expected room for at least one character, got {vocabulary_size}.")
    vocabulary = dict.fromkeys([*SPECIAL, *characters])
    vocabulary.update(dict.fromkeys(_pieces(words, list(vocabulary), vocabulary_size)))
    return list(vocabulary)[:vocabulary_size]


def _count_words(texts: Sequence[str], lowercase: bool) -> list[tuple[str, int]]:
    """Return the words as the tokenizer splits them and their counts, the most frequent first."""
    normalize = WordPieceNormalizer(lowercase=lowercase)
    # With one piece, which no clean text holds, the op gives one unknown token a word, and where the word stands.
    split = tf_text.FastWordpieceTokenizer([UNKNOWN, IN_NO_TEXT], token_out_type=tf.int32, unknown_token=UNKNOWN)
    counts: Counter[bytes] = Counter()
    for batch in in_batches(texts):
        clean = normalize(batch)
        tokens, starts, ends = split.tokenize_with_offsets(clean)
        rows = tf.gather(clean, tokens.value_rowids())
        counts.update(tf.strings.substr(rows, starts.flat_values, ends.flat_values - starts.flat_values).numpy())
    words = ((word.decode(), count) for word, count in counts.items())
    return sorted(
        ((word, count) for word, count in words if len(word) <= LONGEST_WORD), key=lambda pair: (-pair[1], pair[0])
    )


def _characters(words: list[tuple[str, int]], room: int) -> list[str]:
    """Return the tokens of single characters, from the most frequent down, at most `room`."""
    counts: Counter[str] = Counter()
    for word, count in words:
        for character in word:
            counts[character] += count
    in_words = {character for word, _ in words if len(word) > 1 for character in word}
    tokens: list[str] = []
    for character, _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])):
        entries = [character, SUFFIX + character] if character in in_words else [character]
        if len(tokens) + len(entries) <= room:
            tokens += entries
    return tokens


def _pieces(words: list[tuple[str, int]], reserved: list[str], vocabulary_size: int) -> list[str]:
    """Return the learner's tokens, the most frequent first; none if no word is left to learn from."""
    from tensorflow_text.tools.wordpiece_vocab import wordpiece_tokenizer_learner_lib as learner

    known, room = set(reserved), vocabulary_size - len(reserved)
    longer = [(word, count) for word, count in words[:_MOST_WORDS] if len(word) > 1 and known.issuperset(word)]
    if not longer or not room:
        return []
    # The learner searches for the count from which on pieces just fit, a dozen runs of it. So many words are as
    # frequent as this one that the pieces fill the room at least; what is too much is cut, the rarest first.
    threshold = max(longer[min(room, len(longer)) - 1][1], _RAREST_PIECE)
    return learner.learn(
        longer,
        vocabulary_size,
        reserved,
        lower_thresh=threshold,
        upper_thresh=threshold,
        max_unique_chars=len(reserved),
    )
