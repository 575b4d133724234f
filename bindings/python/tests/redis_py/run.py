"""redis-py's own tests of its commands, run through adapter.py: the share that passes, and why the others do not.

run.py FOLDER [OPTION...]: FOLDER keeps the sources of redis-py, from PyPI; options are those of pytest. reasons.toml
says which tests fail, each with its reason; a failure that has none there ends this with an error. JR_ADAPTER=0 runs
the same tests with redis-py's own connections.
"""

import collections
import fnmatch
import json
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))


def newest_server():
    """A server that knows more of the commands than the one of the system, where it can be had."""
    command = [HERE.parents[3] / "scripts/servers", "redis-8.2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else "redis-server"


if "JR_TEST_SERVER" not in os.environ:
    os.environ["JR_TEST_SERVER"] = newest_server()

import servers  # noqa: E402

VERSION = "8.1.0"
# It leaves a thread behind that waits for ever where it does not pass.
NEVER_ENDS = "tests/test_commands.py::TestRedisCommands::test_interrupted_command"
FILES = ["tests/test_commands.py", "tests/test_pipeline.py", "tests/test_scripting.py"]


def sources(folder):
    """The folder of redis-py's sources, which are fetched unless they are there."""
    name = f"redis-{VERSION}"
    if not (folder / name / "tests").exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "download", "--no-deps"]
        subprocess.run([*command, "--no-binary", "redis", "--dest", folder, f"redis=={VERSION}"], check=True)
        with tarfile.open(folder / f"{name}.tar.gz") as archive:
            archive.extractall(folder, filter="data")
    return folder / name


def run(folder, options):
    """The outcome of each test: a dictionary of its name to (outcome, error)."""
    server = servers.Server("--enable-debug-command", "yes")
    with tempfile.NamedTemporaryFile() as file:
        # Database 9 is the one that redis-py's tests are written for.
        command = [sys.executable, "-m", "pytest", "-p", "adapter", "-p", "no:cacheprovider", "-q", "--tb=no"]
        command += ["-m", "not onlycluster and not redismod", "--no-header", "-W", "ignore", *FILES]
        command += [f"--deselect={NEVER_ENDS}"]
        command += [f"--redis-url=redis://127.0.0.1:{server.port}/9", "-o", "faulthandler_timeout=60", *options]
        variables = {**os.environ, "PYTHONPATH": f"{HERE}:{folder}", "JR_OUTCOMES": file.name}
        try:
            done = subprocess.run(command, cwd=folder, env=variables, timeout=300, capture_output=True, text=True)
        finally:
            server.end()
        lines = pathlib.Path(file.name).read_text().splitlines()
    if not lines or done.returncode not in (0, 1):
        sys.exit(done.stdout[-4000:] + done.stderr[-4000:])
    outcomes = {NEVER_ENDS: ("failed", "it is not run")}
    for line in map(json.loads, lines):
        # A test that fails counts so, whatever its other parts come to.
        if outcomes.get(line["test"], ("",))[0] != "failed":
            outcomes[line["test"]] = line["outcome"], line["error"]
    return outcomes


def explain(outcomes, reasons):
    """The names of the tests that fail for each reason, and those that fail for none."""
    found = collections.defaultdict(list)
    for test, (outcome, _) in outcomes.items():
        if outcome == "failed":
            name = test.partition("::")[2].removesuffix(")")
            reason = next((r["name"] for r in reasons if any(fnmatch.fnmatchcase(name, t) for t in r["tests"])), None)
            found[reason].append(test)
    return found


def read_reasons():
    try:
        import tomllib
    except ImportError:
        from pip._vendor import tomli as tomllib
    return tomllib.loads((HERE / "reasons.toml").read_text())["reason"]


def main():
    if sys.version_info < (3, 10):
        print(f"redis-py {VERSION} wants Python 3.10 or newer: its tests are not run")
        return
    outcomes = run(sources(pathlib.Path(sys.argv[1])), sys.argv[2:])
    reasons = read_reasons()
    counts = collections.Counter(outcome for outcome, _ in outcomes.values())
    ran = counts["passed"] + counts["failed"]
    if os.environ.get("JR_ADAPTER") == "0":
        for test, (outcome, error) in outcomes.items():
            if outcome == "failed":
                print(f"{test}: {error}")
        return
    share = 100 * counts["passed"] / max(ran, 1)
    print(
        f"redis-py {VERSION}: {counts['passed']} of {ran} of its tests pass ({share:.1f} %); {counts['skipped']} want"
    )
    print("another server or say themselves that they are not to be run.")
    found = explain(outcomes, reasons)
    for reason in reasons:
        if found[reason["name"]]:
            print(f"{len(found[reason['name']]):4} {reason['name']}: {reason['says']}")
    for test in found[None]:
        print(f"FAILED without a reason: {test}: {outcomes[test][1]}")
    if found[None] or counts["passed"] < 300:
        sys.exit(1)


main()
