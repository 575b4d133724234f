"""What of the C API stands together: one page of the reference for each group. Everything belongs to exactly one."""

import re
from dataclasses import dataclass, field

from .header import Item


@dataclass
class Group:
    """The patterns are for whole names; the first group that has one that fits gets the name."""

    key: str
    title: str
    summary: str
    patterns: str
    items: list[Item] = field(default_factory=list)

    def has(self, name: str) -> bool:
        return re.fullmatch(self.patterns, name) is not None


def empty_groups() -> list[Group]:
    return [
        Group(
            "clients",
            "Clients",
            "A client, views of it on other databases, leases of one connection, and how they end.",
            r"jr_client(_new|_database|_lease|_close|_free)?",
        ),
        Group(
            "requests",
            "Requests",
            "What to run, how, and where its answer goes.",
            r"jr_bytes|jr_command|jr_request|JR_REQUEST_\w+|JR_TIMEOUT_\w+|jr_text|jr_submit\w*|jr_execute"
            r"|jr_run\w*|jr_cancel",
        ),
        Group(
            "completions",
            "Completions and queues",
            "How answers arrive: in a queue with a descriptor that any event loop can poll, or by a callback.",
            r"jr_completion\w*|JR_COMPLETION_\w+|jr_callback|jr_queue\w*",
        ),
        Group(
            "replies",
            "Replies",
            "What a server said: a public, read-only struct, and ways to read it.",
            r"jr_reply\w*|JR_(STRING|ARRAY|INTEGER|NIL|STATUS|ERROR|DOUBLE|BOOL|MAP|SET|ATTR|PUSH|BIGNUM|VERB)",
        ),
        Group(
            "errors",
            "Statuses and outcomes",
            "Why something failed, and whether the server may have run it.",
            r"jr_status\w*|JR_OK|JR_ERR_\w+|JR_OUTCOME_\w+|jr_error_text",
        ),
        Group(
            "credentials",
            "Credentials",
            "Users and passwords that change while the program runs.",
            r"jr_credentials\w*|JR_CREDENTIALS_\w+|jr_config_set_credentials|jr_client_set_credentials",
        ),
        Group(
            "configuration",
            "Configuration",
            "Options, and functions of the program that dial and read messages.",
            r"jr_config\w*|jr_dialer|jr_release|jr_logger|JR_LOG_\w+",
        ),
        Group(
            "state",
            "State and version",
            "What a client knows: its servers, connections and counters; where a key is; what happens.",
            r"jr_client_(stats|locate|events)|jr_version|JR_VERSION_\w+",
        ),
        Group(
            "adapters",
            "Event loops",
            "Headers of their own that attach a queue to libuv, libevent, libev, GLib, or any other loop.",
            r"(?i:jr_(dispatch|libuv|libevent|libev|glib)(_\w+)?)",
        ),
    ]


def sort_into_groups(items: list[Item]) -> list[Group]:
    """All items in their groups; an item without one is an error, so that nothing new is forgotten."""
    groups = empty_groups()
    for item in items:
        homes = [group for group in groups if group.has(item.name)]
        if not homes:
            raise SystemExit(f"docs: no group of docs/generator/groups.py has {item.name}")
        homes[0].items.append(item)
    return groups
