// Commands and what they answer: arguments, replies as views and as values, errors.
#include "check.hpp"
#include <array>
#include <list>
#include <map>
#include <set>
#include <unordered_map>
#include <vector>

TEST("command", arguments_are_texts_bytes_and_numbers) {
    jr::client client(check::url());
    const std::string binary("a\0b\r\n", 5);
    const std::vector<unsigned char> bytes = {0, 255, 13, 10};
    const std::array<std::byte, 2> two = {std::byte{1}, std::byte{2}};
    const char *text = "text";
    char array[] = "array";
    CHECK_EQUAL(client.run<std::string>("ECHO", binary), binary);
    CHECK_EQUAL(client.run<std::string>("ECHO", bytes), std::string("\0\xff\r\n", 4));
    CHECK_EQUAL(client.run<std::string>("ECHO", two), std::string("\1\2", 2));
    CHECK_EQUAL(client.run<std::string>("ECHO", text), "text");
    CHECK_EQUAL(client.run<std::string>("ECHO", array), "array");
    CHECK_EQUAL(client.run<std::string>("ECHO", std::string_view("view of text").substr(0, 4)), "view");
    CHECK_EQUAL(client.run<std::string>("ECHO", ""), "");
    CHECK_EQUAL(client.run<std::string>("ECHO", 'c'), "c");
    CHECK_EQUAL(client.run<std::string>("ECHO", static_cast<const char *>(nullptr)), "");
    CHECK_EQUAL(client.run<std::string>("ECHO", std::string_view()), "");
    CHECK_EQUAL(client.run<std::string>("ECHO", std::vector<char>()), "");
    CHECK_EQUAL(client.run<std::string>("ECHO", 5), "5");
    CHECK_EQUAL(client.run<std::string>("ECHO", INT64_MIN), "-9223372036854775808");
    CHECK_EQUAL(client.run<std::string>("ECHO", UINT64_MAX), "18446744073709551615");
    CHECK_EQUAL(client.run<std::string>("ECHO", true), "1");
    CHECK_EQUAL(client.run<std::string>("ECHO", 0.1), "0.1");
    CHECK_EQUAL(client.run<std::string>("ECHO", 0.1f), "0.1");
    CHECK_EQUAL(client.run<double>("ECHO", 1e300), 1e300);
}

TEST("command", a_reply_is_seen_without_copies) {
    jr::client client(check::url("protocol=3"));
    client.run("DEL", "cpp:list", "cpp:hash");
    client.run("RPUSH", "cpp:list", "a", "b", "c");
    client.run("HSET", "cpp:hash", "one", 1, "two", 2);
    jr::reply list = client.run("LRANGE", "cpp:list", 0, -1);
    CHECK(list.kind() == jr::kind::array);
    CHECK_EQUAL(list.size(), 3u);
    CHECK_EQUAL(list[1].text(), "b");
    CHECK(list[1].text().data() == list.native()->items[1].bytes);
    CHECK(list[3].is_nil() && list[-1].is_nil() && list["a"].text() == "b"); // as a list of pairs
    std::string all;
    for (const jr::node item : list)
        all += item.text();
    CHECK_EQUAL(all, "abc");
    jr::reply hash = client.run("HGETALL", "cpp:hash");
    CHECK(hash.kind() == jr::kind::map);
    long sum = 0;
    for (const auto [key, value] : hash.pairs())
        sum += value.get<long>() * static_cast<long>(key.text().size());
    CHECK_EQUAL(sum, 9);
    CHECK_EQUAL(hash["two"].get<int>(), 2);
    CHECK(hash["three"].is_nil());
    for (const jr::node item : client.run("LRANGE", "cpp:list", 0, 0)) // lives as long as the loop
        CHECK_EQUAL(item.text(), "a");
    jr::reply moved = std::move(list);
    CHECK(list.is_nil() && moved.size() == 3); // NOLINT: what is left of it
    list = std::move(moved);
    CHECK_EQUAL(list[2].text(), "c");
    jr_reply *raw = list.release();
    CHECK(list.is_nil());
    jr_reply_free(raw);
    int none = 0;
    for (const jr::node item : client.run("GET", "cpp:absent"))
        none += item.is_nil();
    CHECK_EQUAL(none, 0);
}

template <typename T> static T as(const char *protocol, const jr::command &command) {
    return jr::client(check::url(std::string("protocol=") + protocol)).run<T>(command);
}

TEST("command", a_reply_is_converted) {
    jr::client client(check::url());
    client.run("DEL", "cpp:hash", "cpp:sorted", "cpp:set", "cpp:absent");
    client.run("HSET", "cpp:hash", "one", 1, "two", 2);
    client.run("ZADD", "cpp:sorted", 1.5, "a", 2.5, "b");
    client.run("SADD", "cpp:set", 3, 1, 2);
    client.run("SET", "cpp:number", 12);
    CHECK_EQUAL(client.run<int>("GET", "cpp:number"), 12);
    CHECK_EQUAL(client.run<unsigned char>("GET", "cpp:number"), 12);
    CHECK_EQUAL(client.run<double>("GET", "cpp:number"), 12.0);
    CHECK_EQUAL(client.run<std::string>("INCR", "cpp:number"), "13");
    CHECK_EQUAL(client.run<bool>("EXISTS", "cpp:number"), true);
    CHECK_EQUAL(client.run<uint64_t>("ECHO", UINT64_MAX), UINT64_MAX);
    CHECK(!client.run<std::optional<int>>("GET", "cpp:absent"));
    CHECK_EQUAL(client.run<std::optional<int>>("GET", "cpp:number").value(), 13);
    CHECK((client.run<std::vector<std::optional<int>>>("MGET", "cpp:number", "cpp:absent") ==
           std::vector<std::optional<int>>{13, std::nullopt}));
    CHECK((client.run<std::set<int>>("SMEMBERS", "cpp:set") == std::set<int>{1, 2, 3}));
    CHECK((client.run<std::list<std::string>>("ZRANGE", "cpp:sorted", 0, -1) == std::list<std::string>{"a", "b"}));
    for (const char *protocol : {"2", "3"}) {
        const jr::command hash("HGETALL", "cpp:hash"), scores("ZRANGE", "cpp:sorted", 0, -1, "WITHSCORES");
        CHECK((as<std::map<std::string, int>>(protocol, hash) == std::map<std::string, int>{{"one", 1}, {"two", 2}}));
        CHECK_EQUAL((as<std::unordered_map<std::string, double>>(protocol, scores)["b"]), 2.5);
    }
    jr::reply pairs = client.run("HGETALL", "cpp:hash");
    CHECK_EQUAL((pairs.get<std::map<std::string_view, std::string_view>>()["two"]), "2");
    CHECK_EQUAL(client.run("SET", "cpp:number", 1).get<std::string>(), "OK");
    client.run<void>("SET", "cpp:number", 1);
    CHECK((client.run<std::pair<int, std::string>>("MGET", "cpp:number", "cpp:number") ==
           std::pair<int, std::string>(1, "1")));
    CHECK(!client.run("PING").try_get<int>());
}

struct point {
    double x, y;
};

template <> struct jr::converter<point> {
    static constexpr bool is_view = false;
    static std::optional<point> from(const jr::node &reply) {
        const auto both = reply.try_get<std::pair<double, double>>();
        return both ? std::optional<point>(point{both->first, both->second}) : std::nullopt;
    }
};

TEST("command", types_of_the_program_are_converted_too) {
    jr::client client(check::url());
    client.run("DEL", "cpp:places");
    client.run("GEOADD", "cpp:places", 13.5, 52.5, "here");
    const auto places = client.run<std::vector<std::optional<point>>>("GEOPOS", "cpp:places", "here", "there");
    CHECK(places.size() == 2 && places[0] && !places[1]);
    CHECK(places[0]->x > 13.4 && places[0]->x < 13.6 && places[0]->y > 52.4);
}

TEST("command", commands_are_built_up) {
    jr::client client(check::url());
    const std::map<std::string, int> values = {{"cpp:a", 1}, {"cpp:b", 2}};
    const std::vector<std::string> keys = {"cpp:a", "cpp:b"};
    client.run<void>(jr::command("MSET").add_all(values));
    CHECK((client.run<std::vector<int>>(jr::command("MGET").add_all(keys)) == std::vector<int>{1, 2}));
    CHECK_EQUAL(client.run<int>(jr::command("DEL").add("cpp:absent").add_all(keys)), 2);
}

TEST("errors", the_servers_errors_are_one_kind) {
    jr::client client(check::url());
    client.run("SET", "cpp:text", "no number");
    CHECK_THROWS(jr::reply_error, client.run("INCR", "cpp:text"), {
        CHECK_EQUAL(thrown.code(), "ERR");
        CHECK_EQUAL(thrown.what(), std::string("ERR value is not an integer or out of range"));
        CHECK_EQUAL(thrown.status(), JR_ERR_SERVER);
        CHECK(thrown.outcome() == jr::outcome::answered);
    });
    CHECK_THROWS(jr::reply_error, client.run("LPUSH", "cpp:text", 1), CHECK_EQUAL(thrown.code(), "WRONGTYPE"));
    CHECK_THROWS(jr::error, client.run<int>("LPUSH", "cpp:text", 1), CHECK_EQUAL(thrown.status(), JR_ERR_SERVER));
    const jr::result result = client.try_run("LPUSH", "cpp:text", 1);
    CHECK(!result && result.status() == JR_ERR_SERVER && result.outcome() == jr::outcome::answered);
    CHECK_EQUAL(result.text().substr(0, 9), "WRONGTYPE");
    CHECK(result.reply().is_error());
    CHECK_THROWS(jr::reply_error, result.value(), );
    CHECK_EQUAL(client.try_run("GET", "cpp:text").value().get<std::string>(), "no number");
}

TEST("errors", other_errors_are_another) {
    jr::client client("redis://127.0.0.1:1?connect_timeout=200ms&command_timeout=300ms");
    CHECK_THROWS(jr::error, client.run("PING"), {
        CHECK(dynamic_cast<const jr::reply_error *>(&thrown) == nullptr);
        CHECK(thrown.outcome() == jr::outcome::not_run);
        CHECK(thrown.status() == JR_ERR_CONNECT || thrown.status() == JR_ERR_TIMEOUT);
        CHECK_HAS(thrown.what(), "127.0.0.1:1");
    });
    CHECK(client.try_run("PING").outcome() == jr::outcome::not_run);
    CHECK_THROWS(jr::error, jr::config().set("colour", "blue"), {
        CHECK_EQUAL(thrown.status(), JR_ERR_CONFIG);
        CHECK_HAS(thrown.what(), "colour");
    });
    CHECK_THROWS(jr::error, jr::client("gopher://x"), CHECK_EQUAL(thrown.status(), JR_ERR_CONFIG));
    CHECK_EQUAL(jr::status_text(JR_ERR_LOST), jr_status_text(JR_ERR_LOST));
    CHECK_EQUAL(jr::version(), jr_version());
}

TEST("errors", refused_commands_say_what_to_use) {
    jr::client client(check::url());
    for (const char *name : {"SELECT", "WATCH", "AUTH"})
        CHECK_THROWS(jr::error, client.run(name, "1"), CHECK_EQUAL(thrown.status(), JR_ERR_REFUSED));
    const jr::result result = client.try_run("MULTI");
    CHECK(result.status() == JR_ERR_REFUSED && result.outcome() == jr::outcome::not_run);
    CHECK_HAS(result.text(), "ATOMIC");
    CHECK_THROWS(jr::error, result.value(), CHECK_EQUAL(thrown.status(), JR_ERR_REFUSED));
    CHECK_THROWS(jr::error, client.send("MULTI"), CHECK_EQUAL(thrown.status(), JR_ERR_REFUSED));
    CHECK_THROWS(jr::error, client.async("MULTI"), CHECK_EQUAL(thrown.status(), JR_ERR_REFUSED));
    bool called = false;
    CHECK_THROWS(jr::error, client.submit([&](jr::completion &&) { called = true; }, "MULTI"), );
    CHECK(client.close() && !called);
}

TEST("errors", what_does_not_fit_is_a_conversion_error) {
    jr::client client(check::url());
    client.run("SET", "cpp:text", "no number");
    client.run("SET", "cpp:number", 300);
    CHECK_THROWS(jr::conversion_error, client.run<int>("GET", "cpp:text"), CHECK_HAS(thrown.what(), "no number"));
    CHECK_THROWS(jr::conversion_error, client.run<unsigned char>("GET", "cpp:number"), );
    CHECK_THROWS(jr::conversion_error, client.run<unsigned>("ECHO", -1), );
    CHECK_THROWS(jr::conversion_error, client.run<std::string>("GET", "cpp:absent"), CHECK_HAS(thrown.what(), "nil"));
    CHECK_THROWS(jr::conversion_error, client.run<std::vector<int>>("GET", "cpp:number"), );
    CHECK_THROWS(jr::conversion_error, client.run<bool>("ECHO", "yes"), );
    CHECK_THROWS(jr::conversion_error, (client.run<std::tuple<int, int>>("MGET", "cpp:number")), );
    CHECK_THROWS(jr::conversion_error, (client.run<std::map<std::string, int>>("MGET", "cpp:number")), );
}
