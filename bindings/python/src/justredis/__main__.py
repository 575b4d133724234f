"""A small shell: python -m justredis URL COMMAND... sends a command and prints the answer; without a command it reads
commands from standard input, a line each."""

from __future__ import annotations

import shlex
import sys
from typing import Any

from .blocking import Multiplexer
from .errors import RedisError, RedisReplyError


def text(value: bytes) -> str:
    """Bytes as the shell shows them: text in quotes, anything else escaped."""
    shown = value.decode("utf-8", "backslashreplace").replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in shown) + '"'


def lines(value: Any) -> list[str]:
    """The lines in which an answer is shown."""
    items: Any = value
    if value is None:
        return ["(nil)"]
    if isinstance(value, Exception):
        return [f"(error) {value}"]
    if isinstance(value, bytes):
        return [text(value)]
    if isinstance(value, bool) or not isinstance(value, (list, set, dict, int)):
        return [f"({type(value).__name__}) {value}"]
    if isinstance(value, int):
        return [f"(integer) {value}"]
    if not value:
        return ["(empty)"]
    if isinstance(value, dict):
        return [line for key, item in items.items() for line in indented(f"{' '.join(lines(key))} => ", lines(item))]
    return [line for number, item in enumerate(items, 1) for line in indented(f"{number}) ", lines(item))]


def indented(head: str, rest: list[str]) -> list[str]:
    return [head + rest[0], *(" " * len(head) + line for line in rest[1:])]


def run(redis: Multiplexer, words: list[str]) -> bool:
    """Runs one command and prints its answer; whether it was answered without an error."""
    try:
        answer = redis.database().commandreply(*words)
    except (RedisReplyError, RedisError) as error:
        print("\n".join(lines(error)))
        return False
    print("\n".join(lines(answer)))
    return True


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print("usage: python -m justredis URL [COMMAND [WORD ...]]")
        return 2
    try:
        with Multiplexer(arguments[0]) as redis:
            if len(arguments) > 1:
                return 0 if run(redis, arguments[1:]) else 1
            well = True
            for line in sys.stdin:
                if line.strip():
                    well = run(redis, shlex.split(line)) and well
            return 0 if well else 1
    except RedisError as error:
        print(f"(error) {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
