// Completions: jr::result says what came of a request, jr::queue is where completions wait, jr::dispatcher hands them
// to callables, futures and coroutines on a thread of yours.
#ifndef JUSTREDIS_CPP_QUEUE_HPP
#define JUSTREDIS_CPP_QUEUE_HPP

#include <algorithm>
#include <atomic>
#include <exception>
#include <justredis/cpp/config.hpp>
#include <justredis/cpp/convert.hpp>
#include <memory>

namespace jr {

/// What came of a request, without exceptions: a reply, a status, and what the server may have done.
class result {
  public:
    result() = default;
    result(jr::reply reply, jr_status status, jr::outcome outcome)
        : reply_(std::move(reply)), status_(status), outcome_(outcome) {}
    /// Of a call that was refused, with the sentence of this thread's last failure.
    explicit result(jr_status refused)
        : status_(refused), outcome_(jr::outcome::not_run), refusal_(std::make_unique<std::string>(jr_error_text())) {}

    /// Whether the status is JR_OK. Items of a pipeline or of a route to several nodes may be errors all the same.
    bool ok() const noexcept {
        return status_ == JR_OK;
    }
    explicit operator bool() const noexcept {
        return ok();
    }
    jr_status status() const noexcept {
        return status_;
    }
    jr::outcome outcome() const noexcept {
        return outcome_;
    }
    /// The sentence of what failed, or empty.
    std::string_view text() const &noexcept {
        if (refusal_ != nullptr)
            return *refusal_;
        return reply_.is_error() ? reply_.text() : std::string_view();
    }
    std::string_view text() const && = delete;

    /// The reply, also if that is an error.
    const jr::reply &reply() const &noexcept {
        return reply_;
    }
    jr::reply reply() &&noexcept {
        return std::move(reply_);
    }

    /// The reply; throws what it says if that is an error.
    const jr::reply &value() const & {
        check();
        return reply_;
    }
    jr::reply value() && {
        check();
        return std::move(reply_);
    }

    /// Throws what failed. Not for errors among the items of a reply, which are there to be looked at.
    void check() const {
        if (refusal_ != nullptr)
            throw error(status_, outcome_, *refusal_);
        reply_.check();
    }

  private:
    jr::reply reply_;
    jr_status status_ = JR_OK;
    jr::outcome outcome_ = jr::outcome::answered;
    std::unique_ptr<std::string> refusal_;
};

/// A completion: a result, and which request it is of.
class completion : public result {
  public:
    completion() = default;
    /// Takes the reply over.
    explicit completion(const jr_completion &native)
        : result(jr::reply(native.reply), native.status, detail::outcome_of(native.flags)),
          user_data_(native.user_data), request_(native.request), flags_(native.flags) {}

    /// What the request was submitted with.
    uint64_t user_data() const noexcept {
        return user_data_;
    }
    /// The id that submit gave.
    uint64_t request() const noexcept {
        return request_;
    }
    /// More completions of this request follow.
    bool more() const noexcept {
        return (flags_ & JR_COMPLETION_MORE) != 0;
    }
    /// Messages may be missing before this one.
    bool gap() const noexcept {
        return (flags_ & JR_COMPLETION_GAP) != 0;
    }
    /// How many messages were dropped before this one, because they were not taken fast enough.
    uint64_t dropped() const noexcept {
        if ((flags_ & JR_COMPLETION_DROPPED) == 0)
            return 0;
        return reply().attributes()["dropped"].try_get<uint64_t>().value_or(1);
    }

  private:
    uint64_t user_data_ = 0, request_ = 0;
    uint32_t flags_ = 0;
};

namespace detail {

template <typename Rep, typename Period> int32_t wait_of(std::chrono::duration<Rep, Period> timeout) noexcept {
    const uint32_t whole = milliseconds(timeout);
    return whole > INT32_MAX ? -1 : static_cast<int32_t>(whole);
}

/// Who is called for the completions of a request: its address is the user data. It frees itself at the last one.
struct receiver {
    void (*receive)(receiver *self, const jr_completion &completion) noexcept;
};

/// A jr_callback.
inline void deliver(const jr_completion *completion) {
    auto *to = reinterpret_cast<receiver *>(static_cast<uintptr_t>(completion->user_data));
    to->receive(to, *completion);
}

} // namespace detail

/// Where completions wait that programs take themselves; see client.submit_to. Any thread.
class queue {
  public:
    queue() : native_(detail::check_made(jr_queue_new())) {}

    /// The next completion; empty if none came in time, or `wake` was called, or a signal handler ran.
    template <typename Rep, typename Period>
    std::optional<completion> take(std::chrono::duration<Rep, Period> timeout) {
        jr_completion taken;
        if (count_of(jr_queue_take(native_.get(), &taken, 1, detail::wait_of(timeout))) == 0)
            return std::nullopt;
        return completion(taken);
    }
    std::optional<completion> take() {
        return take(forever);
    }

    /// Takes what is there, at most `max`, and calls `function(jr::completion)` for each. Waits for the first only.
    /// Gives how many; when the function throws, the rest is discarded.
    template <typename F, typename Rep, typename Period>
    std::size_t take_each(F &&function, std::chrono::duration<Rep, Period> timeout, std::size_t max = batch) {
        taken_batch taken;
        taken.count =
            count_of(jr_queue_take(native_.get(), taken.completions, (std::min)(max, batch), detail::wait_of(timeout)));
        while (taken.next < taken.count)
            function(completion(taken.completions[taken.next++]));
        return taken.count;
    }

    /// Readable while there is something to take: for event loops. The queue's: do not read, write or close it.
    int fd() const {
        const int32_t descriptor = jr_queue_fd(native_.get());
        if (descriptor < 0)
            detail::check(descriptor);
        return descriptor;
    }

    /// Makes one `take` that waits return with nothing. Any thread, and signal handlers on Linux.
    void wake() noexcept {
        jr_queue_wake(native_.get());
    }

    /// Ends what is under way for it: their completions follow, most of them JR_ERR_CANCELED; what is submitted to it
    /// later is refused. When all of them are taken, `take` throws JR_ERR_CLOSED. Never waits. Any thread.
    void close() {
        detail::check(jr_queue_close(native_.get()));
    }

    /// The handle of C, which stays this object's.
    jr_queue *native() const noexcept {
        return native_.get();
    }

    /// The most that is taken at a time.
    static constexpr std::size_t batch = 128;

  private:
    struct free_it {
        void operator()(jr_queue *queue) const noexcept {
            jr_queue_free(queue);
        }
    };

    /// Frees what is not handed on.
    struct taken_batch {
        jr_completion completions[batch];
        std::size_t next = 0, count = 0;
        ~taken_batch() {
            jr_completions_free(completions + next, count - next);
        }
    };

    static std::size_t count_of(int64_t count) {
        if (count < 0)
            detail::check(static_cast<jr_status>(count));
        return static_cast<std::size_t>(count);
    }

    std::unique_ptr<jr_queue, free_it> native_;
};

/// A queue whose completions go to callables, futures and coroutines (client.on(dispatcher)), on the thread that runs
/// it: by `dispatch`, or by an event loop that calls `dispatch` when `fd` is readable. It must live until all of them
/// had their answer: `close` sees to that. What is left without it is never called, nor freed.
class dispatcher {
  public:
    dispatcher() = default;
    dispatcher(const dispatcher &) = delete;
    dispatcher &operator=(const dispatcher &) = delete;

    /// Hands over what is there; waits for the first if there is a timeout. Gives how many. One thread at a time.
    template <typename Rep, typename Period> std::size_t dispatch(std::chrono::duration<Rep, Period> timeout) {
        jr_completion taken[queue::batch];
        const int64_t count = jr_queue_take(queue_.native(), taken, queue::batch, detail::wait_of(timeout));
        if (count < 0)
            detail::check(static_cast<jr_status>(count));
        for (int64_t i = 0; i < count; i++)
            deliver(&taken[i]);
        return static_cast<std::size_t>(count);
    }
    std::size_t dispatch() {
        return dispatch(std::chrono::milliseconds(0));
    }

    /// The end: cancels what is under way for it and hands over until all had their last completion, which may wait for
    /// servers (see unblock_grace). What they submit in there is refused. The clients go on. On the thread that runs
    /// it, not from inside of `dispatch`.
    void close() {
        jr_completion taken[queue::batch];
        int64_t count;
        queue_.close();
        while ((count = jr_queue_take(queue_.native(), taken, queue::batch, -1)) >= 0)
            for (int64_t i = 0; i < count; i++)
                deliver(&taken[i]);
        if (count != JR_ERR_CLOSED)
            detail::check(static_cast<jr_status>(count));
    }

    /// How many requests have not had their last completion.
    std::size_t pending() const noexcept {
        return pending_;
    }

    int fd() const {
        return queue_.fd();
    }
    void wake() noexcept {
        queue_.wake();
    }
    /// For the adapters of event loops: `jr_libuv_attach(loop, dispatcher.native(), jr::dispatcher::deliver)`.
    jr_queue *native() const noexcept {
        return queue_.native();
    }
    static void deliver(const jr_completion *completion) {
        detail::deliver(completion);
    }

    /// Private: of those who submit and receive.
    void count(int change) noexcept {
        pending_ += static_cast<std::size_t>(change);
    }

  private:
    jr::queue queue_;
    std::atomic<std::size_t> pending_{0};
};

namespace detail {

/// Calls a callable for each completion.
template <typename F> struct callable : receiver {
    callable(F given, dispatcher *on) : receiver{receive_it}, function(std::move(given)), to(on) {}

    static void receive_it(receiver *self, const jr_completion &native) noexcept {
        auto *it = static_cast<callable *>(self);
        completion taken(native);
        if (taken.more()) {
            it->function(std::move(taken));
            return;
        }
        std::unique_ptr<callable> last(it);
        if (last->to != nullptr)
            last->to->count(-1);
        last->function(std::move(taken));
    }

    F function;
    dispatcher *to;
};

} // namespace detail
} // namespace jr

#endif
