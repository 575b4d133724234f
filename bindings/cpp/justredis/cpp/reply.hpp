// Replies: jr::reply owns one, jr::node looks at it or at any item in it. Nothing is copied before get<T>() is asked
// for what owns its memory.
#ifndef JUSTREDIS_CPP_REPLY_HPP
#define JUSTREDIS_CPP_REPLY_HPP

#include <cstddef>
#include <iterator>
#include <justredis/cpp/error.hpp>
#include <memory>
#include <optional>
#include <utility>

namespace jr {

/// The kinds of replies; `number` and others are the server's (RESP2 or RESP3), never converted.
enum class kind : uint32_t {
    string = JR_STRING,
    array = JR_ARRAY,
    integer = JR_INTEGER,
    nil = JR_NIL,
    status = JR_STATUS,
    error = JR_ERROR,
    number = JR_DOUBLE,
    boolean = JR_BOOL,
    map = JR_MAP,
    set = JR_SET,
    attributes = JR_ATTR,
    push = JR_PUSH,
    big_number = JR_BIGNUM,
    verbatim = JR_VERB
};

class reply;
class items_iterator;
class pairs_range;
template <typename T, typename = void> struct converter;

/// A view of a reply, or of an item in it: as cheap as a pointer, and valid as long as the jr::reply that owns it. A
/// function that takes a `const jr::node &` takes both.
class node {
  public:
    /// Nothing: as if nil.
    node() noexcept : raw_(&nothing()) {}
    explicit node(const jr_reply *raw) noexcept : raw_(raw != nullptr ? raw : &nothing()) {}
    /// The reply would be gone: keep it in a variable of its own.
    node(reply &&) = delete;

    jr::kind kind() const noexcept {
        return static_cast<jr::kind>(raw_->kind);
    }
    bool is_nil() const noexcept {
        return raw_->kind == JR_NIL;
    }
    bool is_error() const noexcept {
        return raw_->kind == JR_ERROR;
    }
    /// Whether it has items: an array, map, set, push or attributes.
    bool has_items() const noexcept {
        return is_any_of(1u << JR_ARRAY | 1u << JR_MAP | 1u << JR_SET | 1u << JR_PUSH | 1u << JR_ATTR);
    }
    /// Whether it has text: a string, status, error, number, big number or verbatim text.
    bool has_text() const noexcept {
        return is_any_of(1u << JR_STRING | 1u << JR_STATUS | 1u << JR_ERROR | 1u << JR_DOUBLE | 1u << JR_BIGNUM |
                         1u << JR_VERB);
    }

    /// The text of what has text, else an empty one. A NUL follows the last byte.
    std::string_view text() const noexcept {
        return has_text() ? std::string_view(raw_->bytes, raw_->length) : std::string_view();
    }

    /// How many items there are; of a map, keys and values.
    std::size_t size() const noexcept {
        return has_items() ? raw_->length : 0;
    }
    bool empty() const noexcept {
        return size() == 0;
    }
    /// An item by its place; nothing (as if nil) where there is none.
    node operator[](std::size_t index) const noexcept {
        return index < size() ? node(raw_->items + index) : node();
    }
    node operator[](int index) const noexcept {
        return index >= 0 ? (*this)[static_cast<std::size_t>(index)] : node();
    }
    /// The value of a key, of a map or of an array that lists key, value, key, value; nothing where there is none.
    node operator[](std::string_view key) const noexcept {
        for (std::size_t i = 0; i + 1 < size() && raw_->kind != JR_SET; i += 2)
            if (node(raw_->items + i).text() == key)
                return node(raw_->items + i + 1);
        return node();
    }
    node operator[](const char *key) const noexcept {
        return (*this)[std::string_view(key)];
    }

    /// For loops over the items: `for (jr::node item : reply)`.
    items_iterator begin() const noexcept;
    items_iterator end() const noexcept;
    /// For loops over pairs, of a map or of an array that lists key, value, key, value:
    /// `for (auto [key, value] : reply.pairs())`.
    pairs_range pairs() const noexcept;

    /// The attributes that the server sent with it (RESP3); nothing if there are none.
    node attributes() const noexcept {
        return node(jr_reply_attributes(raw_));
    }

    /// Of an error: its status, else JR_OK.
    jr_status status() const noexcept {
        return is_error() ? static_cast<jr_status>(raw_->integer) : JR_OK;
    }
    /// Of an error: what the server may have done; else that it answered.
    jr::outcome outcome() const noexcept {
        return is_error() ? detail::outcome_of(raw_->flags) : jr::outcome::answered;
    }
    /// Throws if it is an error.
    void check() const {
        if (is_error())
            detail::throw_reply(*raw_);
    }

    /// What it holds, as a T: std::string_view, std::string, integers, floating-point numbers, bool, std::optional
    /// (empty for nil), std::vector and other containers, std::map and its kin (also of a list of key, value, key,
    /// value, or of pairs), std::pair, std::tuple, jr::node, and what you specialise jr::converter for. Throws what an
    /// error in it says, or jr::conversion_error.
    template <typename T> T get() const {
        std::optional<T> value = converter<T>::from(*this);
        if (!value)
            fail_to_convert();
        return *std::move(value);
    }

    /// The same, without exceptions: empty if it does not hold a T.
    template <typename T> std::optional<T> try_get() const {
        return converter<T>::from(*this);
    }

    /// The struct of C.
    const jr_reply *native() const noexcept {
        return raw_;
    }

  protected:
    const jr_reply *raw_;

  private:
    bool is_any_of(uint32_t kinds) const noexcept {
        return raw_->kind < 32 && (kinds >> raw_->kind & 1) != 0;
    }

    static const jr_reply &nothing() noexcept {
        static const jr_reply nil = {JR_NIL, 0, 0, 0, nullptr, 0, nullptr};
        return nil;
    }

    /// The first error in it, if there is one.
    static const jr_reply *first_error(const jr_reply &reply) noexcept {
        if (reply.kind == JR_ERROR)
            return &reply;
        const node all(&reply);
        for (std::size_t i = 0; i < all.size(); i++)
            if (const jr_reply *found = first_error(reply.items[i]))
                return found;
        return nullptr;
    }

    [[noreturn]] void fail_to_convert() const {
        if (const jr_reply *found = first_error(*raw_))
            detail::throw_reply(*found);
        static const char *const names[] = {"nothing",  "a string",   "an array", "an integer",    "nil",
                                            "a status", "an error",   "a number", "a truth value", "a map",
                                            "a set",    "attributes", "a push",   "a big number",  "verbatim text"};
        const std::size_t known = sizeof names / sizeof *names;
        std::string text = std::string(raw_->kind < known ? names[raw_->kind] : "the reply");
        if (has_text())
            text += " \"" + std::string(this->text().substr(0, 64)) + "\"";
        throw conversion_error(text + " does not hold what was asked for");
    }
};

/// Goes over the items of a node, any number of times and in any order.
class items_iterator {
  public:
    using iterator_category = std::input_iterator_tag;
    using iterator_concept = std::forward_iterator_tag;
    using value_type = node;
    using difference_type = std::ptrdiff_t;
    using pointer = void;
    using reference = node;

    items_iterator() noexcept = default;
    explicit items_iterator(const jr_reply *at) noexcept : at_(at) {}
    node operator*() const noexcept {
        return node(at_);
    }
    items_iterator &operator++() noexcept {
        ++at_;
        return *this;
    }
    items_iterator operator++(int) noexcept {
        items_iterator before = *this;
        ++at_;
        return before;
    }
    friend bool operator==(items_iterator left, items_iterator right) noexcept {
        return left.at_ == right.at_;
    }
    friend bool operator!=(items_iterator left, items_iterator right) noexcept {
        return left.at_ != right.at_;
    }

  private:
    const jr_reply *at_ = nullptr;
};

/// Goes over keys and values.
class pairs_range {
  public:
    class iterator {
      public:
        using iterator_category = std::input_iterator_tag;
        using iterator_concept = std::forward_iterator_tag;
        using value_type = std::pair<node, node>;
        using difference_type = std::ptrdiff_t;
        using pointer = void;
        using reference = value_type;

        iterator() noexcept = default;
        explicit iterator(const jr_reply *at) noexcept : at_(at) {}
        value_type operator*() const noexcept {
            return {node(at_), node(at_ + 1)};
        }
        iterator &operator++() noexcept {
            at_ += 2;
            return *this;
        }
        iterator operator++(int) noexcept {
            iterator before = *this;
            at_ += 2;
            return before;
        }
        friend bool operator==(iterator left, iterator right) noexcept {
            return left.at_ == right.at_;
        }
        friend bool operator!=(iterator left, iterator right) noexcept {
            return left.at_ != right.at_;
        }

      private:
        const jr_reply *at_ = nullptr;
    };

    pairs_range(const jr_reply *first, std::size_t pairs) noexcept : first_(first), pairs_(pairs) {}
    iterator begin() const noexcept {
        return iterator(first_);
    }
    iterator end() const noexcept {
        return iterator(pairs_ == 0 ? first_ : first_ + 2 * pairs_);
    }
    std::size_t size() const noexcept {
        return pairs_;
    }

  private:
    const jr_reply *first_;
    std::size_t pairs_;
};

inline items_iterator node::begin() const noexcept {
    return items_iterator(empty() ? nullptr : raw_->items);
}

inline items_iterator node::end() const noexcept {
    return items_iterator(empty() ? nullptr : raw_->items + raw_->length);
}

inline pairs_range node::pairs() const noexcept {
    return pairs_range(empty() ? nullptr : raw_->items, size() / 2);
}

/// Owns a whole reply; is a node of it. One thread at a time. What looks into it (nodes, views) is gone with it: the
/// compiler refuses to take such a thing out of a reply that has no name.
class reply : public node {
  public:
    reply() noexcept = default;
    /// Takes it over.
    explicit reply(jr_reply *owned) noexcept : node(owned), owned_(owned) {}

    reply(reply &&other) noexcept : node(other.native()), owned_(std::move(other.owned_)) {
        other.raw_ = node().native();
    }
    reply &operator=(reply &&other) noexcept {
        if (this != &other) {
            owned_ = std::move(other.owned_);
            raw_ = std::exchange(other.raw_, node().native());
        }
        return *this;
    }

    std::string_view text() const &noexcept {
        return node::text();
    }
    std::string_view text() const && = delete;
    pairs_range pairs() const &noexcept {
        return node::pairs();
    }
    pairs_range pairs() const && = delete;
    node attributes() const &noexcept {
        return node::attributes();
    }
    node attributes() const && = delete;

    template <typename T> T get() const & {
        return node::get<T>();
    }
    template <typename T> T get() const && {
        static_assert(!converter<T>::is_view, "keep the reply in a variable: what you ask for looks into it");
        return node::get<T>();
    }
    template <typename T> std::optional<T> try_get() const & {
        return node::try_get<T>();
    }
    template <typename T> std::optional<T> try_get() const && {
        static_assert(!converter<T>::is_view, "keep the reply in a variable: what you ask for looks into it");
        return node::try_get<T>();
    }

    /// Gives the struct of C away; free it with jr_reply_free. NULL if there is none.
    jr_reply *release() noexcept {
        raw_ = node().native();
        return owned_.release();
    }

  private:
    struct free_it {
        void operator()(jr_reply *owned) const noexcept {
            jr_reply_free(owned);
        }
    };

    std::unique_ptr<jr_reply, free_it> owned_;
};

} // namespace jr

#endif
