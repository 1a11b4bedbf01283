"""How the pieces of words that tokenizers make read as a text."""

import re
import unicodedata
from collections.abc import Sequence

STARTS = "Ġ▁ "
"""What a token begins with, in texts of word pieces, where a new word begins."""

SPECIAL = re.compile(r"\[[A-Z]+\]|<[^<>\s]+>")
"""Tokens that mark something and are not words, such as `[CLS]`, `</s>` or `<|endoftext|>`."""

SHOWN = {ord("\n"): "↵", ord("\r"): "", ord("\t"): "⇥"}
"""What stands for characters that move."""

PLAIN = (*range(33, 127), *range(161, 173), *range(174, 256))
"""The bytes that GPT-2 and its kin write as the character of the same number."""

BYTES = {chr(byte): byte for byte in PLAIN} | {
    chr(256 + number): byte
    for number, byte in enumerate(byte for byte in range(256) if byte not in PLAIN)
}
"""The byte that a character of their tokens stands for; they count the others on from 256."""


def as_text(words: Sequence[str]) -> list[tuple[str, bool, bool, bool]]:
    """How tokens read: what is shown of each, and its `spaced`, `ends` and `special`.

    Words have a space between them. Where one begins with a mark of `STARTS` these are pieces, and
    only such marks are spaces; pieces of another word begin with `##`.

    Example:
    >>> [text for text, *_ in as_text(["[CLS]", "un", "##seen", "films"])]
    ['[CLS]', 'un', 'seen', 'films']
    >>> [spaced for _, spaced, *_ in as_text(["Un", "seen", "Ġfilms"])]
    [False, False, True]
    """
    words = _of_bytes(words)
    pieces = any(word and word[0] in STARTS for word in words)
    found: list[tuple[str, bool, bool, bool]] = []
    apart = False  # whether a space has to stand before the next token
    for word in words:
        special = not word or SPECIAL.fullmatch(word) is not None
        text, spaced = word, apart or special or not pieces
        if not special and pieces and word[0] in STARTS:
            text, spaced = word[1:], True
        elif not special and not pieces and word.startswith("##") and len(word) > 2:
            text, spaced = word[2:], apart
        ends = "\n" in word
        after_break = not found or found[-1][2]
        found.append((visible(text), spaced and not after_break, ends, special))
        apart = special
    return found


def _of_bytes(words: Sequence[str]) -> list[str]:
    """Tokens of a tokenizer of bytes, which writes `Ġ` for a space, as the text they stand for.

    A token that ends within a character stays as it is.
    """
    if not any(word.startswith(("Ġ", "Ċ")) for word in words):
        return list(words)
    found = []
    for word in words:
        try:
            found.append(bytes(BYTES[letter] for letter in word).decode())
        except (KeyError, UnicodeDecodeError):
            found.append(word)
    return found


def visible(text: str) -> str:
    """A text without characters that move or cannot be seen; a mark for nothing but spaces."""
    text = text.translate(SHOWN)
    text = "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(letter) in ("Cc", "Cs") else letter
        for letter in text
    )
    return text if text.strip() else "\N{OPEN BOX}" * max(1, len(text))
