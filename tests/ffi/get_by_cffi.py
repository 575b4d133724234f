"""The library by an FFI that parses C: Python's cffi in ABI mode, with the declarations of include/justredis-ffi.h and
the constants of include/justredis-constants.json as they are. Arguments: the library, the URL of a server."""

import json
import os
import sys

import cffi

include = os.path.join(os.path.dirname(__file__), "..", "..", "include")
ffi = cffi.FFI()
with open(os.path.join(include, "justredis-ffi.h")) as declarations:
    ffi.cdef(declarations.read())
with open(os.path.join(include, "justredis-constants.json")) as file:
    constants = {constant["name"]: constant for constant in json.load(file)["constants"]}
# Each type is one of C or of the declarations, and holds its value.
for constant in constants.values():
    assert int(ffi.cast(constant["type"], constant["value"])) == constant["value"], constant


def value(name):
    return constants[name]["value"]


def check(status):
    if status != value("JR_OK"):
        raise RuntimeError(f"{ffi.string(jr.jr_status_text(status))}: {ffi.string(jr.jr_error_text())}")


jr = ffi.dlopen(sys.argv[1])
config = jr.jr_config_new()
check(jr.jr_config_set(config, b"url", sys.argv[2].encode()))
client = ffi.new("jr_client **")
check(jr.jr_client_new(config, client))
jr.jr_config_free(config)
client = client[0]


def run(*words):
    keep = [ffi.from_buffer(word) for word in words]
    args = ffi.new("jr_bytes[]", [(word, len(word)) for word in keep])
    command = ffi.new("jr_command *", (args, len(words)))
    request = ffi.new("jr_request *", {"size": ffi.sizeof("jr_request"), "commands": command, "count": 1})
    reply = ffi.new("jr_reply **")
    check(jr.jr_execute(client, request, reply))
    try:
        return reply[0].kind, ffi.buffer(reply[0].bytes, reply[0].length)[:]
    finally:
        jr.jr_reply_free(reply[0])


text = b"by an FFI\r\n\0"
assert run(b"SET", b"jr:cffi", text) == (value("JR_STATUS"), b"OK")
assert run(b"GET", b"jr:cffi") == (value("JR_STRING"), text)

# To a queue, as a binding does it.
queue = jr.jr_queue_new()
ping = ffi.new("char[]", b"PING")
args = ffi.new("jr_bytes *", (ping, 4))
command = ffi.new("jr_command *", (args, 1))
request = ffi.new("jr_request *", {"size": ffi.sizeof("jr_request"), "commands": command, "count": 1, "queue": queue})
request.user_data = 1 << 63
check(jr.jr_submit(client, request, ffi.NULL))
completions = ffi.new("jr_completion[8]")
assert jr.jr_queue_take(queue, completions, 8, -1) == 1
assert completions[0].user_data == 1 << 63 and completions[0].flags == value("JR_OUTCOME_ANSWERED")
assert ffi.string(completions[0].reply.bytes) == b"PONG"
jr.jr_completions_free(completions, 1)
jr.jr_queue_free(queue)
check(jr.jr_client_close(client, value("JR_TIMEOUT_NONE")))
jr.jr_client_free(client)
print(f"{len(constants)} constants, {ffi.string(jr.jr_version()).decode()}")
