"""How words become bytes, and answers what a program wants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Union

Word = Union[bytes, str, int, float, bytearray, memoryview]


def utf8_encode(word: Word) -> bytes:
    """The encoder of every command that names no other: text as UTF-8, numbers in digits, bytes as they are.

    (The extension does the same without calling this.)
    """
    if isinstance(word, str):
        return word.encode()
    if isinstance(word, bool):
        raise TypeError("a word of a command is bytes, str, int, float or a buffer, not bool")
    if isinstance(word, (int, float)):
        return repr(word).encode()
    return bytes(word)


def utf8_bytes_as_strings(value: Any) -> Any:
    """A decoder that makes str of all bytes, also of those within lists, sets and dictionaries.

    (The extension does the same without calling this.)
    """
    if isinstance(value, bytes):
        return value.decode()
    items: Any = value
    if isinstance(value, list):
        return list(map(utf8_bytes_as_strings, items))
    if isinstance(value, (set, frozenset)):
        return set(map(utf8_bytes_as_strings, items))
    if isinstance(value, Mapping):
        return {utf8_bytes_as_strings(key): utf8_bytes_as_strings(item) for key, item in items.items()}
    return value
