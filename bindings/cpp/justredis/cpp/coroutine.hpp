// Coroutines (C++20): what client.await gives, jr::task, and how a dispatcher runs tasks. Nothing here in C++17.
#ifndef JUSTREDIS_CPP_COROUTINE_HPP
#define JUSTREDIS_CPP_COROUTINE_HPP

#include <justredis/cpp/client.hpp>

#if defined(__cpp_impl_coroutine)

#include <coroutine>
#if __has_include(<stop_token>)
#include <stop_token>
#include <thread>
#endif

namespace jr {
namespace detail {

#if defined(__cpp_lib_jthread)
/// Cancels a request when a std::stop_token says so, on any thread, at any time from before jr_submit on.
class stop {
  public:
    std::stop_token token;

    bool requested() const noexcept {
        return token.stop_requested();
    }

    jr_status submit(jr_client *client, const jr_request &request) noexcept {
        if (!token.stop_possible())
            return jr_submit(client, &request, nullptr); // and nothing is touched after that
        client_ = client;
        on_stop_.emplace(token, canceller{this});
        uint64_t id = 0;
        const jr_status status = jr_submit(client, &request, &id);
        if (status != JR_OK) {
            on_stop_.reset();
            return status;
        }
        id_ = id;
        if (token.stop_requested()) // perhaps while there was no id
            jr_cancel(client, id);
        submitted_ = true;
        return status;
    }

    /// For whoever has the completion: until `submit` touches nothing more. Only on another thread is there to wait.
    void until_submitted() const noexcept {
        while (token.stop_possible() && !submitted_)
            std::this_thread::yield();
    }

    /// Nothing is cancelled any more.
    void over() noexcept {
        on_stop_.reset();
    }

  private:
    struct canceller {
        stop *of;
        void operator()() const noexcept {
            if (const uint64_t id = of->id_; id != 0)
                jr_cancel(of->client_, id);
        }
    };

    jr_client *client_ = nullptr;
    std::atomic<uint64_t> id_{0};
    std::atomic<bool> submitted_{false};
    std::optional<std::stop_callback<canceller>> on_stop_;
};
#else
/// Where the library of C++ has no std::stop_token.
class stop {
  public:
    bool requested() const noexcept {
        return false;
    }
    jr_status submit(jr_client *client, const jr_request &request) noexcept {
        return jr_submit(client, &request, nullptr);
    }
    void until_submitted() const noexcept {}
    void over() noexcept {}
};
#endif

/// Waits for the completion of a request: its own address is the user data, so that nothing is allocated.
template <typename T> class awaitable_base : receiver {
  public:
    awaitable_base(const awaitable_base &) = delete;
    awaitable_base &operator=(const awaitable_base &) = delete;

    bool await_ready() const noexcept {
        return false;
    }
    T await_resume() {
        stop_.over();
        if (status_ != JR_OK)
            throw error(status_, outcome::not_run,
                        stop_.requested() ? "cancelled before it was sent" : jr_error_text());
        return value_as<T>(std::move(reply_));
    }

  protected:
    awaitable_base(jr_client *client, const options &options, dispatcher *to, uint64_t subscription = 0) noexcept
        : receiver{receive_it}, client_(client), options_(options), to_(to), subscription_(subscription) {}

#if defined(__cpp_lib_jthread)
    void set_stop(std::stop_token token) noexcept {
        stop_.token = std::move(token);
    }
#endif

    /// Whether it waits from now on. Unless it can be stopped it may be resumed, and gone, before jr_submit returns.
    bool start(std::coroutine_handle<> waiting, jr_request &request) noexcept {
        waiting_ = waiting;
        options_.apply(request);
        request.subscription = subscription_;
        request.user_data = reinterpret_cast<uintptr_t>(static_cast<receiver *>(this));
        if (stop_.requested()) {
            status_ = JR_ERR_CANCELED;
            return false;
        }
        if (to_ == nullptr) {
            request.callback = deliver;
        } else {
            request.queue = to_->native();
            to_->count(1);
        }
        const jr_status status = stop_.submit(client_, request);
        if (status == JR_OK)
            return true;
        if (to_ != nullptr)
            to_->count(-1);
        status_ = status;
        return false;
    }

  private:
    static void receive_it(receiver *self, const jr_completion &completion) noexcept {
        auto *it = static_cast<awaitable_base *>(self);
        it->stop_.until_submitted();
        it->reply_ = reply(completion.reply);
        if (it->to_ != nullptr)
            it->to_->count(-1);
        it->waiting_.resume();
    }

    jr_client *client_;
    const options &options_;
    dispatcher *to_;
    uint64_t subscription_;
    std::coroutine_handle<> waiting_;
    reply reply_;
    jr_status status_ = JR_OK;
    stop stop_;
};

} // namespace detail

/// What `stop_on` gives: the same request, to be awaited at once.
template <typename Awaitable> class stoppable {
  public:
    explicit stoppable(Awaitable &of) noexcept : of_(of) {}
    bool await_ready() const noexcept {
        return of_.await_ready();
    }
    bool await_suspend(std::coroutine_handle<> waiting) {
        return of_.await_suspend(waiting);
    }
    decltype(auto) await_resume() {
        return of_.await_resume();
    }

  private:
    Awaitable &of_;
};

/// A command that is sent when it is awaited. `stop_on(token)` cancels it when a std::stop_token says so, on any
/// thread: then it throws JR_ERR_CANCELED, as a rule; it may have run all the same, see jr::error::outcome.
///
///     auto item = co_await redis.await("BLPOP", "queue", 0).stop_on(token);
template <typename T, std::size_t Count> class awaitable : public detail::awaitable_base<T> {
  public:
    template <typename... Arguments>
    awaitable(jr_client *client, const options &options, dispatcher *to, const Arguments &...arguments)
        : detail::awaitable_base<T>(client, options, to), arguments_{argument(arguments)...} {}
    /// Of a subscription: see jr::listener.
    template <typename... Arguments>
    awaitable(uint64_t subscription, jr_client *client, const options &options, dispatcher *to,
              const Arguments &...arguments)
        : detail::awaitable_base<T>(client, options, to, subscription), arguments_{argument(arguments)...} {}

#if defined(__cpp_lib_jthread)
    stoppable<awaitable> stop_on(std::stop_token token) noexcept {
        this->set_stop(std::move(token));
        return stoppable<awaitable>(*this);
    }
#endif

    bool await_suspend(std::coroutine_handle<> waiting) noexcept {
        jr_bytes bytes[Count];
        for (std::size_t i = 0; i < Count; i++)
            bytes[i] = arguments_[i].bytes();
        const jr_command command = {bytes, Count};
        jr_request request = {};
        request.size = sizeof request;
        request.commands = &command;
        request.count = 1;
        return this->start(waiting, request);
    }

  private:
    argument arguments_[Count];
};

/// The same for a command, a pipeline or a transaction that was built before.
template <typename T> class list_awaitable : public detail::awaitable_base<T> {
  public:
    list_awaitable(jr_client *client, const options &options, dispatcher *to, const command_list &list) noexcept
        : detail::awaitable_base<T>(client, options, to), list_(list) {}

#if defined(__cpp_lib_jthread)
    stoppable<list_awaitable> stop_on(std::stop_token token) noexcept {
        this->set_stop(std::move(token));
        return stoppable<list_awaitable>(*this);
    }
#endif

    bool await_suspend(std::coroutine_handle<> waiting) {
        jr_request request = {};
        request.size = sizeof request;
        request.commands = list_.native();
        request.count = list_.size();
        request.flags = list_.flags();
        return this->start(waiting, request);
    }

  private:
    const command_list &list_;
};

template <typename T = void> class task;

namespace detail {

/// What the promises of tasks share: who waits, and what was thrown.
struct task_promise_base {
    std::coroutine_handle<> continuation = std::noop_coroutine();
    std::exception_ptr thrown;

    struct final_awaiter {
        bool await_ready() const noexcept {
            return false;
        }
        template <typename Promise>
        std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> finished) const noexcept {
            return finished.promise().continuation;
        }
        void await_resume() const noexcept {}
    };

    std::suspend_always initial_suspend() const noexcept {
        return {};
    }
    final_awaiter final_suspend() const noexcept {
        return {};
    }
    void unhandled_exception() noexcept {
        thrown = std::current_exception();
    }
};

template <typename T> struct task_promise : task_promise_base {
    std::optional<T> value;
    task<T> get_return_object() noexcept;
    template <typename U> void return_value(U &&given) {
        value.emplace(std::forward<U>(given));
    }
    T result() {
        if (thrown)
            std::rethrow_exception(thrown);
        return *std::move(value);
    }
};

template <> struct task_promise<void> : task_promise_base {
    task<void> get_return_object() noexcept;
    void return_void() const noexcept {}
    void result() const {
        if (thrown)
            std::rethrow_exception(thrown);
    }
};

} // namespace detail

/// A coroutine that begins when it is awaited, by another one or by jr::run. The header's own, for programs that have
/// none; `await` works in those of any other library.
///
///     jr::task<long> count(jr::bound redis) {
///         co_await redis.await<void>("INCR", "counter");
///         co_return co_await redis.await<long>("GET", "counter");
///     }
template <typename T> class [[nodiscard]] task {
  public:
    using promise_type = detail::task_promise<T>;

    explicit task(std::coroutine_handle<promise_type> handle) noexcept : handle_(handle) {}
    task(task &&other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    task &operator=(task &&other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~task() {
        if (handle_)
            handle_.destroy();
    }

    bool await_ready() const noexcept {
        return false;
    }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiting) noexcept {
        handle_.promise().continuation = waiting;
        return handle_;
    }
    T await_resume() {
        return handle_.promise().result();
    }

    /// Begins without anybody who waits; see jr::run.
    void start() {
        handle_.resume();
    }
    bool done() const noexcept {
        return handle_.done();
    }

  private:
    std::coroutine_handle<promise_type> handle_;
};

template <typename T> task<T> detail::task_promise<T>::get_return_object() noexcept {
    return task<T>(std::coroutine_handle<task_promise<T>>::from_promise(*this));
}

inline task<void> detail::task_promise<void>::get_return_object() noexcept {
    return task<void>(std::coroutine_handle<task_promise<void>>::from_promise(*this));
}

/// Runs a task to its end on this thread; gives what it gives, throws what it throws. What it awaits must come back
/// through the dispatcher: `client.on(dispatcher)`.
template <typename T> T run(dispatcher &on, task<T> running) {
    running.start();
    while (!running.done())
        on.dispatch(forever);
    return running.await_resume();
}

/// Runs several at once, to the end of all; throws what the first of them threw, in their order.
template <typename T> std::vector<T> run_all(dispatcher &on, std::vector<task<T>> running) {
    for (task<T> &it : running)
        it.start();
    for (const task<T> &it : running)
        while (!it.done())
            on.dispatch(forever);
    std::vector<T> values;
    for (task<T> &it : running)
        values.push_back(it.await_resume());
    return values;
}
inline void run_all(dispatcher &on, std::vector<task<void>> running) {
    for (task<void> &it : running)
        it.start();
    for (const task<void> &it : running)
        while (!it.done())
            on.dispatch(forever);
    for (task<void> &it : running)
        it.await_resume();
}

} // namespace jr

#endif
#endif
