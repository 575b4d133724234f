"""What is measured, with which programs, and what the goals want of it."""

from dataclasses import dataclass, field, replace

JUSTREDIS, HIREDIS, RAW, PEERS = "justredis_bench", "hiredis_bench", "raw_bench", "peers_bench"
LIBVALKEY = "libvalkey_bench"
# The same program with Debian's hiredis, which most people have.
DEBIAN = "hiredis_debian_bench"
# And with OpenSSL, of which the sources of the newest have the part that Debian's has not.
HIREDIS_TLS = "hiredis_tls_bench"
JUSTREDIS_FOOTPRINT, HIREDIS_FOOTPRINT = "justredis_footprint", "hiredis_footprint"

# The columns of the tables: figures that the programs print.
SPEED = ("ops", "p50", "p99", "cpu")
LARGE = ("read", "byte", "byte_cpu", "peak", "peak_share")
WAITING = ("request", "request_beyond")
RESIDENT = ("library", "threads", "memory", "own")
IDLE = ("connection",)
NODES = ("nodes", "threads", "memory", "own")


@dataclass(frozen=True)
class Run:
    """One program with its arguments. Equal runs of several works are measured once, whatever they are called there."""

    name: str = field(compare=False)
    program: str
    arguments: tuple
    tls: bool = False
    # More than one: a cluster of so many.
    nodes: int = 1

    @property
    def names_cluster(self):
        """Whether the program is told that it is one."""
        return self.program not in (LIBVALKEY, RAW)

    def on_cluster(self, nodes):
        """The same, on so many nodes."""
        return replace(self, nodes=nodes)

    def over_tls(self):
        """The same, encrypted."""
        if self.program == HIREDIS:
            return replace(self, name=f"{self.name}, OpenSSL", program=HIREDIS_TLS, tls=True)
        return replace(self, tls=True)

    def figures(self, figure, results):
        return [result[figure] for result in results[self]]


@dataclass(frozen=True)
class Limit:
    """What a figure is compared with where nobody else is measured."""

    name: str
    value: float
    program = None

    def figures(self, _figure, results):
        return [self.value for _ in next(iter(results.values()))]


@dataclass(frozen=True)
class Goal:
    """How large the ratio of our figure to the peer's may be, or must at least be."""

    figure: str
    peer: Run | Limit
    at_most: float = None
    at_least: float = None
    # Whose figure it is, if not that of the first run.
    of: Run = None

    def is_met(self, ratio):
        return ratio <= self.at_most if self.at_least is None else ratio >= self.at_least

    def wanted(self):
        return f"<= {self.at_most}" if self.at_least is None else f">= {self.at_least}"


@dataclass(frozen=True)
class Work:
    """Runs side by side; the first one is ours, and others may be."""

    name: str
    title: str
    runs: tuple
    goals: tuple
    figures: tuple = SPEED

    @property
    def ours(self):
        return self.runs[0]

    def without(self, program):
        """The same where a program could not be built."""
        runs = tuple(run for run in self.runs if run.program != program)
        goals = tuple(goal for goal in self.goals if goal.peer.program != program)
        return Work(self.name, self.title, runs, goals, self.figures)


@dataclass(frozen=True)
class Chart:
    """The works of these names, drawn into docs/charts."""

    file: str
    title: str
    works: tuple


def lone():
    ours = Run("jr_execute", JUSTREDIS, ("execute",))
    peer = Run("hiredis sync", HIREDIS, ("sync",))
    debian = Run("Debian's hiredis sync", DEBIAN, ("sync",))
    floor = Run("raw socket", RAW, ("sync",))
    goals = (Goal("p50", peer, at_most=1.03), Goal("cpu", peer, at_most=1.03))
    return Work("S1", "1 thread, GET 32 bytes", (ours, peer, debian, floor), goals)


# Of tokio's runtimes the one is taken that is faster for the crates: for tasks that of the one thread, for threads that
# of many. See docs/benchmarks.md.
CRATES = (("redis-rs", "redis"), ("fred", "fred"))


def blocking_threads(count):
    options = ("--threads", str(count), "--callers", "threads", "--runtime", "multi")
    return tuple(Run(f"{name}, threads", PEERS, (crate, *options)) for name, crate in CRATES)


def tasks(option, count):
    return tuple(Run(f"{name}, tasks on one thread", PEERS, (crate, option, str(count))) for name, crate in CRATES)


# What is wanted of so many threads: operations and CPU beside hiredis with a connection for each.
THREADS = {2: (1.05, 1), 3: (1.3, 1), 4: (1.5, 1), 16: (2.7, 0.52), 64: (3.5, 0.45)}


def threads(count):
    ours = Run("jr_execute", JUSTREDIS, ("execute", "--threads", str(count)))
    peer = Run("hiredis sync, a connection each", HIREDIS, ("sync", "--threads", str(count)))
    debian = Run("Debian's hiredis sync, a connection each", DEBIAN, ("sync", "--threads", str(count)))
    crates = blocking_threads(count) if count >= 4 else ()
    ops, cpu = THREADS[count]
    goals = (Goal("ops", peer, at_least=ops), Goal("cpu", peer, at_most=cpu))
    others = (*crates, *tasks("--threads", count)) if crates else ()
    return Work("S2", f"{count} threads, GET 32 bytes", (ours, peer, debian, *others), goals)


def async_peer(window):
    return Run("hiredis async (libev)", HIREDIS, ("async", "--window", str(window)))


def async_debian(window):
    return Run("Debian's hiredis async (libev)", DEBIAN, ("async", "--window", str(window)))


def queue(window):
    size = ("--window", str(window))
    ours = Run("queue, jr_submit_many", JUSTREDIS, ("queue", *size))
    peer = async_peer(window)
    title = f"1 thread, {window} in flight, GET 32 bytes"
    if window != 128:
        # Measured for S2 already.
        crates = tasks("--threads", window) if window == 16 else ()
        return Work("S4", title, (ours, peer, *crates), (Goal("ops", peer, at_least=1),))
    crates = tasks("--window", window)
    one_by_one = Run("queue, jr_submit", JUSTREDIS, ("submit", *size))
    polled = Run("queue, jr_submit_many and poll(2)", JUSTREDIS, ("poll", *size))
    others = (
        one_by_one,
        polled,
        async_debian(window),
        Run("hiredis pipeline", HIREDIS, ("pipeline", *size)),
        *crates,
        Run("raw socket", RAW, ("window", *size)),
    )
    wanted = ((one_by_one, 1.2, 0.7), (ours, 1.35, 0.55), (polled, 1.1, 0.75))
    goals = tuple(
        goal
        for run, ops, cpu in wanted
        for goal in (Goal("ops", peer, at_least=ops, of=run), Goal("cpu", peer, at_most=cpu, of=run))
    )
    return Work("S3", title, (ours, peer, *others), goals)


def values(window, command, size):
    """As S4, of values and by the call that differ from there."""
    arguments = ("--window", str(window), "--command", command, "--value", str(size))
    ours = Run("queue, jr_submit", JUSTREDIS, ("submit", *arguments))
    peer = Run("hiredis async (libev)", HIREDIS, ("async", *arguments))
    title = f"1 thread, {window} in flight, {command.upper()} {size:,} bytes"
    return Work("S10", title, (ours, peer), (Goal("ops", peer, at_least=1),))


def links(window):
    size = ("--window", str(window))
    ours = Run("16 links", JUSTREDIS, ("views", *size))
    peer = Run("one link", JUSTREDIS, ("view", *size))
    title = f"links served by one queue, poll(2), {window} in flight on each, GET 32 bytes"
    return Work("S11", title, (ours, peer), (Goal("cpu", peer, at_most=1.1),))


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


def very_large(kind, size, title, twice):
    """The memory of a reply; and that twice as much takes twice the time, or is nearer to that than to four times."""
    arguments, doubled = ((kind, "--value", str(factor * size)) for factor in (1, 2))
    ours = Run("jr_run", JUSTREDIS_FOOTPRINT, arguments)
    peer = Run("hiredis sync", HIREDIS_FOOTPRINT, arguments)
    whole = Run("jr_run", JUSTREDIS_FOOTPRINT, doubled)
    half = Run("half of it", JUSTREDIS_FOOTPRINT, arguments)
    memory = Goal("peak_share", Limit("the reply", 1), at_most=1.2)
    time = Goal("byte_cpu", half, at_most=1.5)
    return Work("S7", title, (ours, peer), (memory,), LARGE), Work("S7", twice, (whole, half), (time,), LARGE)


def waiting(count):
    size = ("queued", "--window", str(count))
    ours = Run("jr_submit", JUSTREDIS_FOOTPRINT, size)
    peer = Run("hiredis async", HIREDIS_FOOTPRINT, size)
    goals = (Goal("request_beyond", Limit("150 bytes", 150), at_most=1),)
    return Work("S8", f"{count:,} requests that wait, GET", (ours, peer), goals, WAITING)


def connected():
    ours = Run("one client, all threads running", JUSTREDIS_FOOTPRINT, ("connected",))
    limits = (("library", "3.2 MB", 3.2), ("threads", "2 threads", 2), ("memory", "2 MB", 2))
    goals = tuple(Goal(figure, Limit(name, value), at_most=1) for figure, name, value in limits)
    return Work("S9", "connected to 127.0.0.1, without TLS", (ours,), goals, RESIDENT)


def idle(count):
    plain = Run("plain", JUSTREDIS_FOOTPRINT, ("idle", "--window", str(count)))
    encrypted = replace(plain.over_tls(), name="over TLS")
    goals = (Goal("connection", Limit("40 KB", 40), at_most=1),)
    return Work("T9", f"{count} idle connections, memory", (encrypted, plain), goals, IDLE)


def encrypted(name, work, crates=(), cpu=None, ops=None, plain_ops=None):
    """A work of these columns again, over TLS: beside hiredis with OpenSSL, the crates with rustls, and ourselves
    without TLS. Goals: CPU at most, operations at least so many times those of hiredis; operations at least so many
    times our own without TLS."""
    ours, peer = (run.over_tls() for run in work.runs[:2])
    plain = replace(work.ours, name=f"{work.ours.name}, without TLS")
    crates = crates or [run for run in work.runs if run.program == PEERS]
    goals = (
        Goal("cpu", peer, at_most=cpu),
        Goal("ops", peer, at_least=ops),
        Goal("ops", plain, at_least=plain_ops),
    )
    wanted = tuple(goal for goal in goals if goal.at_most or goal.at_least)
    return Work(name, f"{work.title}, TLS", (ours, peer, plain, *(run.over_tls() for run in crates)), wanted)


def large_encrypted(command, size, label):
    arguments = ("--command", command, "--value", str(size))
    crate = Run("redis-rs, a task", PEERS, ("redis", *arguments))
    return encrypted("T6", large(command, size, label), (crate,))


# A cluster of so many nodes, and keys in all of its slots, for which the one node has as many.
SHARDS = 3
KEYS = ("--keys", "1000")


def cluster_work(title, ours, one_node, peers, others=()):
    """Ours on a cluster, beside ourselves on one node and beside others on a cluster: peers, with whom it is compared,
    and others, who do something else."""
    runs = tuple(run.on_cluster(SHARDS) for run in (ours, *peers, *others))
    one_node = replace(one_node, name="one node")
    goals = (Goal("cpu", one_node, at_most=1.15), *(Goal("ops", peer, at_least=1) for peer in runs[1 : 1 + len(peers)]))
    return Work("S15", f"{SHARDS} nodes, {title}, GET 32 bytes", (runs[0], one_node, *runs[1:]), goals)


def cluster_threads(count):
    size = ("--threads", str(count), *KEYS)
    ours = Run("jr_execute", JUSTREDIS, ("execute", *size))
    crates = ("--threads", str(count), "--callers", "threads", "--runtime", "multi", *KEYS)
    peers = (
        Run("libvalkey sync, a context each", LIBVALKEY, ("sync", *size)),
        *(Run(f"{name}, threads", PEERS, (crate, *crates)) for name, crate in CRATES),
    )
    tasks = (Run(f"{name}, tasks on one thread", PEERS, (crate, *size)) for name, crate in CRATES)
    return cluster_work(f"{count} threads", ours, ours, peers, tasks)


def cluster_queue(nodes):
    """With as many requests in flight as S3 has, or as many for each of so many nodes."""
    window = 128
    size = ("--window", str(window * nodes), *KEYS)
    ours = Run("queue, jr_submit_many", JUSTREDIS, ("queue", *size))
    one_node = Run("one node", JUSTREDIS, ("queue", "--window", str(window), *KEYS))
    peers = (
        Run("libvalkey async (libev)", LIBVALKEY, ("async", *size)),
        Run("libvalkey pipeline", LIBVALKEY, ("pipeline", *size)),
        *(Run(f"{name}, tasks on one thread", PEERS, (crate, *size)) for name, crate in CRATES),
    )
    floor = Run("raw sockets", RAW, ("cluster", "--window", str(window * nodes)))
    title = f"1 thread, {window} in flight" + (" on each" if nodes > 1 else "")
    work = cluster_work(title, ours, one_node, peers, (floor,))
    # How much more the kernel takes for three connections than for one.
    one_socket = Run("raw socket on one node", RAW, ("window", "--window", str(window)))
    return replace(work, runs=(*work.runs, one_socket))


def idle_nodes(count):
    ours = Run("jr_client", JUSTREDIS_FOOTPRINT, ("nodes",), nodes=count)
    limits = (("memory", "4 MB", 4), ("threads", "2 threads", 2))
    goals = tuple(Goal(figure, Limit(name, value), at_most=1) for figure, name, value in limits)
    return Work("S15", f"{count} nodes, all connected and idle", (ours,), goals, NODES)


KIB, MIB = 1 << 10, 1 << 20
LARGE_VALUES = [(command, *size) for command in ("get", "set") for size in ((64 * KIB, "64 KiB"), (MIB, "1 MiB"))]

WORKS = (
    lone(),
    *(threads(count) for count in THREADS),
    *(queue(window) for window in (128, 1, 16, 1024)),
    callbacks(),
    *(large(*value) for value in LARGE_VALUES),
    *very_large("string", 100_000_000, "string of 100 MB", "string of 200 MB"),
    *very_large("array", 10_000_000, "array of 1 million elements", "array of 2 million elements"),
    waiting(200_000),
    connected(),
    *(
        values(window, command, size)
        for window in (1, 7, 16, 300, 1024)
        for command in ("get", "set")
        for size in (32, 1000)
    ),
    links(128),
    cluster_threads(16),
    cluster_queue(1),
    cluster_queue(SHARDS),
    idle_nodes(100),
    encrypted("T1", lone(), (Run("redis-rs, a task", PEERS, ("redis",)),), cpu=1),
    encrypted("T2", threads(16)),
    encrypted("T3", queue(128), ops=1, plain_ops=0.7),
    *(large_encrypted(*value) for value in LARGE_VALUES),
    idle(200),
)

CHARTS = (
    Chart("threads", "Threads that wait for each command", ("S1", "S2")),
    Chart("in-flight", "One thread with many requests in flight", ("S3", "S4", "S5")),
    Chart("cluster", "On a cluster of three nodes", ("S15",)),
    Chart("large-values", "One thread, large values", ("S6",)),
    Chart("tls", "Over TLS", ("T1", "T2", "T3", "T6")),
)
