// Commands: their arguments are texts, bytes and numbers. In a call they are read where they are; jr::command and
// jr::pipeline keep copies, so that they may be built up first.
#ifndef JUSTREDIS_CPP_COMMAND_HPP
#define JUSTREDIS_CPP_COMMAND_HPP

#include <charconv>
#include <cstring>
#include <justredis.h>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace jr {

/// One argument: what a std::string_view can be made of, a container of bytes (std::vector<char>, std::byte or
/// uint8_t), a char, or a number; a null pointer is an empty text. A view: what it was made of must be there until the
/// call returns (with co_await: until the answer is there).
class argument {
  public:
    template <typename T> argument(const T &value) noexcept { // NOLINT: meant to convert
        if constexpr (std::is_convertible_v<const T &, const char *>) {
            const char *const text = value;
            set(text, text == nullptr ? 0 : std::strlen(text));
        } else if constexpr (std::is_same_v<T, char>) {
            digits_[0] = value;
            set(nullptr, 1);
        } else if constexpr (std::is_convertible_v<const T &, std::string_view>) {
            const std::string_view text = value;
            set(text.data(), text.size());
        } else if constexpr (std::is_same_v<T, bool>) {
            set(value ? "1" : "0", 1);
        } else if constexpr (std::is_integral_v<T>) {
            const auto end = std::to_chars(digits_, digits_ + sizeof digits_, value).ptr;
            set(nullptr, static_cast<std::size_t>(end - digits_));
        } else if constexpr (std::is_floating_point_v<T>) {
            // The shortest that is read as the same number.
            const auto end = std::to_chars(digits_, digits_ + sizeof digits_, value).ptr;
            set(nullptr, static_cast<std::size_t>(end - digits_));
        } else {
            static_assert(sizeof *value.data() == 1, "an argument is a text, a number, or a container of bytes");
            set(value.data(), value.size());
        }
    }

    /// For C. Valid as long as the argument, at its place.
    jr_bytes bytes() const noexcept {
        return jr_bytes{data_ != nullptr ? data_ : digits_, length_};
    }

  private:
    void set(const void *data, std::size_t length) noexcept {
        data_ = length == 0 ? "" : data;
        length_ = length;
    }

    const void *data_;
    std::size_t length_;
    char digits_[32];
};

/// One or several commands, with copies of their arguments: the base of jr::command, jr::pipeline and jr::transaction.
class command_list {
  public:
    /// How many commands.
    std::size_t size() const noexcept {
        return ends_.size();
    }
    bool empty() const noexcept {
        return ends_.empty();
    }
    void clear() noexcept {
        text_.clear();
        places_.clear();
        ends_.clear();
    }

    /// For C. Valid until the next change.
    const jr_command *native() const {
        bytes_.clear();
        commands_.clear();
        bytes_.reserve(places_.size());
        commands_.reserve(ends_.size());
        for (const place &it : places_)
            bytes_.push_back(jr_bytes{text_.data() + it.start, it.length});
        std::size_t first = 0;
        for (const std::size_t end : ends_) {
            commands_.push_back(jr_command{bytes_.data() + first, end - first});
            first = end;
        }
        return commands_.data();
    }

    /// JR_REQUEST_* bits that belong to it.
    uint32_t flags() const noexcept {
        return flags_;
    }

  protected:
    explicit command_list(uint32_t flags) noexcept : flags_(flags) {}

    void begin_command() {
        ends_.push_back(places_.size());
    }

    void append(const argument &value) {
        const jr_bytes bytes = value.bytes();
        places_.push_back({text_.size(), bytes.len});
        text_.append(static_cast<const char *>(bytes.data), bytes.len);
        ends_.back() = places_.size();
    }

    void append_all(const command_list &other) {
        const std::size_t text = text_.size(), before = places_.size();
        text_ += other.text_;
        for (const place &it : other.places_)
            places_.push_back({text + it.start, it.length});
        for (const std::size_t end : other.ends_)
            ends_.push_back(before + end);
    }

  private:
    struct place {
        std::size_t start, length;
    };
    std::string text_;
    std::vector<place> places_;
    std::vector<std::size_t> ends_; // of each command, in places_
    uint32_t flags_;
    mutable std::vector<jr_bytes> bytes_;
    mutable std::vector<jr_command> commands_;
};

/// A command that is built up: `jr::command("DEL").add_all(keys)`. Pass it in place of arguments.
class command : public command_list {
  public:
    template <typename First, typename... Arguments>
    explicit command(const First &name, const Arguments &...arguments) : command_list(0) {
        begin_command();
        add(name, arguments...);
    }

    template <typename... Arguments> command &add(const Arguments &...arguments) {
        (append(argument(arguments)), ...);
        return *this;
    }

    /// Each item of a container; of a map, each key and its value.
    template <typename Container> command &add_all(const Container &items) {
        for (const auto &item : items)
            add_item(item);
        return *this;
    }

  private:
    template <typename Item> void add_item(const Item &item) {
        append(argument(item));
    }
    template <typename First, typename Second> void add_item(const std::pair<First, Second> &item) {
        add(item.first, item.second);
    }
};

/// Commands that go out together. The answer is an array with a reply, or an error, for each.
///
///     jr::pipeline pipeline;
///     pipeline.add("SET", "key", 5).add("INCR", "key");
///     jr::reply replies = client.run(pipeline);
///     auto value = replies[1].get<int>();
class pipeline : public command_list {
  public:
    pipeline() noexcept : command_list(0) {}

    template <typename... Arguments> pipeline &add(const Arguments &...arguments) {
        begin_command();
        (append(argument(arguments)), ...);
        return *this;
    }
    pipeline &add(const command &built) {
        append_all(built);
        return *this;
    }

  protected:
    explicit pipeline(uint32_t flags) noexcept : command_list(flags) {}
};

/// Commands that run as one, or not at all: MULTI to EXEC. The answer is an array as that of a pipeline; nil if a key
/// that was watched (on a jr::lease) has changed.
class transaction : public pipeline {
  public:
    transaction() noexcept : pipeline(JR_REQUEST_ATOMIC) {}
};

} // namespace jr

#endif
