"""Servers, the two faces, and what the tests show of the capabilities that every binding has."""

import asyncio
import functools
import inspect
import os

import pytest

import faces
import servers


def pytest_configure(config):
    config.addinivalue_line("markers", "capability(name): this test shows it; see tests/bindings/capabilities.toml")


@pytest.hookimpl(hookwrapper=True)
def pytest_pyfunc_call(pyfuncitem):
    """Tests that are coroutines run in a loop of their own."""
    if inspect.iscoroutinefunction(pyfuncitem.obj):
        pyfuncitem.obj = in_a_loop(pyfuncitem.obj)
    yield


# In seconds; more where many operations are asked for.
LONGEST = 60 + int(os.environ.get("JR_OPERATIONS", "0")) / 5000


def in_a_loop(function):
    @functools.wraps(function)
    def run(**arguments):
        asyncio.run(asyncio.wait_for(function(**arguments), LONGEST))

    return run


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    path = os.environ.get("JR_CAPABILITIES")
    if path and (report.when == "call" or report.failed):
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        face = parameters.get("face")
        topology = [parameters["topology"]] if "topology" in parameters else []
        for marker in item.iter_markers("capability"):
            columns = [face] if face else marker.kwargs.get("faces", [faces.ASYNCIO, faces.BLOCKING])
            with open(path, "a") as file:
                for column in columns:
                    result = {"passed": "ok", "failed": "FAILED"}.get(report.outcome, report.outcome)
                    file.write("\t".join([f"python {column}", marker.args[0], result, *topology]) + "\n")


@pytest.fixture(params=[faces.ASYNCIO, faces.BLOCKING], ids=repr)
def face(request):
    return request.param


def ending(make):
    @pytest.fixture(scope="session")
    def fixture():
        made = make()
        yield made
        made.end()

    return fixture


server = ending(servers.Server)
cluster = ending(servers.Cluster)
watched = ending(servers.Watched)


@pytest.fixture(scope="session")
def certificates():
    return servers.certificates()


@pytest.fixture(scope="session")
def tls(certificates):
    made = servers.tls_server(certificates)
    yield made
    made.end()


@pytest.fixture
def own_server():
    """One that a test may stop."""
    made = servers.Server()
    yield made
    made.end()


@pytest.fixture
def redis(face, server):
    """A multiplexer of an empty server; the test enters it."""
    servers.ask(server.port, "FLUSHALL")
    return face.multiplexer([server.endpoint])
