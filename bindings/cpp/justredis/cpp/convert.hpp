// What node::get<T>() gives: a jr::converter for each T. Specialise it for types of your own.
#ifndef JUSTREDIS_CPP_CONVERT_HPP
#define JUSTREDIS_CPP_CONVERT_HPP

#include <charconv>
#include <justredis/cpp/reply.hpp>
#include <limits>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace jr {

/// Reads a T out of a node. A specialisation has
///
///     static constexpr bool is_view = false;                 // true: a T looks into the reply
///     static std::optional<T> from(const jr::node &reply);   // empty: the reply does not hold a T
template <typename T, typename> struct converter {
    static_assert(!std::is_same_v<T, T>, "jr::converter is not specialised for this type");
};

/// The node itself, whatever it is.
template <> struct converter<node> {
    static constexpr bool is_view = true;
    static std::optional<node> from(const node &reply) {
        return reply;
    }
};

/// Text, as a view into the reply. Not of an error or nil.
template <> struct converter<std::string_view> {
    static constexpr bool is_view = true;
    static std::optional<std::string_view> from(const node &reply) {
        if (!reply.has_text() || reply.is_error())
            return std::nullopt;
        return reply.text();
    }
};

/// Text, also of a whole number.
template <> struct converter<std::string> {
    static constexpr bool is_view = false;
    static std::optional<std::string> from(const node &reply) {
        if (reply.kind() == kind::integer)
            return std::to_string(reply.native()->integer);
        const std::optional<std::string_view> text = converter<std::string_view>::from(reply);
        if (!text)
            return std::nullopt;
        return std::string(*text);
    }
};

/// A truth value: see jr_reply_bool.
template <> struct converter<bool> {
    static constexpr bool is_view = false;
    static std::optional<bool> from(const node &reply) {
        bool value = false;
        if (jr_reply_bool(reply.native(), &value) != JR_OK)
            return std::nullopt;
        return value;
    }
};

/// Whole numbers, of whatever holds one that fits: see jr_reply_int64.
template <typename T> struct converter<T, std::enable_if_t<std::is_integral_v<T>>> {
    static constexpr bool is_view = false;
    static std::optional<T> from(const node &reply) {
        int64_t value = 0;
        if (reply.kind() == kind::integer)
            value = reply.native()->integer;
        else if (jr_reply_int64(reply.native(), &value) != JR_OK)
            return large(reply);
        if constexpr (std::is_unsigned_v<T>) {
            if (value < 0 || static_cast<uint64_t>(value) > std::numeric_limits<T>::max())
                return std::nullopt;
        } else if (value < std::numeric_limits<T>::min() || value > std::numeric_limits<T>::max()) {
            return std::nullopt;
        }
        return static_cast<T>(value);
    }

  private:
    /// The upper half of 64 bits without a sign, which come as text.
    static std::optional<T> large(const node &reply) {
        if constexpr (std::is_unsigned_v<T> && sizeof(T) == sizeof(uint64_t)) {
            const std::string_view text = reply.is_error() ? std::string_view() : reply.text();
            T value = 0;
            const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
            if (failure == std::errc() && end == text.data() + text.size())
                return value;
        }
        return std::nullopt;
    }
};

/// Numbers, of whatever holds one: see jr_reply_double.
template <typename T> struct converter<T, std::enable_if_t<std::is_floating_point_v<T>>> {
    static constexpr bool is_view = false;
    static std::optional<T> from(const node &reply) {
        double value = 0;
        if (jr_reply_double(reply.native(), &value) != JR_OK)
            return std::nullopt;
        return static_cast<T>(value);
    }
};

/// Empty for nil.
template <typename T> struct converter<std::optional<T>> {
    static constexpr bool is_view = converter<T>::is_view;
    static std::optional<std::optional<T>> from(const node &reply) {
        if (reply.is_nil())
            return std::optional<std::optional<T>>(std::in_place);
        std::optional<T> value = converter<T>::from(reply);
        if (!value)
            return std::nullopt;
        return std::optional<std::optional<T>>(std::in_place, std::move(value));
    }
};

/// A list of just so many items, of the transaction or pipeline that has so many commands, for example.
template <typename... Ts> struct converter<std::tuple<Ts...>> {
    static constexpr bool is_view = (converter<Ts>::is_view || ...);
    static std::optional<std::tuple<Ts...>> from(const node &reply) {
        if (reply.size() != sizeof...(Ts) || reply.kind() == kind::map)
            return std::nullopt;
        return all_of(reply, std::index_sequence_for<Ts...>());
    }

  private:
    template <std::size_t... Places>
    static std::optional<std::tuple<Ts...>> all_of(const node &reply, std::index_sequence<Places...>) {
        std::tuple<std::optional<Ts>...> values{converter<Ts>::from(reply[Places])...};
        if (!(std::get<Places>(values).has_value() && ...))
            return std::nullopt;
        return std::tuple<Ts...>(*std::move(std::get<Places>(values))...);
    }
};

template <typename First, typename Second> struct converter<std::pair<First, Second>> {
    static constexpr bool is_view = converter<First>::is_view || converter<Second>::is_view;
    static std::optional<std::pair<First, Second>> from(const node &reply) {
        auto both = converter<std::tuple<First, Second>>::from(reply);
        if (!both)
            return std::nullopt;
        return std::pair<First, Second>(std::get<0>(*std::move(both)), std::get<1>(*std::move(both)));
    }
};

namespace detail {

template <typename T, typename = void> struct is_map : std::false_type {};
template <typename T> struct is_map<T, std::void_t<typename T::key_type, typename T::mapped_type>> : std::true_type {};

template <typename T, typename = void> struct is_sequence : std::false_type {};
template <typename T>
struct is_sequence<
    T, std::void_t<typename T::value_type, decltype(std::declval<T &>().insert(
                                               std::declval<T &>().end(), std::declval<typename T::value_type>()))>>
    : std::bool_constant<!is_map<T>::value> {};

template <typename T, typename = void> struct has_reserve : std::false_type {};
template <typename T>
struct has_reserve<T, std::void_t<decltype(std::declval<T &>().reserve(std::size_t()))>> : std::true_type {};

} // namespace detail

/// std::vector, std::list, std::set and whatever else has insert(end(), item): of an array, set or push.
template <typename T> struct converter<T, std::enable_if_t<detail::is_sequence<T>::value>> {
    using item_type = typename T::value_type;
    static constexpr bool is_view = converter<item_type>::is_view;
    static std::optional<T> from(const node &reply) {
        if (!reply.has_items())
            return std::nullopt;
        T all;
        if constexpr (detail::has_reserve<T>::value)
            all.reserve(reply.size());
        for (const node item : reply) {
            std::optional<item_type> value = converter<item_type>::from(item);
            if (!value)
                return std::nullopt;
            all.insert(all.end(), *std::move(value));
        }
        return all;
    }
};

/// std::map, std::unordered_map, std::multimap: of a map, of an array of key, value, key, value (as RESP2 sends maps),
/// or of an array of pairs (as RESP3 sends scores).
template <typename T> struct converter<T, std::enable_if_t<detail::is_map<T>::value>> {
    using key_type = typename T::key_type;
    using mapped_type = typename T::mapped_type;
    static constexpr bool is_view = converter<key_type>::is_view || converter<mapped_type>::is_view;
    static std::optional<T> from(const node &reply) {
        T all;
        if (!reply.has_items() || reply.kind() == kind::set)
            return std::nullopt;
        if (reply.kind() == kind::array && are_pairs(reply)) {
            for (const node pair : reply)
                if (!insert(all, pair[0], pair[1]))
                    return std::nullopt;
            return all;
        }
        if (reply.size() % 2 != 0)
            return std::nullopt;
        for (const auto [key, value] : reply.pairs())
            if (!insert(all, key, value))
                return std::nullopt;
        return all;
    }

  private:
    static bool are_pairs(const node &reply) {
        for (const node item : reply)
            if (item.kind() != kind::array || item.size() != 2)
                return false;
        return true;
    }

    static bool insert(T &all, const node &key, const node &value) {
        std::optional<key_type> first = converter<key_type>::from(key);
        std::optional<mapped_type> second = converter<mapped_type>::from(value);
        if (first && second)
            all.emplace(*std::move(first), *std::move(second));
        return first && second;
    }
};

} // namespace jr

#endif
