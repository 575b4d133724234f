"""The examples run, and the README shows them as they are."""

import os
import pathlib
import subprocess
import sys

import pytest

import servers

HERE = pathlib.Path(__file__).resolve().parents[1]


def run(name, url):
    return subprocess.run(
        [sys.executable, "-X", "dev", HERE / "examples" / name],
        env={**os.environ, "JR_URL": url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_hello(server):
    done = run("hello.py", server.url)
    assert (done.stdout, done.stderr) == ("SET: OK\nGET: Hello, World!\n", "")
    done = run("hello.py", "redis://127.0.0.1:1")
    assert (done.returncode, done.stderr.partition(":")[0]) == (1, "RedisConnectionError")


def test_tour(server):
    servers.ask(server.port, "FLUSHALL")
    done = run("tour.py", server.url)
    assert (done.stdout.splitlines(), done.stderr) == (
        ["Hello, World!", "Atomic Hello, World!", "Queued Hello, World!", "PubSub Hello, World!"],
        "",
    )
    assert "$1\r\n1\r\n" in servers.ask(server.port, "GET", "jr:example:Counter")


@pytest.mark.parametrize("name", ["hello.py"])
def test_the_readme_shows_it(name):
    shown = (HERE / "README.md").read_text().split(f"<!-- examples/{name} -->\n```python\n")[1].split("```")[0]
    assert shown == (HERE / "examples" / name).read_text()
