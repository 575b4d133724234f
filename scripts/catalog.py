#!/usr/bin/env python3
"""Writes src/protocol/catalog/table.rs: what servers report about their commands (COMMAND), merged.

    scripts/catalog.py PORT [PORT ...] > src/protocol/catalog/table.rs

Each PORT is a server on 127.0.0.1 (Redis or Valkey 7.0 or newer, with or without modules). What several servers
report differently is taken from the first, so give them in this order:

    redis-server 7.0.15    tests/catalog.rs holds the table against it
    valkey-server 8.0.1    adds WAITAOF, CLIENT CAPA, ...
    redis-stack 7.4.1      adds HEXPIRE, ... and the modules JSON, FT, TS, BF, CF, CMS, TOPK, TDIGEST

Needs nothing but Python 3. What servers say wrongly or cannot say is corrected by KEYS and LATER below; what the
client does about a command (refused, blocking, ...) is not here but in src/protocol/catalog/role.rs.
"""

import re
import socket
import sys

MODULES = ("JSON.", "FT.", "TS.", "BF.", "CF.", "CMS.", "TOPK.", "TDIGEST.")


def index(at, last=0, step=1):
    return f"KeySpec::range(Begin::Index({at}), {last}, {step}, 0)"


def counted(at):
    return f"KeySpec::counted(Begin::Index({at}), 1)"


# Where the keys really are: first, last, step, and the specifications.
KEYS = {
    "SORT": (1, 1, 1, [index(1), "KeySpec::range(Begin::SortStore, 0, 1, 0)"]),
    "MIGRATE": (3, 3, 1, ["KeySpec::MIGRATE"]),
    "JSON.MGET": (1, -2, 1, [index(1, -2)]),
    "TS.CREATERULE": (1, 2, 1, [index(1, 1)]),
    "TS.DELETERULE": (1, 2, 1, [index(1, 1)]),
    "CMS.MERGE": (1, 1, 1, [index(1), counted(2)]),
    "TDIGEST.MERGE": (1, 1, 1, [index(1), counted(2)]),
}

# Commands newer than those servers (Redis 8, Valkey 8.1 and 9), written by hand and not yet checked against such a server: flags, specifications.
WRITE, READ = "WRITE FAST", "READONLY FAST"
LATER = {
    **dict.fromkeys(["HGETDEL", "HGETEX", "DELEX", "DELIFEQ", "XDELEX", "XACKDEL", "VSETATTR"], (WRITE, [index(1)])),
    **dict.fromkeys(["HSETEX", "VADD"], ("WRITE DENYOOM FAST", [index(1)])),
    **dict.fromkeys(["VREM", "XCFGSET"], ("WRITE", [index(1)])),
    **dict.fromkeys(["DIGEST", "VDIM", "VCARD", "VEMB", "VGETATTR", "VINFO", "VISMEMBER"], (READ, [index(1)])),
    **dict.fromkeys(["VSIM", "VLINKS", "VRANDMEMBER", "VRANGE"], ("READONLY", [index(1)])),
    "MSETEX": ("WRITE DENYOOM", ["KeySpec::counted(Begin::Index(1), 2)"]),
    "CLIENT|IMPORT-SOURCE": ("NOSCRIPT LOADING STALE", []),
    "COMMANDLOG": ("", []),
    **dict.fromkeys(["COMMANDLOG|" + name for name in ("GET", "LEN", "RESET")], ("ADMIN LOADING STALE", [])),
    "COMMANDLOG|HELP": ("LOADING STALE", []),
}


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
    return text + (".channels()" if "not_key" in spec["flags"] else "")


def wanted(name):
    """Not the internal commands of modules."""
    return "." not in name or (name.startswith(MODULES) and "._" not in name and ".DEBUG" not in name)


def collect(ports):
    table = {}

    def add(command):
        name = command[0].upper()
        if not wanted(name):
            return
        flags = [flag.upper().replace("-", "_") for flag in command[2]]
        first, last, step = command[3:6]
        specs = [text for text in map(key_spec, command[8]) if text]
        if name.startswith("FT.") and not name.startswith("FT.SUG"):
            first, last, step, specs = 0, 0, 0, []  # the name of an index is not a key
        first, last, step, specs = KEYS.get(name, (first, last, step, specs))
        table.setdefault(name, (flags, first, last, step, specs))
        for inner in command[9]:
            add(inner)

    for port in ports:
        for command in ask(port, "COMMAND"):
            add(command)
    for name, (flags, specs) in LATER.items():
        first = 1 if specs == [index(1)] else 0
        table.setdefault(name, (flags.split(), first, first, first, specs))
    return table


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
    print("use super::keys::{Begin, KeySpec};")
    print("use super::{Command, Flags, command};")
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
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    write(collect([int(port) for port in sys.argv[1:]]))
