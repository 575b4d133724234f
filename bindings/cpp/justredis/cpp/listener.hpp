// Subscriptions for coroutines (C++20): jr::listener. Nothing here in C++17.
#ifndef JUSTREDIS_CPP_LISTENER_HPP
#define JUSTREDIS_CPP_LISTENER_HPP

#include <justredis/cpp/coroutine.hpp>
#include <justredis/cpp/stream.hpp>

#if defined(__cpp_impl_coroutine)

#include <deque>
#include <stdexcept>

namespace jr {
namespace detail {

/// What came for a listener and was not awaited. Its address is the user data; it is freed with its last completion or
/// with the listener, whichever goes last.
struct heard : receiver {
    heard(dispatcher *on, std::size_t most) : receiver{receive_it}, to(on), keep(most) {}

    static void receive_it(receiver *self, const jr_completion &native) noexcept {
        auto *it = static_cast<heard *>(self);
        completion taken(native);
        const bool last = !taken.more();
        if (last)
            it->to->count(-1);
        if (it->is_alone) {
            if (last)
                delete it;
            return;
        }
        if (last)
            it->end = std::move(taken);
        else
            it->messages.emplace_back(std::move(taken));
        it->has_ended = last;
        it->forget_the_oldest();
        if (it->waiting) // which may free it
            std::exchange(it->waiting, nullptr).resume();
    }

    /// Messages, and nothing else, and never the one that came just now.
    void forget_the_oldest() noexcept {
        for (std::size_t i = 0; messages.size() > keep && i + 1 < messages.size();) {
            if (!messages[i].is_message()) {
                i++;
                continue;
            }
            messages[i + 1].add_dropped(messages[i].dropped() + 1);
            messages.erase(messages.begin() + static_cast<std::ptrdiff_t>(i));
        }
    }

    dispatcher *to;
    std::size_t keep;
    std::deque<message> messages;
    completion end;
    bool has_ended = false, is_alone = false;
    std::coroutine_handle<> waiting;
};

} // namespace detail

/// Channels and patterns that are subscribed to, for coroutines that a dispatcher runs: `client.on(dispatcher)`. As
/// jr::subscription otherwise. Ends when it goes. All of it on the thread of the dispatcher.
///
///     jr::listener news(redis, "news");
///     while (auto message = co_await news.next())
///         if (message->is_message())
///             std::cout << message->text() << "\n";
class listener {
  public:
    /// How many messages are kept that were not awaited yet; then the oldest are dropped, and counted on the next one
    /// (message.dropped). Confirmations are always kept.
    static constexpr std::size_t keep = 65536;

    /// Subscribes to these channels, or to none at first.
    template <typename... Channels>
    explicit listener(const bound &redis, const Channels &...channels)
        : redis_(redis), heard_(std::make_unique<detail::heard>(redis.on_dispatcher(), keep)) {
        if (heard_->to == nullptr)
            throw std::logic_error("a jr::listener wants a dispatcher: client.on(dispatcher)");
        heard_->to->count(1);
        detail::with_request(
            [&](jr_request &request) {
                redis_.request_options().apply(request);
                request.queue = heard_->to->native();
                request.user_data = reinterpret_cast<uintptr_t>(static_cast<detail::receiver *>(heard_.get()));
                const jr_status status = jr_submit(redis_.native(), &request, &id_);
                if (status != JR_OK) {
                    heard_->to->count(-1);
                    detail::check(status);
                }
            },
            "SUBSCRIBE", channels...);
    }
    listener(listener &&) noexcept = default;
    listener &operator=(listener &&other) noexcept {
        leave();
        redis_ = std::move(other.redis_);
        heard_ = std::move(other.heard_);
        id_ = other.id_;
        return *this;
    }
    ~listener() {
        leave();
    }

    /// Waits for the next message or confirmation.
    class awaiter {
      public:
        explicit awaiter(detail::heard &heard) noexcept : heard_(heard) {}
        awaiter(const awaiter &) = delete;
        awaiter &operator=(const awaiter &) = delete;
        ~awaiter() {
            if (waits_)
                heard_.waiting = nullptr;
        }
        bool await_ready() const noexcept {
            return !heard_.messages.empty() || heard_.has_ended;
        }
        void await_suspend(std::coroutine_handle<> waiting) noexcept {
            heard_.waiting = waiting;
            waits_ = true;
        }
        std::optional<message> await_resume() {
            waits_ = false;
            if (!heard_.messages.empty()) {
                std::optional<message> next(std::move(heard_.messages.front()));
                heard_.messages.pop_front();
                return next;
            }
            if (heard_.end.status() != JR_ERR_CANCELED && heard_.end.status() != JR_ERR_CLOSED)
                heard_.end.check();
            return std::nullopt;
        }

      private:
        detail::heard &heard_;
        bool waits_ = false;
    };
    /// `co_await` it: the next message or confirmation; empty if there is none any more. Throws if it has ended
    /// otherwise than by `cancel` or with the client. One coroutine at a time.
    awaiter next() noexcept {
        return awaiter(*heard_);
    }

    /// `co_await` it: changes the subscription; how many channels and patterns it has then. Without arguments the
    /// UN-commands take all away.
    template <typename... Channels> auto subscribe(const Channels &...channels) const {
        return change<int64_t>("SUBSCRIBE", channels...);
    }
    template <typename... Patterns> auto psubscribe(const Patterns &...patterns) const {
        return change<int64_t>("PSUBSCRIBE", patterns...);
    }
    template <typename... Channels> auto ssubscribe(const Channels &...channels) const {
        return change<int64_t>("SSUBSCRIBE", channels...);
    }
    template <typename... Channels> auto unsubscribe(const Channels &...channels) const {
        return change<int64_t>("UNSUBSCRIBE", channels...);
    }
    template <typename... Patterns> auto punsubscribe(const Patterns &...patterns) const {
        return change<int64_t>("PUNSUBSCRIBE", patterns...);
    }
    template <typename... Channels> auto sunsubscribe(const Channels &...channels) const {
        return change<int64_t>("SUNSUBSCRIBE", channels...);
    }
    /// `co_await` it: asks the server on its connection; the answer comes among the messages, too, as a "pong".
    template <typename... Text> auto ping(const Text &...text) const {
        return change<std::string>("PING", text...);
    }

    /// Ends it: `next` gives what is there, and then nothing. Any thread; false if it has ended.
    bool cancel() const {
        return jr_cancel(redis_.native(), id_) == JR_OK;
    }
    /// The id of the request.
    uint64_t id() const noexcept {
        return id_;
    }

  private:
    template <typename T, typename... Arguments> auto change(const Arguments &...arguments) const {
        return awaitable<T, sizeof...(Arguments)>(id_, redis_.native(), none(), redis_.on_dispatcher(), arguments...);
    }
    static const options &none() noexcept {
        static const options none;
        return none;
    }

    void leave() noexcept {
        if (heard_ == nullptr || heard_->has_ended)
            return;
        jr_cancel(redis_.native(), id_);
        heard_->is_alone = true;
        heard_->messages.clear();
        heard_.release();
    }

    bound redis_;
    std::unique_ptr<detail::heard> heard_;
    uint64_t id_ = 0;
};

} // namespace jr

#endif
#endif
