// justredis for C++17 and C++20: a client of Redis and Valkey, shared by all threads, every command pipelined. Header
// only, over justredis.h; link with the library.
//
//     #include <justredis.hpp>
//
//     jr::client client("redis://127.0.0.1:6379");
//     client.run("SET", "key", "value");
//     auto value = client.run<std::optional<std::string>>("GET", "key");
//
// Arguments are texts, containers of bytes, and numbers, which are read where they are. A jr::reply owns its memory;
// views look into it. Failures are exceptions (jr::error, of which jr::reply_error is the server's), or a jr::result
// (try_run).
//
// The rules at the top of justredis.h hold here, too. What they say about memory is done by destructors. What may be
// called on any thread there, may here: jr::client and what has `run`, jr::queue, and `wake`, `cancel` and `fd` of all.
// The library calls nothing of yours that throws, but what says so: callables of `submit` end the program then.
#ifndef JUSTREDIS_HPP
#define JUSTREDIS_HPP

#include <justredis.h>
#include <justredis/cpp/client.hpp>
#include <justredis/cpp/command.hpp>
#include <justredis/cpp/config.hpp>
#include <justredis/cpp/convert.hpp>
#include <justredis/cpp/coroutine.hpp>
#include <justredis/cpp/error.hpp>
#include <justredis/cpp/listener.hpp>
#include <justredis/cpp/queue.hpp>
#include <justredis/cpp/reply.hpp>
#include <justredis/cpp/stream.hpp>

namespace jr {

/// The version of the library, for example "0.1.0".
inline std::string_view version() noexcept {
    return jr_version();
}

/// A short phrase for a status, for example "connection lost".
inline std::string_view status_text(jr_status status) noexcept {
    return jr_status_text(status);
}

} // namespace jr

#endif
