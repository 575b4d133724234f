// What the tests share: a list of tests, each of which shows a capability of tests/bindings/capabilities.toml, and
// checks that say where they failed. Nothing here measures time: a wait that lasts too long has failed.
#ifndef CHECK_HPP
#define CHECK_HPP

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <justredis.hpp>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

namespace check {

// A topology that runs, for one test: its name, the URL of its servers, and what keys, channels and clients of the test
// begin with, so that they are nobody else's.
struct place {
    std::string topology, url, prefix;
};

struct test {
    const char *capability, *name;
    // In each topology, not once.
    bool everywhere;
    void (*body)(const place &where);
    test *next;
};

inline test *&all() {
    static test *first = nullptr;
    return first;
}

struct registration {
    test it;
    registration(const char *capability, const char *name, bool everywhere, void (*body)(const place &))
        : it{capability, name, everywhere, body, all()} {
        all() = &it;
    }
};

struct failed {
    std::string text;
};

[[noreturn]] inline void fail(const char *file, int line, const std::string &text) {
    throw failed{std::string(file) + ":" + std::to_string(line) + ": " + text};
}

template <typename Left, typename Right>
void equal(const char *file, int line, const char *what, const Left &actual, const Right &expected) {
    if (actual == expected)
        return;
    std::ostringstream text;
    text << what << " is " << actual << ", not " << expected;
    fail(file, line, text.str());
}

template <typename F> void until(const char *file, int line, const char *what, F &&condition) {
    for (int polls = 0; !condition(); polls++) {
        if (polls > 60000)
            fail(file, line, std::string("waited in vain for ") + what);
        std::this_thread::sleep_for(1ms);
    }
}

// What an environment variable holds; it must be set.
inline std::string variable(const char *name) {
    const char *value = std::getenv(name);
    if (value == nullptr)
        fail(name, 0, "is not set: run bindings/cpp/test");
    return value;
}

inline std::string url() {
    return variable("JR_URL");
}

// With the query part of a URL.
inline std::string url(const std::string &options) {
    return url() + "?" + options;
}

// The topologies that run.
inline std::vector<place> places() {
    std::ifstream lines(variable("JR_TOPOLOGIES"));
    std::random_device random;
    std::vector<place> all;
    for (std::string line; std::getline(lines, line);) {
        const auto tab = line.find('\t');
        all.push_back({line.substr(0, tab), line.substr(tab + 1),
                       "cpp:" + std::to_string(random()) + ":" + std::to_string(random())});
    }
    if (all.empty())
        fail("JR_TOPOLOGIES", 0, "names no topology");
    return all;
}

// The URL of one of them.
inline std::string url_of(const std::string &topology) {
    for (const place &place : places())
        if (place.topology == topology)
            return place.url;
    fail("JR_TOPOLOGIES", 0, "has no " + topology);
}

} // namespace check

#define TEST(capability, name)                                                                                         \
    static void name();                                                                                                \
    static const check::registration name##_registration(capability, #name, false,                                     \
                                                         [](const check::place &) { name(); });                        \
    static void name()
// A test that runs in each topology, which is `where`.
#define EVERYWHERE(capability, name)                                                                                   \
    static void name(const check::place &where);                                                                       \
    static const check::registration name##_registration(capability, #name, true, name);                               \
    static void name(const check::place &where)

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            check::fail(__FILE__, __LINE__, #condition " is not true");                                                \
    } while (0)
#define CHECK_EQUAL(actual, expected) check::equal(__FILE__, __LINE__, #actual, (actual), (expected))
#define CHECK_HAS(text, part) CHECK(std::string(text).find(part) != std::string::npos)
#define WAIT_UNTIL(condition) check::until(__FILE__, __LINE__, #condition, [&] { return bool(condition); })
#define CHECK_THROWS(type, expression, inspect)                                                                        \
    do {                                                                                                               \
        bool thrown_ = false;                                                                                          \
        try {                                                                                                          \
            (void)(expression);                                                                                        \
        } catch (const type &thrown) {                                                                                 \
            thrown_ = true;                                                                                            \
            inspect;                                                                                                   \
        }                                                                                                              \
        if (!thrown_)                                                                                                  \
            check::fail(__FILE__, __LINE__, #expression " does not throw " #type);                                     \
    } while (0)

#endif
