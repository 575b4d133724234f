// Requests with many completions: jr::stream (MONITOR, events) and jr::subscription.
#ifndef JUSTREDIS_CPP_STREAM_HPP
#define JUSTREDIS_CPP_STREAM_HPP

#include <justredis/cpp/client.hpp>

namespace jr {

/// What a subscription got: a message, a confirmation, or that all it was made with is confirmed.
class message {
  public:
    explicit message(jr::completion completion) : completion_(std::move(completion)) {}

    /// "message", "pmessage", "smessage"; "subscribe", "unsubscribe" and their kin; "pong"; "invalidate"; and once,
    /// when all that the subscription was made with is confirmed: "ready".
    std::string_view kind() const noexcept {
        return reply().has_items() ? reply()[0].text() : "ready";
    }
    /// Whether somebody published it.
    bool is_message() const noexcept {
        const std::string_view kind = this->kind();
        return kind == "message" || kind == "pmessage" || kind == "smessage";
    }
    /// Of a message or a confirmation; of the latter it may be a pattern.
    std::string_view channel() const noexcept {
        return reply()[kind() == "pmessage" ? 2 : 1].text();
    }
    /// Of a "pmessage".
    std::string_view pattern() const noexcept {
        return kind() == "pmessage" ? reply()[1].text() : std::string_view();
    }
    /// Of a message, or what a "pong" repeats.
    std::string_view text() const noexcept {
        return is_message() || this->kind() == "pong" ? reply()[reply().size() - 1].text() : std::string_view();
    }
    /// Of a confirmation, or of "ready": how many channels and patterns the subscription has.
    int64_t channels() const noexcept {
        return (reply().has_items() ? reply()[2].try_get<int64_t>() : reply().try_get<int64_t>()).value_or(0);
    }
    /// Messages may be missing before this one: the connection was lost and made again.
    bool gap() const noexcept {
        return completion_.gap();
    }
    /// How many messages were dropped before this one, because they were not taken fast enough.
    uint64_t dropped() const noexcept {
        return completion_.dropped() + dropped_;
    }
    const jr::reply &reply() const noexcept {
        return completion_.reply();
    }

    /// Private: so many more.
    void add_dropped(uint64_t count) noexcept {
        dropped_ += count;
    }

  private:
    jr::completion completion_;
    uint64_t dropped_ = 0;
};

/// A request with many completions, and the queue they come to. Ends when it goes. One thread at a time.
///
///     jr::stream events = client.events();
///     while (auto event = events.next(1s))
///         std::cout << event->reply()["event"].text() << "\n";
class stream {
  public:
    /// `start(jr::queue &)` submits the request and gives its id.
    template <typename F> stream(std::shared_ptr<jr_client> client, F &&start) : client_(std::move(client)) {
        id_ = start(*queue_);
    }
    stream(stream &&) noexcept = default;
    stream &operator=(stream &&other) noexcept {
        stop();
        client_ = std::move(other.client_);
        queue_ = std::move(other.queue_);
        id_ = other.id_;
        ended_ = other.ended_;
        return *this;
    }
    ~stream() {
        stop();
    }

    /// The next completion; empty if none came in time, or `wake` was called, or there is none any more (`ended`). The
    /// last one has no `more()`, and a status that says why it ended.
    template <typename Rep, typename Period>
    std::optional<completion> next(std::chrono::duration<Rep, Period> timeout) {
        if (ended_)
            return std::nullopt;
        std::optional<completion> taken = queue_->take(timeout);
        ended_ = taken && !taken->more();
        return taken;
    }
    std::optional<completion> next() {
        return next(forever);
    }

    /// Whether the last completion was given.
    bool ended() const noexcept {
        return ended_;
    }
    /// Ends it: its last completion follows what is there. Any thread; false if it has ended.
    bool cancel() {
        return jr_cancel(client_.get(), id_) == JR_OK;
    }
    /// Makes a `next` that waits return with nothing. Any thread.
    void wake() noexcept {
        queue_->wake();
    }
    /// Readable while `next` has something to give: for event loops.
    int fd() const {
        return queue_->fd();
    }
    /// The id of the request.
    uint64_t id() const noexcept {
        return id_;
    }

  protected:
    const std::shared_ptr<jr_client> &shared() const noexcept {
        return client_;
    }

  private:
    void stop() noexcept {
        if (queue_ != nullptr && !ended_)
            jr_cancel(client_.get(), id_);
    }

    std::shared_ptr<jr_client> client_;
    std::unique_ptr<jr::queue> queue_ = std::make_unique<jr::queue>();
    uint64_t id_ = 0;
    bool ended_ = false;
};

/// Channels and patterns that are subscribed to, on a connection that all subscriptions of a client share. What was
/// lost is told, see message.gap and message.dropped. Ends when it goes.
///
///     jr::subscription news = client.subscribe("news");
///     for (const jr::message &message : news)
///         std::cout << message.text() << "\n";
class subscription : private stream {
  public:
    using stream::cancel;
    using stream::ended;
    using stream::fd;
    using stream::id;
    using stream::stream;
    using stream::wake;

    /// The next message or confirmation; empty if none came in time, or `wake` was called, or it has ended. Throws if
    /// it has ended otherwise than by `cancel` or with the client.
    template <typename Rep, typename Period> std::optional<message> next(std::chrono::duration<Rep, Period> timeout) {
        std::optional<completion> taken = stream::next(timeout);
        if (!taken)
            return std::nullopt;
        if (taken->more())
            return message(*std::move(taken));
        if (taken->status() != JR_ERR_CANCELED && taken->status() != JR_ERR_CLOSED)
            taken->check();
        return std::nullopt;
    }
    std::optional<message> next() {
        return next(forever);
    }

    /// Changes it, and waits until that is done: how many channels and patterns it has then. Confirmations come among
    /// the messages. Without arguments the UN-commands take all away; it lives on without any.
    template <typename... Channels> int64_t subscribe(const Channels &...channels) const {
        return change("SUBSCRIBE", channels...);
    }
    template <typename... Patterns> int64_t psubscribe(const Patterns &...patterns) const {
        return change("PSUBSCRIBE", patterns...);
    }
    template <typename... Channels> int64_t ssubscribe(const Channels &...channels) const {
        return change("SSUBSCRIBE", channels...);
    }
    template <typename... Channels> int64_t unsubscribe(const Channels &...channels) const {
        return change("UNSUBSCRIBE", channels...);
    }
    template <typename... Patterns> int64_t punsubscribe(const Patterns &...patterns) const {
        return change("PUNSUBSCRIBE", patterns...);
    }
    template <typename... Channels> int64_t sunsubscribe(const Channels &...channels) const {
        return change("SUNSUBSCRIBE", channels...);
    }
    /// Asks the server on its connection and waits for the answer, which comes among the messages as a "pong".
    template <typename... Text> void ping(const Text &...text) const {
        run("PING", text...);
    }

    /// For loops over what comes, until it has ended.
    class iterator {
      public:
        using iterator_category = std::input_iterator_tag;
        using value_type = message;
        using difference_type = std::ptrdiff_t;
        using pointer = const message *;
        using reference = const message &;

        iterator() = default;
        explicit iterator(subscription &of) : of_(&of) {
            ++*this;
        }
        const message &operator*() const noexcept {
            return *current_;
        }
        const message *operator->() const noexcept {
            return &*current_;
        }
        iterator &operator++() {
            do // until there is one, unless it was woken
                current_ = of_->next();
            while (!current_ && !of_->ended());
            if (!current_)
                of_ = nullptr;
            return *this;
        }
        void operator++(int) {
            ++*this;
        }
        friend bool operator==(const iterator &left, const iterator &right) noexcept {
            return left.of_ == right.of_;
        }
        friend bool operator!=(const iterator &left, const iterator &right) noexcept {
            return left.of_ != right.of_;
        }

      private:
        subscription *of_ = nullptr;
        std::optional<message> current_;
    };
    iterator begin() {
        return iterator(*this);
    }
    iterator end() {
        return iterator();
    }

  private:
    template <typename... Arguments> reply run(const Arguments &...arguments) const {
        return detail::with_request(
            [&](jr_request &request) {
                jr_reply *raw = nullptr;
                request.subscription = id();
                const jr_status status = jr_execute(shared().get(), &request, &raw);
                reply owned(raw);
                if (raw == nullptr)
                    detail::check(status);
                owned.check();
                return owned;
            },
            arguments...);
    }
    template <typename... Arguments> int64_t change(const Arguments &...arguments) const {
        return run(arguments...).template get<int64_t>();
    }
};

template <typename Self>
template <typename... Arguments>
stream commands<Self>::open(const Arguments &...arguments) const {
    return stream(self().shared(), [&](queue &to) { return submit_to(to, 0, arguments...); });
}

inline stream client::events() const {
    return stream(shared(), [this](queue &to) {
        jr_request target = {};
        uint64_t id = 0;
        target.size = sizeof target;
        target.queue = to.native();
        detail::check(jr_client_events(native(), &target, &id));
        return id;
    });
}

template <typename... Channels> subscription client::subscribe(const Channels &...channels) const {
    return subscription(shared(), [&](queue &to) { return submit_to(to, 0, "SUBSCRIBE", channels...); });
}

template <typename... Patterns> subscription client::psubscribe(const Patterns &...patterns) const {
    return subscription(shared(), [&](queue &to) { return submit_to(to, 0, "PSUBSCRIBE", patterns...); });
}

template <typename... Channels> subscription client::ssubscribe(const Channels &...channels) const {
    return subscription(shared(), [&](queue &to) { return submit_to(to, 0, "SSUBSCRIBE", channels...); });
}

} // namespace jr

#endif
