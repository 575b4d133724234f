"""What is the blocking face's own: threads, signals, child processes, and interpreters that end."""

import os
import signal
import subprocess
import sys
import threading
import time
import warnings

import pytest

import faces
import servers
from justredis import RedisError, RedisReplyError, _justredis, subscription
from justredis.blocking import Multiplexer

shows = pytest.mark.capability


@pytest.fixture
def redis(server):
    servers.ask(server.port, "FLUSHALL")
    with Multiplexer([server.endpoint]) as redis:
        yield redis


@shows("threads", faces=[faces.BLOCKING])
def test_threads_share_one_multiplexer(redis):
    db = redis.database()
    wrong = []

    def work(name):
        for number in range(300):
            if db.commandreply("ECHO", f"{name}:{number}") != f"{name}:{number}".encode():
                wrong.append((name, number))
        db.commandreply("INCRBY", "n", 300)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert db.commandreply("GET", "n") == b"2400"
    assert len(redis.statistics()["links"]) == 1


def test_a_reply_is_awaited_by_another_thread(redis):
    """Both threads wait on the queue of the one that sent, and each gets what it waits for."""
    db = redis.database()
    seen = []
    for round in range(50):
        mine = db.command("BLPOP", f"mine:{round}", 0)
        other = db.command("BLPOP", f"other:{round}", 0)
        thread = threading.Thread(target=lambda reply=other: seen.append(reply()[1]))
        thread.start()
        pusher = threading.Thread(
            target=lambda round=round: [db.commandreply("RPUSH", f"{who}:{round}", who) for who in ("other", "mine")]
        )
        pusher.start()
        assert mine()[1] == b"mine"
        thread.join(30)
        pusher.join(30)
        assert seen == [b"other"] * (round + 1)


class Interrupted(Exception):
    pass


def interrupt(number, frame):
    raise Interrupted


@shows("signals", faces=[faces.BLOCKING])
@shows("cancel", faces=[faces.BLOCKING])
def test_a_signal_ends_a_blocking_command(redis, server):
    """Within a tenth of a second, and the server is told to stop waiting."""
    db = redis.database()
    db.commandreply("PING")
    handler = signal.signal(signal.SIGUSR1, interrupt)
    try:
        took = []
        for _ in range(10):
            main = threading.get_ident()

            def send(main=main):
                servers.until(lambda: "blocked_clients:1" in servers.ask(server.port, "INFO", "clients"))
                took.append(time.monotonic())
                signal.pthread_kill(main, signal.SIGUSR1)

            thread = threading.Thread(target=send)
            thread.start()
            with pytest.raises(Interrupted):
                db.commandreply("BLPOP", "q", 0)
            took[-1] = time.monotonic() - took[-1]
            thread.join()
            servers.until(lambda: "blocked_clients:0" in servers.ask(server.port, "INFO", "clients"))
        # The machine may be busy; without the signal it would be a second at least.
        assert min(took) < 0.1
    finally:
        signal.signal(signal.SIGUSR1, handler)
    assert db.commandreply("RPUSH", "q", "a") == 1
    assert db.commandreply("BLPOP", "q", 0) == [b"q", b"a"]


def test_ctrl_c_ends_a_program(server):
    program = (
        "import sys\nfrom justredis.blocking import Multiplexer\n"
        f"db = Multiplexer({server.url!r}).database()\n"
        "db.commandreply('PING')\nprint('ready', flush=True)\n"
        "try:\n    db.commandreply('BLPOP', 'never', 0)\nexcept KeyboardInterrupt:\n    print('interrupted')\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    servers.until(lambda: "blocked_clients:1" in servers.ask(server.port, "INFO", "clients"))
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30)[0] == "interrupted\n"
    assert process.returncode == 0


def fork(child):
    """Runs `child` in a child process, and gives its exit status."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        process = os.fork()
    if process == 0:
        code = 1
        try:
            child()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


@shows("fork", faces=[faces.BLOCKING])
def test_children_work_and_leave_the_parent_alone(redis):
    db = redis.database()
    watched = redis.database(3)
    watched.commandreply("PING")
    pending = db.command("BLPOP", "parent", 0)
    identity = db.commandreply("CLIENT", "ID")

    def child():
        assert db.commandreply("INCR", "n") > 0
        assert db.command("INCR", "n")() > 0
        with db.multi() as multi:
            multi.command("INCR", "n")
        assert watched.commandreply("PING") == b"PONG"
        assert db.commandreply("CLIENT", "ID") != identity

    for _ in range(5):
        assert fork(child) == 0
    assert db.commandreply("GET", "n") == b"15"
    assert db.commandreply("CLIENT", "ID") == identity
    db.commandreply("RPUSH", "parent", "x")
    assert pending()[1] == b"x"


def test_a_server_that_forks_its_workers(server):
    """As gunicorn does: the multiplexer is made before, and used first in the workers, who serve with threads."""
    servers.ask(server.port, "FLUSHALL")
    redis = Multiplexer([server.endpoint])
    db = redis.database()

    def worker():
        threads = [threading.Thread(target=lambda: [db.commandreply("INCR", "n") for _ in range(50)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        redis.close()

    for _ in range(4):
        assert fork(worker) == 0
    assert db.commandreply("GET", "n") == b"800"
    redis.close()


ENDING = """
import random, sys, threading, time, socket
from justredis.blocking import Multiplexer
port = int(sys.argv[1])
given = {"endpoints": [("127.0.0.1", port)]}
if random.random() < 0.5:
    given["connectionhandler"] = lambda address, timeout: socket.create_connection(("127.0.0.1", port), timeout)
redis = Multiplexer(given)
db = redis.database()
def work():
    while True:
        db.commandreply("SET", "key", "value")
        db.command("GET", "key")
        if random.random() < 0.01:
            db.command("CLIENT", "KILL", "ID", db.commandreply("CLIENT", "ID"))
for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
pubsub = redis.pubsub()
pubsub.add("channel")
db.commandreply("PUBLISH", "channel", "x")
db.command("BLPOP", "nothing", 0)
time.sleep(random.random() * 0.05)
"""


def test_interpreters_end_under_load(server):
    """JR_INTERPRETERS says how many; a thousand are the full measure."""
    count = int(os.environ.get("JR_INTERPRETERS", "20"))
    for _ in range(0, count, 4):
        group = [
            subprocess.Popen([sys.executable, "-c", ENDING, str(server.port)], stderr=subprocess.PIPE, text=True)
            for _ in range(4)
        ]
        for process in group:
            errors = process.communicate(timeout=60)[1]
            assert (process.returncode, errors) == (0, ""), errors


def shell(*arguments, text=""):
    command = [sys.executable, "-m", "justredis", *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)


def test_the_shell(redis, server):
    assert shell(server.url, "SET", "a", 'x "y"\u00e4\n').stdout == '"OK"\n'
    assert shell(server.url, "GET", "a").stdout == '"x \\"y\\"\u00e4\\n"\n'
    assert shell(server.url, "INCR", "n").stdout == "(integer) 1\n"
    wrong = shell(server.url, "GET")
    assert (wrong.returncode, wrong.stdout[:11]) == (1, "(error) ERR")
    several = shell(server.url, text="RPUSH l a b\n\nLRANGE l 0 -1\nHSET h f v\nHGETALL h\nGET none\nLRANGE none 0 1\n")
    assert several.stdout.splitlines() == [
        *("(integer) 2", '1) "a"', '2) "b"', "(integer) 1", '"f" => "v"', "(nil)", "(empty)"),
    ]
    assert shell("redis://127.0.0.1:1", "PING").returncode == 1
    assert shell("http://a", "PING").stderr.startswith("(error)")
    assert shell().returncode == 2


def test_a_subscription_is_closed_by_another_thread(redis):
    pubsub = redis.pubsub()
    pubsub.add("a")
    pubsub.message()
    seen = []
    thread = threading.Thread(target=lambda: seen.append(pubsub.message()))
    thread.start()
    pubsub.close()
    thread.join(30)
    assert seen in ([None], [])
    assert not thread.is_alive()


def test_the_types_of_the_extension_are_not_made_by_hand():
    from justredis import _justredis

    for kind in (_justredis.Client, _justredis.Queue, _justredis.Port):
        with pytest.raises(TypeError):
            kind()
    assert issubclass(RedisReplyError, Exception)
    assert not issubclass(RedisError, OSError)


def test_what_was_dropped_before_a_confirmation_is_counted_on_the_next_message():
    inbox = subscription.Inbox(lambda: None)
    more = _justredis.COMPLETION_MORE
    inbox.deliver([b"subscribe", b"a", 1], more, 3)
    inbox.deliver(1, more, 2)
    inbox.deliver([b"message", b"a", b"first"], more, 4)
    inbox.deliver([b"message", b"a", b"second"], more, 0)
    assert [item.dropped for item in inbox.items if item.is_message] == [9, 0]
