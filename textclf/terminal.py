"""How wide text is on a terminal, where a Chinese character takes two columns."""

import unicodedata


def display_width(text: str) -> int:
    """Return how many columns a text takes: two for a Chinese character, none for an accent on its own.

    Example:
        >>> display_width("sport"), display_width("体育 ok")
        (5, 7)
    """
    if text.isascii():
        return len(text)
    return sum(character_width(character) for character in text)


def character_width(character: str) -> int:
    """Return how many columns a character takes: 0, 1 or 2."""
    if unicodedata.combining(character) or unicodedata.category(character) in ("Cf", "Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
