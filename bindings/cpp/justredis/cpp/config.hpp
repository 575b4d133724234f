// Options of clients to be made, and what of the program's the library may call: a dialer, a logger, a source of
// credentials.
#ifndef JUSTREDIS_CPP_CONFIG_HPP
#define JUSTREDIS_CPP_CONFIG_HPP

#include <cerrno>
#include <chrono>
#include <justredis/cpp/error.hpp>
#include <memory>
#include <optional>
#include <utility>

namespace jr {

/// For timeouts: without end.
inline constexpr std::chrono::milliseconds forever = std::chrono::milliseconds::max();

namespace detail {

/// For C, where 0 has a meaning of its own, which is `zero` here: a duration that is shorter than a millisecond is one.
template <typename Rep, typename Period> uint32_t milliseconds(std::chrono::duration<Rep, Period> duration) noexcept {
    using std::chrono::milliseconds;
    if (duration <= duration.zero())
        return 0;
    if (duration >= std::chrono::duration_cast<std::chrono::duration<Rep, Period>>(std::chrono::hours(24 * 49)))
        return JR_TIMEOUT_NONE;
    const auto whole = std::chrono::duration_cast<milliseconds>(duration);
    return static_cast<uint32_t>((whole < duration ? whole + milliseconds(1) : whole).count());
}

template <typename F> void release(void *callable) {
    delete static_cast<F *>(callable);
}

} // namespace detail

/// What a source of credentials is asked.
struct credentials_query {
    /// A server for which they are; what is answered serves all connections.
    std::string_view address;
    /// One of JR_CREDENTIALS_CONNECT, JR_CREDENTIALS_RENEW, JR_CREDENTIALS_REJECTED.
    uint32_t reason;
    /// After so long no connection waits for the answer any more.
    std::chrono::milliseconds budget;
};

/// What it answers.
struct credentials {
    /// Empty: the default user.
    std::string user;
    /// Or a token that serves as one.
    std::string password;
    /// How long they are valid, from now on; zero: until they are refused.
    std::chrono::milliseconds valid = std::chrono::milliseconds(0);
};

/// The options of clients to be made; may be changed and used again. One thread at a time.
///
///     jr::client client(jr::config("redis://10.0.0.3").set("command_timeout", "250ms"));
class config {
  public:
    /// All defaults: a server at 127.0.0.1:6379.
    config() : native_(detail::check_made(jr_config_new())) {}
    /// Of a URL: "redis://user:secret@10.0.0.3:6379/2".
    explicit config(const std::string &url) : config() {
        set("url", url);
    }

    /// Sets an option of the README's table. Throws if there is no such option, or the value is wrong.
    config &set(const std::string &option, const std::string &value) & {
        detail::check(jr_config_set(native_.get(), option.c_str(), value.c_str()));
        return *this;
    }
    config &&set(const std::string &option, const std::string &value) && {
        return std::move(set(option, value));
    }

    /// Lets the program dial: `dial(std::string_view address, std::chrono::milliseconds timeout)` gives a connected
    /// stream socket, which then belongs to the library, or a negative errno. On a library thread that may block. What
    /// it throws counts as -ECONNABORTED.
    template <typename F> config &dialer(F dial) {
        auto callable = std::make_unique<F>(std::move(dial));
        const jr_dialer function = [](void *data, const char *address, uint32_t timeout_ms) noexcept -> int32_t {
            try {
                return (*static_cast<F *>(data))(std::string_view(address), std::chrono::milliseconds(timeout_ms));
            } catch (...) {
                return -ECONNABORTED;
            }
        };
        // Released also on failure.
        detail::check(jr_config_set_dialer(native_.get(), function, callable.release(), detail::release<F>));
        return *this;
    }

    /// Lets the program be asked for user and password: `source(const jr::credentials_query &)` gives
    /// std::optional<jr::credentials>, empty if there are none just now; what it throws counts as that. On a library
    /// thread that may block; see jr_config_set_credentials.
    template <typename F> config &credentials(F source) {
        auto callable = std::make_unique<F>(std::move(source));
        const jr_credentials_callback function = [](void *data, const jr_credentials_query *query,
                                                    jr_credentials *answer) noexcept -> jr_status {
            try {
                const std::optional<jr::credentials> given = (*static_cast<F *>(data))(
                    credentials_query{query->address, query->reason, std::chrono::milliseconds(query->budget_ms)});
                if (!given)
                    return JR_ERR_CONNECT;
                return jr_credentials_set(answer, given->user.empty() ? nullptr : given->user.c_str(),
                                          given->password.c_str(), detail::milliseconds(given->valid));
            } catch (...) {
                return JR_ERR_CONNECT;
            }
        };
        detail::check(jr_config_set_credentials(native_.get(), function, callable.release(), detail::release<F>));
        return *this;
    }

    /// Lets the program read about connections made, lost and refused: `log(int level, std::string_view message)`, with
    /// a level of JR_LOG_ERROR, JR_LOG_WARNING or JR_LOG_INFO. On the callback thread of the client; what it throws is
    /// lost.
    template <typename F> config &logger(F log) {
        auto callable = std::make_unique<F>(std::move(log));
        const jr_logger function = [](void *data, int32_t level, const char *message) noexcept {
            try {
                (*static_cast<F *>(data))(static_cast<int>(level), std::string_view(message));
            } catch (...) {
            }
        };
        detail::check(jr_config_set_logger(native_.get(), function, callable.release(), detail::release<F>));
        return *this;
    }

    /// The handle of C, which stays this object's.
    jr_config *native() const noexcept {
        return native_.get();
    }

  private:
    struct free_it {
        void operator()(jr_config *config) const noexcept {
            jr_config_free(config);
        }
    };
    std::unique_ptr<jr_config, free_it> native_;
};

} // namespace jr

#endif
