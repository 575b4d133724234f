// jr::client and what it makes: jr::lease, jr::bound (with options), and the ways to run a command that they share.
#ifndef JUSTREDIS_CPP_CLIENT_HPP
#define JUSTREDIS_CPP_CLIENT_HPP

#include <array>
#include <future>
#include <justredis/cpp/command.hpp>
#include <justredis/cpp/queue.hpp>
#include <memory>

namespace jr {

/// How a request is run; see client.with.
///
///     client.with(jr::options().timeout(250ms).idempotent()).run("INCRBY", "key", 5)
class options {
  public:
    /// From now on; zero: the client's command_timeout, jr::forever: none. What a blocking command lets the server wait
    /// is added.
    template <typename Rep, typename Period> options &timeout(std::chrono::duration<Rep, Period> timeout) {
        timeout_ms_ = detail::milliseconds(timeout);
        return *this;
    }
    /// "primaries", "replicas", "all" (a map of address to reply), "random", "host:port", "slot:N", "key:K".
    options &route(std::string route) {
        route_ = std::move(route);
        return *this;
    }
    /// It may run twice: it is sent again also when nobody knows whether it ran.
    options &idempotent() noexcept {
        return flag(JR_REQUEST_IDEMPOTENT);
    }
    /// A replica may answer.
    options &replica() noexcept {
        return flag(JR_REQUEST_REPLICA);
    }
    /// On a connection of its own.
    options &dedicated() noexcept {
        return flag(JR_REQUEST_DEDICATED);
    }
    /// It may be answered from the client's cache (the option cache_bytes).
    options &cached() noexcept {
        return flag(JR_REQUEST_CACHED);
    }

    /// Written at once if nothing else is under way for its queue: for one request at a time in an event loop or a
    /// dispatcher. See JR_REQUEST_NOW.
    options &now() noexcept {
        return flag(JR_REQUEST_NOW);
    }
    /// A refused call is told as a completion, too, not thrown: `submit` and `submit_to` have one path for errors. See
    /// JR_REQUEST_REPORT.
    options &report() noexcept {
        return flag(JR_REQUEST_REPORT);
    }

    /// Private: writes them into a request. Lives as long as the request.
    void apply(jr_request &request) const noexcept {
        request.flags |= flags_;
        request.timeout_ms = timeout_ms_;
        request.route = route_.empty() ? nullptr : route_.c_str();
    }

  private:
    options &flag(uint32_t flag) noexcept {
        flags_ |= flag;
        return *this;
    }

    uint32_t flags_ = 0, timeout_ms_ = 0;
    std::string route_;
};

class bound;
class stream;
class subscription;
template <typename T, std::size_t Count> class awaitable;
template <typename T> class list_awaitable;

namespace detail {

template <typename... Arguments> struct is_list : std::false_type {};
template <typename Only> struct is_list<Only> : std::is_base_of<command_list, Only> {};

/// Makes a request of arguments (or of one command, pipeline or transaction) and calls `function(jr_request &)`.
template <typename F, typename... Arguments> auto with_request(F &&function, const Arguments &...arguments) {
    static_assert(sizeof...(Arguments) > 0, "a command has at least its name");
    jr_request request = {};
    request.size = sizeof request;
    if constexpr (is_list<Arguments...>::value) {
        const command_list &list = (arguments, ...);
        request.commands = list.native();
        request.count = list.size();
        request.flags = list.flags();
        return function(request);
    } else {
        const argument values[] = {argument(arguments)...};
        jr_bytes bytes[sizeof...(Arguments)];
        for (std::size_t i = 0; i < sizeof...(Arguments); i++)
            bytes[i] = values[i].bytes();
        const jr_command command = {bytes, sizeof...(Arguments)};
        request.commands = &command;
        request.count = 1;
        return function(request);
    }
}

/// The value of a completion as a T, which may be void.
template <typename T> T value_as(jr::reply &&reply) {
    reply.check();
    if constexpr (std::is_same_v<T, jr::reply>)
        return std::move(reply);
    else if constexpr (!std::is_void_v<T>)
        return std::move(reply).get<T>();
}

} // namespace detail

/// The ways to run a command, for clients, leases and those with options. Each takes the command's arguments (see
/// jr::argument), or one jr::command, jr::pipeline or jr::transaction. Any thread.
template <typename Self> class commands {
  public:
    /// Runs it and waits for the answer, as a T that owns its memory: the whole reply, std::string,
    /// std::optional<long>, std::tuple<...>, or void. Throws jr::reply_error if the server answers with an error,
    /// jr::error if there is no answer, jr::conversion_error if the answer is no T. Errors among the items of a
    /// pipeline throw only when they are looked at. Not from callbacks.
    ///
    ///     auto name = client.run<std::optional<std::string>>("GET", "name");
    template <typename T = reply, typename... Arguments> T run(const Arguments &...arguments) const {
        jr_reply *raw = nullptr;
        const jr_status status = execute(&raw, arguments...);
        reply owned(raw);
        if (raw == nullptr)
            detail::check(status);
        return detail::value_as<T>(std::move(owned));
    }

    /// The same without exceptions.
    template <typename... Arguments> result try_run(const Arguments &...arguments) const {
        jr_reply *raw = nullptr;
        const jr_status status = execute(&raw, arguments...);
        if (raw == nullptr)
            return result(status);
        const jr::outcome outcome = node(raw).is_error() ? node(raw).outcome() : outcome_without_error(status);
        return result(reply(raw), status, outcome);
    }

    /// Sends it and does not wait: a future of the answer, which throws as `run` does. Waiting for it in a callback
    /// waits for ever.
    template <typename T = reply, typename... Arguments> std::future<T> async(const Arguments &...arguments) const {
        std::promise<T> promise;
        std::future<T> future = promise.get_future();
        submit(
            [promise = std::move(promise)](completion &&completion) mutable {
                try {
                    if constexpr (std::is_void_v<T>) {
                        detail::value_as<T>(std::move(completion).reply());
                        promise.set_value();
                    } else {
                        promise.set_value(detail::value_as<T>(std::move(completion).reply()));
                    }
                } catch (...) {
                    promise.set_exception(std::current_exception());
                }
            },
            arguments...);
        return future;
    }

    /// Sends it; `function(jr::completion)` is called for its completion, or for each of its completions if it has many
    /// (SUBSCRIBE, MONITOR). On the callback thread of the client, where it must not wait; or on that of the
    /// dispatcher, after `on`. It must not throw (std::terminate). Gives the id, for `cancel`. Throws if the call was
    /// refused; then it is not called.
    template <typename F, typename... Arguments> uint64_t submit(F function, const Arguments &...arguments) const {
        auto receiver = std::make_unique<detail::callable<F>>(std::move(function), self().on_dispatcher());
        const uint64_t id = deliver_to(receiver.get(), arguments...);
        receiver.release();
        return id;
    }

    /// Sends it; its completion goes to a queue, with `user_data`. Gives the id, for `cancel`.
    template <typename... Arguments>
    uint64_t submit_to(const queue &to, uint64_t user_data, const Arguments &...arguments) const {
        return detail::with_request(
            [&](jr_request &request) {
                request.queue = to.native();
                request.user_data = user_data;
                return submit_request(request);
            },
            arguments...);
    }

    /// Sends it, and nobody wants to know what comes of it.
    template <typename... Arguments> uint64_t send(const Arguments &...arguments) const {
        return detail::with_request([&](jr_request &request) { return submit_request(request); }, arguments...);
    }

    /// Ends a request before its answer; false if it was completed already. A command that was sent may still run: see
    /// the outcome.
    bool cancel(uint64_t id) const {
        const jr_status status = jr_cancel(self().native(), id);
        if (status == JR_ERR_NOT_FOUND)
            return false;
        detail::check(status);
        return true;
    }

    /// The same client with other options.
    bound with(jr::options options) const;
    /// The same client, whose callables, futures and coroutines are called by a dispatcher.
    bound on(dispatcher &to) const;

    /// A request with many completions, in a queue of its own: `client.open("MONITOR")`.
    template <typename... Arguments> stream open(const Arguments &...arguments) const;

#if defined(__cpp_impl_coroutine)
    /// For coroutines: `auto name = co_await client.await<std::string>("GET", "name")`. Sent when it is awaited; throws
    /// as `run` does. Goes on where `submit` calls: after `on`, in the dispatcher. The arguments are not copied. A
    /// coroutine must not be destroyed while it waits: cancel what it waits for, by `.stop_on(std::stop_token)`, or
    /// everything by dispatcher.close.
    template <typename T = reply, typename... Arguments> auto await(const Arguments &...arguments) const {
        if constexpr (detail::is_list<Arguments...>::value)
            return list_awaitable<T>(self().native(), self().request_options(), self().on_dispatcher(), arguments...);
        else
            return awaitable<T, sizeof...(Arguments)>(self().native(), self().request_options(), self().on_dispatcher(),
                                                      arguments...);
    }
#endif

  private:
    const Self &self() const noexcept {
        return static_cast<const Self &>(*this);
    }

    static jr::outcome outcome_without_error(jr_status status) noexcept {
        return status == JR_OK || status == JR_ERR_SERVER ? outcome::answered : outcome::unknown;
    }

    template <typename... Arguments> jr_status execute(jr_reply **raw, const Arguments &...arguments) const {
        return detail::with_request(
            [&](jr_request &request) {
                self().request_options().apply(request);
                return jr_execute(self().native(), &request, raw);
            },
            arguments...);
    }

    uint64_t submit_request(jr_request &request) const {
        uint64_t id = 0;
        self().request_options().apply(request);
        detail::check(jr_submit(self().native(), &request, &id));
        return id;
    }

    template <typename... Arguments>
    uint64_t deliver_to(detail::receiver *receiver, const Arguments &...arguments) const {
        return detail::with_request(
            [&](jr_request &request) {
                dispatcher *const to = self().on_dispatcher();
                request.user_data = reinterpret_cast<uintptr_t>(receiver);
                if (to == nullptr) {
                    request.callback = detail::deliver;
                    return submit_request(request);
                }
                request.queue = to->native();
                to->count(1);
                try {
                    return submit_request(request);
                } catch (...) {
                    to->count(-1);
                    throw;
                }
            },
            arguments...);
    }
};

namespace detail {

/// A counted handle of C, and no options.
class handle {
  public:
    /// The handle of C, which stays this object's.
    jr_client *native() const noexcept {
        return native_.get();
    }
    /// Private.
    const std::shared_ptr<jr_client> &shared() const noexcept {
        return native_;
    }
    const options &request_options() const noexcept {
        static const options none;
        return none;
    }
    dispatcher *on_dispatcher() const noexcept {
        return nullptr;
    }

  protected:
    explicit handle(jr_client *native) : native_(native, jr_client_free) {}

  private:
    std::shared_ptr<jr_client> native_;
};

} // namespace detail

/// One connection to itself, for WATCH and the commands up to the jr::transaction that ends it. When it goes, it is
/// given back; nothing is sent again on it. See jr_client_lease.
///
///     jr::lease lease = client.lease();
///     lease.run("WATCH", "counter");
///     auto value = lease.run<std::optional<long>>("GET", "counter").value_or(0);
///     jr::transaction transaction;
///     transaction.add("SET", "counter", value + 1);
///     bool written = !lease.run(transaction).is_nil();
class lease : public detail::handle, public commands<lease> {
  public:
    explicit lease(jr_client *owned) : handle(owned) {}
};

/// A client of one server, several with a primary, or a cluster: shared by all threads, every command pipelined. A
/// cheap handle; a copy is the same client. The last one that goes ends it at once, see `close`.
class client : public detail::handle, public commands<client> {
  public:
    /// Starts to connect and does not wait for it.
    explicit client(const config &config) : handle(make(config.native())) {}
    /// Of a URL.
    explicit client(const std::string &url) : client(config(url)) {}
    /// Of the server at 127.0.0.1:6379.
    client() : handle(make(nullptr)) {}

    /// A view on another database number, over a connection for that.
    client database(uint32_t number) const {
        jr_client *view = nullptr;
        detail::check(jr_client_database(native(), number, &view));
        return client(view);
    }

    /// A connection for WATCH; the key is one of those it will be used for (needed in clusters only).
    jr::lease lease() const {
        return make_lease(nullptr);
    }
    jr::lease lease(std::string_view key) const {
        const jr_bytes bytes = {key.data(), key.size()};
        return make_lease(&bytes);
    }

    /// A subscription to channels, patterns or sharded channels: see jr::subscription. Does not wait for the
    /// confirmations, which are the first that it gets, and behind them one of the kind "ready". `subscribe()` makes
    /// one without channels, which is changed afterwards.
    template <typename... Channels> subscription subscribe(const Channels &...channels) const;
    template <typename... Patterns> subscription psubscribe(const Patterns &...patterns) const;
    template <typename... Channels> subscription ssubscribe(const Channels &...channels) const;

    /// The life of the connections, as it happens: maps with "event", "address", ...; see jr_client_events.
    stream events() const;

    /// The state of the client in numbers: see jr_client_stats.
    reply stats() const {
        jr_reply *map = nullptr;
        detail::check(jr_client_stats(native(), &map));
        return reply(map);
    }

    /// Where a key is: see jr_client_locate.
    reply locate(std::string_view key) const {
        const jr_bytes bytes = {key.data(), key.size()};
        jr_reply *map = nullptr;
        detail::check(jr_client_locate(native(), &bytes, &map));
        return reply(map);
    }

    /// Brings user (empty: the default one) and password to a client that runs.
    void set_credentials(const std::string &user, const std::string &password) const {
        detail::check(jr_client_set_credentials(native(), user.empty() ? nullptr : user.c_str(), password.c_str()));
    }

    /// The barrier at the end: accepts nothing more, lets what is under way end for up to `timeout`, then ends it. When
    /// it returns no callback runs or will run. False if something had to be ended. Not from a callback.
    template <typename Rep, typename Period> bool close(std::chrono::duration<Rep, Period> timeout) const {
        const jr_status status = jr_client_close(native(), detail::milliseconds(timeout));
        if (status == JR_ERR_TIMEOUT)
            return false;
        detail::check(status);
        return true;
    }
    bool close() const {
        return close(forever);
    }

  private:
    explicit client(jr_client *owned) : handle(owned) {}

    static jr_client *make(const jr_config *config) {
        jr_client *made = nullptr;
        detail::check(jr_client_new(config, &made));
        return made;
    }

    jr::lease make_lease(const jr_bytes *key) const {
        jr_client *made = nullptr;
        detail::check(jr_client_lease(native(), key, &made));
        return jr::lease(made);
    }
};

/// A client or a lease with options, or with a dispatcher. Keeps it alive.
class bound : public commands<bound> {
  public:
    bound(std::shared_ptr<jr_client> client, jr::options options, dispatcher *to)
        : client_(std::move(client)), options_(std::move(options)), to_(to) {}

    jr_client *native() const noexcept {
        return client_.get();
    }
    /// Private.
    const std::shared_ptr<jr_client> &shared() const noexcept {
        return client_;
    }
    const options &request_options() const noexcept {
        return options_;
    }
    dispatcher *on_dispatcher() const noexcept {
        return to_;
    }

  private:
    std::shared_ptr<jr_client> client_;
    jr::options options_;
    dispatcher *to_;
};

template <typename Self> bound commands<Self>::with(jr::options options) const {
    return bound(self().shared(), std::move(options), self().on_dispatcher());
}

template <typename Self> bound commands<Self>::on(dispatcher &to) const {
    return bound(self().shared(), self().request_options(), &to);
}

} // namespace jr

#endif
