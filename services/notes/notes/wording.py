"""What a line that people read may hold: titles."""

import unicodedata

# Control, private, half, unassigned and non-characters, ends of lines, and what is not seen: that
# holds the marks that turn the direction of a text, and what a terminal obeys.
_UNSEEN = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}
_JOINERS = "\u200c\u200d"  # of scripts, and of emoji


def visible(text: str) -> str:
    """Refuse what cannot be seen, and a text that shows nothing."""
    if any(unicodedata.category(c) in _UNSEEN and c not in _JOINERS for c in text):
        message = "must hold no control characters"
        raise ValueError(message)
    if not text.strip().strip(_JOINERS):
        message = "must hold more than spaces"
        raise ValueError(message)
    return text
