"""`python tests/site/fragments.py`: the pieces of programs in the READMEs of the bindings that are no file of their own
are at least right: C++ compiles, the others are parsed by their languages, where these are installed.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"(<!-- [^\n]* -->\n)?```(\w+)\n(.*?)```", re.DOTALL)
CPP = """#include <justredis.hpp>
#include <iostream>
#include <stop_token>
using namespace std::chrono_literals;
%s piece(jr::client &client, jr::bound redis, std::stop_token token, std::string key, std::string value) {
(void)client, (void)redis, (void)token, (void)key, (void)value;
{
%s
}
}
"""


def python(text: str) -> None:
    compile(text, "README.md", "exec")


def run(program: list[str], text: str) -> None:
    """Fails if a program does not like what it reads."""
    done = subprocess.run(program, input=text, text=True, capture_output=True)
    if done.returncode != 0:
        raise SyntaxError(done.stderr[:2000])


def cpp(text: str) -> None:
    includes = [f"-I{ROOT / folder}" for folder in ("include", "bindings/cpp")]
    result = "jr::task<void>" if "co_await" in text else "void"
    program = CPP % (result, text.replace("{ ... }", "{ throw 0; }"))
    run(["g++", "-std=c++20", "-fsyntax-only", "-x", "c++", *includes, "-"], program)


def js(text: str) -> None:
    run(["node", "--check", "--input-type=module"], text)


def go(text: str) -> None:
    body = text if text.startswith("package ") else "package piece\n\nfunc piece() {\n" + text + "}\n"
    run(["gofmt", "-e"], body)


def ruby(text: str) -> None:
    run(["ruby", "-c"], text)


READERS = {
    "cpp": (cpp, "g++"),
    "python": (python, "python3"),
    "js": (js, "node"),
    "go": (go, "gofmt"),
    "ruby": (ruby, "ruby"),
}


def main() -> int:
    checked, wrong, left = 0, 0, set()
    for readme in sorted((ROOT / "bindings").glob("*/README.md")):
        for mark, language, text in FENCE.findall(readme.read_text()):
            if mark or language not in READERS:
                continue
            read, program = READERS[language]
            if shutil.which(program) is None:
                left.add(program)
                continue
            checked += 1
            try:
                read(textwrap.dedent(text))
            except SyntaxError as error:
                wrong += 1
                print(f"site: {readme.relative_to(ROOT)}: {error}\n{text}")
    without = f", without {', '.join(sorted(left))} here" if left else ""
    print(f"site: {checked} pieces of programs in the READMEs are right, {wrong} are wrong{without}")
    return 1 if wrong or not checked else 0


if __name__ == "__main__":
    sys.exit(main())
