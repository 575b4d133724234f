// What tests/bindings/capabilities.toml wants everywhere, in each of the topologies. The servers are not these tests'
// own: they have keys and channels that nobody else has, and leave everything else as it is.
#include "check.hpp"
#include <algorithm>
#include <atomic>
#include <map>

using strings = std::vector<std::string>;

static jr::client client_of(const check::place &where, const std::map<std::string, std::string> &options = {}) {
    jr::config config(where.url);
    for (const auto &[option, value] : options)
        config.set(option, value);
    return jr::client(config);
}

// In slots of all nodes.
static strings keys_of(const check::place &where, std::size_t count = 40) {
    strings keys;
    while (keys.size() < count)
        keys.push_back(where.prefix + ":" + std::to_string(keys.size()));
    return keys;
}

// A key in the slot of another.
static std::string beside(const std::string &key, const std::string &name) {
    return "{" + key + "}" + name;
}

// The answer of every primary, by its address.
template <typename T, typename... Arguments>
static std::map<std::string, T> on_primaries(const jr::client &client, const Arguments &...arguments) {
    auto all = client.with(jr::options().route("primaries")).template run<std::map<std::string, T>>(arguments...);
    CHECK(!all.empty());
    return all;
}

// Commands on keys of all nodes.
static void others_go_on(const jr::client &client, const check::place &where) {
    for (const std::string &key : keys_of(where)) {
        CHECK_EQUAL(client.run<std::string>("SET", beside(key, "other"), key), "OK");
        CHECK_EQUAL(client.run<std::string>("GET", beside(key, "other")), key);
    }
}

EVERYWHERE("command", words_of_any_bytes) {
    const jr::client client = client_of(where);
    const strings keys = keys_of(where);
    strings values;
    std::string all;
    for (int byte = 0; byte < 256; byte++)
        all += static_cast<char>(byte);
    for (const std::string &key : keys) {
        const std::size_t turn = values.size();
        values.push_back(all.substr(turn) + all.substr(0, turn));
        CHECK_EQUAL(client.run<std::string>("SET", key, values.back()), "OK");
    }
    for (std::size_t i = 0; i < keys.size(); i++)
        CHECK(client.run<std::string>("GET", keys[i]) == values[i]);
    CHECK(client.run<strings>(jr::command("MGET").add_all(keys)) == values);
    for (const std::string &key : keys) {
        const std::string hash = beside(key, "hash"), list = beside(key, "list");
        CHECK_EQUAL(client.run<int>("HSET", hash, "field", 5), 1);
        CHECK((client.run<std::map<std::string, int>>("HGETALL", hash) == std::map<std::string, int>{{"field", 5}}));
        CHECK_EQUAL(client.run<int>("RPUSH", list, "", "\r\n", 7), 3);
        CHECK((client.run<strings>("LRANGE", list, 0, -1) == strings{"", "\r\n", "7"}));
        CHECK(!client.run<std::optional<std::string>>("GET", beside(key, "none")));
    }
}

EVERYWHERE("many in flight", each_key_counts_to_itself) {
    const jr::client client = client_of(where);
    const strings keys = keys_of(where);
    std::vector<std::future<int>> answers;
    // A client that does not know yet where the keys are is sent on, and that changes the order.
    for (const std::string &key : keys)
        CHECK_EQUAL(client.run<int>("INCR", key), 1);
    for (std::size_t i = 0; i < 1000; i++)
        answers.push_back(client.async<int>("INCR", keys[i % 40]));
    for (std::size_t i = 0; i < 1000; i++)
        CHECK_EQUAL(answers[i].get(), static_cast<int>(i / 40 + 2));
}

EVERYWHERE("pipeline", an_error_amid_keys_of_all_nodes) {
    const jr::client client = client_of(where);
    const strings keys = keys_of(where);
    jr::pipeline pipeline;
    for (const std::string &key : keys) {
        pipeline.add("APPEND", key, "a");
        if (&key == &keys[20])
            pipeline.add("LPUSH", key, "x");
        pipeline.add("APPEND", key, "b");
    }
    const jr::reply replies = client.run(pipeline);
    CHECK_EQUAL(replies.size(), 81u);
    CHECK_THROWS(jr::reply_error, replies[41].check(), CHECK_EQUAL(thrown.code(), "WRONGTYPE"));
    for (std::size_t i = 0; i < 80; i++)
        CHECK_EQUAL(replies[i < 41 ? i : i + 1].get<std::size_t>(), i % 2 + 1);
    for (const std::string &key : keys)
        CHECK_EQUAL(client.run<std::string>("GET", key), "ab");
}

EVERYWHERE("transaction", all_or_nothing_in_each_slot) {
    const jr::client client = client_of(where);
    for (const std::string &key : keys_of(where)) {
        const std::string number = beside(key, "number"), list = beside(key, "list");
        jr::transaction good, bad;
        good.add("SET", number, 1).add("INCR", number).add("RPUSH", list, "x");
        CHECK((client.run<std::tuple<std::string, int, int>>(good) == std::tuple<std::string, int, int>("OK", 2, 1)));
        bad.add("SET", number, 9).add("RPUSH", list);
        CHECK_THROWS(jr::reply_error, client.run(bad), CHECK_EQUAL(thrown.code(), "EXECABORT"));
        CHECK_EQUAL(client.run<int>("GET", number), 2);
    }
}

EVERYWHERE("watch", a_lease_in_each_slot) {
    const jr::client client = client_of(where);
    for (const std::string &key : keys_of(where, 8)) {
        for (const bool disturbed : {true, false}) {
            const jr::lease lease = client.lease(key);
            lease.run("WATCH", key);
            const auto value = lease.run<std::optional<int>>("GET", key).value_or(0);
            if (disturbed)
                client.run("SET", key, 7);
            jr::transaction transaction;
            transaction.add("SET", key, value + 1);
            CHECK_EQUAL(lease.run(transaction).is_nil(), disturbed);
        }
        CHECK_EQUAL(client.run<int>("GET", key), 8);
    }
}

EVERYWHERE("blocking", others_go_on_at_all_nodes) {
    using item = std::pair<std::string, std::string>;
    const jr::client client = client_of(where);
    const strings keys = keys_of(where, 8);
    std::vector<std::future<item>> waiting;
    for (const std::string &key : keys)
        waiting.push_back(client.async<item>("BLPOP", key, 0));
    others_go_on(client, where);
    for (std::size_t i = keys.size(); i-- > 0;) {
        CHECK(waiting[i].wait_for(0s) == std::future_status::timeout);
        client.run("RPUSH", keys[i], i);
        CHECK((waiting[i].get() == item(keys[i], std::to_string(i))));
    }
}

static std::string next_of(jr::subscription &from) {
    const auto message = from.next(60s);
    CHECK(message.has_value());
    const std::string text(message->text()), channel(message->channel()), pattern(message->pattern());
    return std::string(message->kind()) + " " + channel + " " + pattern + " " + text;
}

EVERYWHERE("pub/sub", channels_and_patterns) {
    const jr::client client = client_of(where), other = client_of(where);
    const std::string channel = where.prefix + ":news", pattern = where.prefix + ":n?w?";
    jr::subscription news = client.subscribe(channel);
    CHECK_EQUAL(next_of(news), "subscribe " + channel + "  ");
    CHECK_EQUAL(next_of(news), "ready   ");
    CHECK_EQUAL(news.psubscribe(pattern), 2);
    CHECK_EQUAL(next_of(news), "psubscribe " + pattern + "  ");
    other.run("PUBLISH", channel, "first");
    CHECK_EQUAL(next_of(news), "message " + channel + "  first");
    CHECK_EQUAL(next_of(news), "pmessage " + channel + " " + pattern + " first");
    news.ping("there");
    CHECK_EQUAL(next_of(news).substr(0, 4), "pong");
    CHECK_EQUAL(news.unsubscribe(channel), 1);
    CHECK_EQUAL(next_of(news), "unsubscribe " + channel + "  ");
    other.run("PUBLISH", channel, "second");
    CHECK_EQUAL(next_of(news), "pmessage " + channel + " " + pattern + " second");
    CHECK_EQUAL(news.punsubscribe(), 0);
}

// How often all primaries were asked for a script by its digest.
static std::size_t digests_sent(const jr::client &client) {
    std::size_t sum = 0;
    for (const auto &[address, text] : on_primaries<std::string>(client, "INFO", "commandstats")) {
        const std::string start = "cmdstat_evalsha:calls=";
        const auto at = text.find(start);
        sum += at == std::string::npos ? 0 : std::stoul(text.substr(at + start.size()));
    }
    return sum;
}

EVERYWHERE("script", eval_goes_out_as_evalsha_to_all_nodes) {
    const jr::client client = client_of(where);
    const std::string script = "return redis.call('INCRBY', KEYS[1], ARGV[1]) -- " + where.prefix;
    const std::size_t before = digests_sent(client), nodes = on_primaries<std::string>(client, "PING").size();
    for (const int sum : {3, 6})
        for (const std::string &key : keys_of(where))
            CHECK_EQUAL(client.run<int>("EVAL", script, 1, key, 3), sum);
    CHECK(digests_sent(client) - before >= 80 - nodes); // whole once to each; others may use the servers, too
    const auto digest = client.run<std::string>("EVAL", "return redis.sha1hex(ARGV[1])", 0, script);
    for (const auto &[address, known] : on_primaries<std::vector<bool>>(client, "SCRIPT", "EXISTS", digest))
        CHECK_EQUAL(address + (known.at(0) ? " knows it" : " does not"), address + " knows it");
    on_primaries<std::string>(client, "SCRIPT", "FLUSH");
    for (const std::string &key : keys_of(where))
        CHECK_EQUAL(client.run<int>("EVAL", script, 1, key, 3), 9);
}

EVERYWHERE("cache", what_another_client_changes_is_read_anew) {
    const jr::client client = client_of(where, {{"cache_bytes", "1MiB"}}), other = client_of(where);
    const jr::bound cached = client.with(jr::options().cached());
    const strings keys = keys_of(where);
    for (const std::string &key : keys) {
        other.run("SET", key, "old");
        for (int i = 0; i < 3; i++)
            CHECK_EQUAL(cached.run<std::string>("GET", key), "old");
    }
    CHECK(client.stats()["cache_hits"].get<std::size_t>() >= keys.size());
    for (const std::string &key : keys) {
        other.run("SET", key, "new");
        WAIT_UNTIL(cached.run<std::string>("GET", key) == "new");
    }
}

// The connections with a name that wait at a server, each as the address of that and the id there.
static strings blocked(const jr::client &client, const std::string &name) {
    strings found;
    for (const auto &[address, list] : on_primaries<std::string>(client, "CLIENT", "LIST")) {
        std::istringstream lines(list);
        for (std::string line; std::getline(lines, line);) {
            const auto flags = line.find(" flags=") + 7;
            const std::string letters = line.substr(flags, line.find(' ', flags) - flags);
            if (line.find(" name=" + name + " ") != std::string::npos && letters.find('b') != std::string::npos)
                found.push_back(address + " " + line.substr(0, line.find(' ')));
        }
    }
    std::sort(found.begin(), found.end());
    return found;
}

// How long a server may take to call a command back: on a slow machine, too.
static const std::map<std::string, std::string> patient = {{"unblock_grace", "30s"}};

// A BLPOP of each key on a client, or what is like one; their ids.
template <typename Client>
static std::vector<uint64_t> pop_all(const Client &client, const jr::queue &queue, const strings &keys) {
    std::vector<uint64_t> ids;
    for (const std::string &key : keys)
        ids.push_back(client.submit_to(queue, ids.size(), "BLPOP", key, 0));
    return ids;
}

// All end with a status, and their servers have not run them: nobody takes what is pushed after that.
static void end_without_effect(const jr::client &client, jr::queue &queue, const strings &keys, jr_status status) {
    for (std::size_t i = 0; i < keys.size(); i++) {
        const auto ended = queue.take(60s);
        CHECK(ended && !ended->more());
        CHECK_EQUAL(ended->status(), status);
        CHECK(ended->outcome() == jr::outcome::not_run);
    }
    for (const std::string &key : keys) {
        client.run("RPUSH", key, "kept");
        CHECK_EQUAL(client.run<std::string>("LPOP", key), "kept");
    }
}

EVERYWHERE("cancel", connections_of_requests_that_are_given_up_serve_others) {
    auto options = patient;
    options["client_name"] = where.prefix;
    const jr::client client = client_of(where, options);
    const strings keys = keys_of(where, 8);
    jr::queue queue;
    // Connections that a client opens before it knows the nodes of a cluster are not used again.
    CHECK(blocked(client, where.prefix).empty());
    const auto ids = pop_all(client, queue, keys);
    WAIT_UNTIL(blocked(client, where.prefix).size() == keys.size());
    const strings connections = blocked(client, where.prefix);
    for (const uint64_t id : ids)
        CHECK(client.cancel(id));
    end_without_effect(client, queue, keys, JR_ERR_CANCELED);
    pop_all(client, queue, keys);
    WAIT_UNTIL(blocked(client, where.prefix).size() == keys.size());
    CHECK(blocked(client, where.prefix) == connections);
    for (std::size_t i = 0; i < keys.size(); i++) {
        client.run("RPUSH", keys[i], i);
        const auto popped = queue.take(60s);
        CHECK(popped && popped->user_data() == i);
        CHECK_EQUAL(popped->value()[1].get<std::size_t>(), i);
    }
}

EVERYWHERE("timeout", others_go_on_when_a_deadline_passes) {
    const jr::client client = client_of(where, patient);
    const jr::bound hasty = client.with(jr::options().timeout(50ms));
    const strings keys = keys_of(where, 8);
    jr::queue queue;
    pop_all(hasty, queue, keys);
    others_go_on(client, where);
    end_without_effect(client, queue, keys, JR_ERR_TIMEOUT);
    CHECK_THROWS(jr::error, hasty.run("BLPOP", keys[0], 0), CHECK_EQUAL(thrown.status(), JR_ERR_TIMEOUT));
    others_go_on(client, where);
}

EVERYWHERE("threads", threads_share_one_client_everywhere) {
    const jr::client client = client_of(where);
    const strings keys = keys_of(where);
    std::vector<std::thread> threads;
    std::atomic<int> good{0};
    for (int i = 0; i < 8; i++)
        threads.emplace_back([client, &keys, &good, i] {
            for (int round = 1; round <= 5; round++)
                for (const std::string &key : keys) {
                    const auto own = client.try_run("INCRBY", beside(key, std::to_string(i)), i);
                    good += own && own.reply().try_get<int>() == i * round && client.try_run("INCR", key);
                }
        });
    for (std::thread &thread : threads)
        thread.join();
    CHECK_EQUAL(good.load(), 8 * 5 * 40);
    for (const std::string &key : keys)
        CHECK_EQUAL(client.run<int>("GET", key), 8 * 5);
}
