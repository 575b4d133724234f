// What is thrown: jr::error, of which jr::reply_error says that the server answered with an error, and
// jr::conversion_error that a reply does not hold what was asked for.
#ifndef JUSTREDIS_CPP_ERROR_HPP
#define JUSTREDIS_CPP_ERROR_HPP

#include <justredis.h>
#include <stdexcept>
#include <string>
#include <string_view>

namespace jr {

/// What the server may have done.
enum class outcome : uint32_t {
    /// It has certainly not run it.
    not_run = JR_OUTCOME_NOT_RUN,
    /// It was sent and no answer came: it may have run.
    unknown = JR_OUTCOME_UNKNOWN,
    /// The server answered.
    answered = JR_OUTCOME_ANSWERED
};

/// Something failed: a call (a wrong argument, a refused command) or a request (no connection, a timeout, ...).
/// `what()` is the sentence, with the address of the server where there is one.
class error : public std::runtime_error {
  public:
    error(jr_status status, jr::outcome outcome, const std::string &text)
        : std::runtime_error(text), status_(status), outcome_(outcome) {}

    /// One of JR_ERR_*.
    jr_status status() const noexcept {
        return status_;
    }

    /// Whether it may have been run all the same.
    jr::outcome outcome() const noexcept {
        return outcome_;
    }

  private:
    jr_status status_;
    jr::outcome outcome_;
};

/// The server answered with an error. `what()` is its text, verbatim.
class reply_error : public error {
  public:
    reply_error(jr::outcome outcome, const std::string &text) : error(JR_ERR_SERVER, outcome, text) {}

    /// The first word of the text: "ERR", "WRONGTYPE", "NOPERM", ... A view into `what()`.
    std::string_view code() const noexcept {
        const std::string_view text = what();
        return text.substr(0, text.find(' '));
    }
};

/// The server answered, but not with what `get` was to give.
class conversion_error : public error {
  public:
    explicit conversion_error(const std::string &text) : error(JR_ERR_ARGUMENT, jr::outcome::answered, text) {}
};

namespace detail {

/// Throws what a call of this thread has just answered, if that is an error.
inline void check(jr_status status) {
    if (status != JR_OK)
        throw error(status, outcome::not_run, jr_error_text());
}

template <typename Handle> Handle *check_made(Handle *handle) {
    if (handle == nullptr)
        throw error(JR_ERR_MEMORY, outcome::not_run, jr_status_text(JR_ERR_MEMORY));
    return handle;
}

/// The one outcome among the flags of a completion or an error.
inline jr::outcome outcome_of(uint32_t flags) noexcept {
    return static_cast<jr::outcome>(flags & (JR_OUTCOME_NOT_RUN | JR_OUTCOME_UNKNOWN | JR_OUTCOME_ANSWERED));
}

/// Throws what a reply of the kind JR_ERROR says.
[[noreturn]] inline void throw_reply(const jr_reply &reply) {
    const auto status = static_cast<jr_status>(reply.integer);
    const std::string text(reply.bytes, reply.length);
    if (status == JR_ERR_SERVER)
        throw reply_error(outcome_of(reply.flags), text);
    throw error(status, outcome_of(reply.flags), text);
}

} // namespace detail
} // namespace jr

#endif
