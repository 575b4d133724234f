"""What is measured, with which programs, and what goals.md wants of it."""

from dataclasses import dataclass

JUSTREDIS, HIREDIS, RAW = "justredis_bench", "hiredis_bench", "raw_bench"


@dataclass(frozen=True)
class Run:
    """One program with its arguments. Equal runs of several works are measured once."""

    name: str
    program: str
    arguments: tuple


@dataclass(frozen=True)
class Goal:
    """A ratio of two runs and how large it may be, or must at least be."""

    figure: str
    peer: Run
    at_most: float = None
    at_least: float = None

    def is_met(self, ratio):
        return ratio <= self.at_most if self.at_least is None else ratio >= self.at_least

    def wanted(self):
        return f"<= {self.at_most}" if self.at_least is None else f">= {self.at_least}"


@dataclass(frozen=True)
class Work:
    """Runs side by side; the first one is ours."""

    name: str
    title: str
    runs: tuple
    goals: tuple

    @property
    def ours(self):
        return self.runs[0]


def lone():
    ours = Run("jr_execute", JUSTREDIS, ("execute",))
    peer = Run("hiredis sync", HIREDIS, ("sync",))
    floor = Run("raw socket", RAW, ("sync",))
    goals = (Goal("p50", peer, at_most=1), Goal("cpu", peer, at_most=1))
    return Work("S1", "1 thread, GET 32 bytes", (ours, peer, floor), goals)


def threads(count):
    ours = Run("jr_execute", JUSTREDIS, ("execute", "--threads", str(count)))
    peer = Run("hiredis sync, a connection each", HIREDIS, ("sync", "--threads", str(count)))
    goals = (Goal("ops", peer, at_least=1.3),)
    if count >= 16:
        goals = (Goal("ops", peer, at_least=2.5), Goal("cpu", peer, at_most=0.55))
    return Work("S2", f"{count} threads, GET 32 bytes", (ours, peer), goals)


def async_peer(window):
    return Run("hiredis async (libev)", HIREDIS, ("async", "--window", str(window)))


def queue(window):
    size = ("--window", str(window))
    ours = Run("queue, jr_queue_take", JUSTREDIS, ("queue", *size))
    peer = async_peer(window)
    title = f"1 thread, {window} in flight, GET 32 bytes"
    if window != 128:
        return Work("S4", title, (ours, peer), (Goal("ops", peer, at_least=1),))
    others = (
        Run("queue, poll(2)", JUSTREDIS, ("poll", *size)),
        Run("hiredis pipeline", HIREDIS, ("pipeline", *size)),
        Run("raw socket", RAW, ("window", *size)),
    )
    goals = (Goal("ops", peer, at_least=1.5), Goal("cpu", peer, at_most=0.4))
    return Work("S3", title, (ours, peer, *others), goals)


def callbacks():
    ours = Run("callbacks", JUSTREDIS, ("callback", "--window", "128"))
    peer = async_peer(128)
    return Work("S5", "callbacks, 128 in flight, GET 32 bytes", (ours, peer), (Goal("cpu", peer, at_most=1),))


def large(command, size, label):
    arguments = ("--command", command, "--value", str(size))
    ours = Run("jr_execute", JUSTREDIS, ("execute", *arguments))
    peer = Run("hiredis sync", HIREDIS, ("sync", *arguments))
    floor = Run("raw socket", RAW, ("sync", *arguments))
    title = f"1 thread, {command.upper()} {label}"
    return Work("S6", title, (ours, peer, floor), (Goal("cpu", floor, at_most=1.3),))


KIB, MIB = 1 << 10, 1 << 20

WORKS = (
    lone(),
    *(threads(count) for count in (4, 16, 64)),
    *(queue(window) for window in (128, 1, 16, 1024)),
    callbacks(),
    *(large(command, size, label) for command in ("get", "set") for size, label in ((64 * KIB, "64 KiB"), (MIB, "1 MiB"))),
)
