#!/usr/bin/env python3
"""Writes src/protocol/catalog/table.rs: what servers report about their commands (COMMAND), merged with what is written
by hand in scripts/commands.txt.

    scripts/catalog.py [PROGRAM ...] > src/protocol/catalog/table.rs

Each PROGRAM is a server, Redis or Valkey 7.0 or newer; without one: the three of scripts/servers that the table was
made from, and that tests/catalog.rs holds it against. Where sources differ the newest Redis is right, then Valkey:
first scripts/commands.txt, which follows the documentation of Redis 8.10, then the programs in their order.

Needs nothing but Python 3. Where servers cannot say where the keys are KEYS below does; what the client does about a
command (refused, blocking, ...) is not here but in src/protocol/catalog/role.rs.
"""

import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time

SCRIPTS = pathlib.Path(__file__).parent
MODULES = ("JSON.", "FT.", "TS.", "BF.", "CF.", "CMS.", "TOPK.", "TDIGEST.")
KINDS = {"": "", "!": ".not_keys()"}


def index(at, last=0, step=1):
    return f"KeySpec::range(Begin::Index({at}), {last}, {step}, 0)"


def counted(at, step=1):
    return f"KeySpec::counted(Begin::Index({at}), {step})"


def geo_store(at):
    return f"KeySpec::range(Begin::GeoStore({at}), 0, 1, 0)"


# Where the keys really are: first, last, step, and the specifications.
KEYS = {
    "SORT": (1, 1, 1, [index(1), "KeySpec::range(Begin::SortStore, 0, 1, 0)"]),
    "MIGRATE": (3, 3, 1, ["KeySpec::MIGRATE"]),
    "GEORADIUS": (1, 1, 1, [index(1), geo_store(6)]),
    "GEORADIUSBYMEMBER": (1, 1, 1, [index(1), geo_store(5)]),
}


def written(text):
    """The keys in the notation of scripts/commands.txt: first, last, step, and the specifications."""
    first, last, step, specs = 0, 0, 0, []
    for one in text.split() if text != "-" else []:
        where, at, behind, every, other = re.fullmatch(r"(\w+@)?(\d+)(?:\.\.(-?\d+))?(?:/(\d+))?(!?)", one).groups()
        at, every = int(at), int(every or 1)
        if where == "count@":
            specs.append(counted(at, every))
        elif where:
            specs.append(f'KeySpec::range(Begin::Keyword("{where[:-1]}", {at}), 0, 1, 0)')
        else:
            behind = int(behind or 0)
            specs.append(index(at, behind, every) + KINDS[other])
            last = behind if behind < 0 else at + behind
            first, step = first or at, every
    return first, last, step, specs


def by_hand():
    """What scripts/commands.txt says."""
    for line in (SCRIPTS / "commands.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            flags, keys, names = line.split("|", 2)
            for name in names.split():
                yield name, (flags.replace("-", "").upper().split(), *written(keys.strip()))


def ask(port, *words):
    """One command to a server, in RESP2."""
    with socket.create_connection(("127.0.0.1", port)) as connection, connection.makefile("rb") as lines:
        connection.sendall(b"*%d\r\n" % len(words))
        for word in words:
            connection.sendall(b"$%d\r\n%s\r\n" % (len(word), word.encode()))

        def read():
            line = lines.readline()
            kind, rest = line[:1], line[1:-2]
            if kind == b"-":
                raise SystemExit(f"{port}: {rest.decode()}")
            if kind == b"$":
                return None if rest == b"-1" else lines.read(int(rest) + 2)[:-2].decode()
            if kind == b"*":
                return None if rest == b"-1" else [read() for _ in range(int(rest))]
            return int(rest) if kind == b":" else rest.decode()

        return read()


def fields(pairs):
    return dict(zip(pairs[::2], pairs[1::2]))


def key_spec(spec):
    """The Rust of one key specification; None where the server cannot say."""
    spec = fields(spec)
    begin, find = fields(spec["begin_search"]), fields(spec["find_keys"])
    where, how = fields(begin["spec"]), fields(find["spec"])
    if begin["type"] == "index":
        start = f"Begin::Index({where['index']})"
    elif begin["type"] == "keyword":
        start = f'Begin::Keyword("{where["keyword"]}", {where["startfrom"]})'
    else:
        return None
    if find["type"] == "range":
        text = f"KeySpec::range({start}, {how['lastkey']}, {how['keystep']}, {how['limit']})"
    elif find["type"] == "keynum":
        assert how["keynumidx"] == 0 and how["firstkey"] == 1, spec
        text = f"KeySpec::counted({start}, {how['keystep']})"
    else:
        return None
    return text + KINDS["!" if "not_key" in spec["flags"] else ""]


def wanted(name):
    """Not the internal commands of modules."""
    return "." not in name or (name.startswith(MODULES) and "._" not in name)


def collect(ports):
    table = dict(by_hand())

    def add(command):
        name = command[0].upper()
        if not wanted(name):
            return
        flags = [flag.upper().replace("-", "_").replace("COMMANDLOG", "SLOWLOG") for flag in command[2]]
        first, last, step = command[3:6]
        specs = [text for text in map(key_spec, command[8]) if text]
        table.setdefault(name, (flags, *KEYS.get(name, (first, last, step, specs))))
        for inner in command[9]:
            add(inner)

    for port in ports:
        for command in ask(port, "COMMAND"):
            add(command)
    return table


class Server:
    """A program that runs on a port of its own until it is stopped."""

    def __init__(self, program):
        self.directory = tempfile.TemporaryDirectory()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", self.directory.name]
        self.process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)

    def until_it_answers(self):
        for _ in range(200):
            try:
                return ask(self.port, "PING")
            except OSError:
                time.sleep(0.05)
        raise SystemExit(f"no answer from {self.process.args[0]}")

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.directory.cleanup()


def main(programs):
    if not programs:
        names = ["redis-8.2", "valkey-9.1", "redis-7.0"]
        found = subprocess.run([SCRIPTS / "servers", *names], check=True, stdout=subprocess.PIPE, text=True)
        programs = found.stdout.splitlines()
    servers = [Server(program) for program in programs]
    try:
        for server in servers:
            server.until_it_answers()
        write(collect([server.port for server in servers]))
    finally:
        for server in servers:
            server.stop()


def write(table):
    flags = sorted({flag for entry in table.values() for flag in entry[0]})
    spec_names, spec_lines = {(): "&[]"}, []
    for name in sorted(table):
        specs = tuple(table[name][4])
        if specs not in spec_names:
            spec_names[specs] = "KEYS_LIKE_" + re.sub(r"\W", "_", name)
            spec_lines.append(f"const {spec_names[specs]}: &[KeySpec] = &[{', '.join(specs)}];")

    def line(name, inner):
        own, first, last, step, specs = table[name]
        bits = " | ".join(own) or "0"
        return f'command("{name}", {bits}, ({first}, {last}, {step}), {spec_names[tuple(specs)]}, {inner}),'

    containers = sorted({name.split("|")[0] for name in table if "|" in name})
    print("//! Every command known, as servers report them. Generated by scripts/catalog.py: change that, not this.")
    print()
    print("use super::entry::{Command, command};")
    print("use super::flags::Flags;")
    print("use super::keys::{Begin, KeySpec};")
    print()
    for flag in flags:
        print(f"const {flag}: u32 = Flags::{flag}.bits();")
    print()
    print("\n".join(spec_lines))
    for container in containers:
        names = [name for name in sorted(table) if name.startswith(container + "|")]
        print(f"\nstatic {re.sub(r'[^A-Z]', '_', container)}_COMMANDS: [Command; {len(names)}] = [")
        for name in names:
            print("    " + line(name, "&[]"))
        print("];")
    names = [name for name in sorted(table) if "|" not in name]
    print(f"\npub(super) static COMMANDS: [Command; {len(names)}] = [")
    for name in names:
        print("    " + line(name, f"&{re.sub(r'[^A-Z]', '_', name)}_COMMANDS" if name in containers else "&[]"))
    print("];")


if __name__ == "__main__":
    main(sys.argv[1:])
