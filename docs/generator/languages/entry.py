"""What a reference consists of, whatever the language."""

from dataclasses import dataclass, field


@dataclass
class Entry:
    """`signature` is code; `text` is Markdown. `members` are the methods of a class, and so on, one level deep."""

    name: str
    signature: str
    text: str = ""
    members: list["Entry"] = field(default_factory=list)
