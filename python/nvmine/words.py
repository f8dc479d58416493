"""The words of a text, without regard to how it is written: what identity and similarity of texts go by."""

from __future__ import annotations

import re
import unicodedata

# Runs of what Unicode calls letters and numbers; the underscore, which Python counts among them, separates.
_WORD = re.compile(r"[^\W_]+")


def normalise(text: str) -> str:
    """Return what identity compares: NFC, runs of white space as one space, none at the ends, case folded.

    Examples
    --------
    >>> normalise("  Cafe\u0301  du Nord ")
    'café du nord'
    """
    folded = " ".join(unicodedata.normalize("NFC", text).split()).casefold()
    # Case folding may leave a letter and its accent apart.
    return unicodedata.normalize("NFC", folded)


def words_of(text: str) -> list[str]:
    """Return the runs of letters and digits of the normalised text, in order.

    Examples
    --------
    >>> words_of("The  Nile, 6650 km!")
    ['the', 'nile', '6650', 'km']
    """
    return _WORD.findall(normalise(text))
