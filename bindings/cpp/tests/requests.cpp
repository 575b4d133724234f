// Requests of several commands, those that wait, and what options do to them.
#include "check.hpp"
#include <map>
#include <vector>

TEST("many in flight", each_gets_its_own_answer) {
    jr::client client(check::url());
    std::vector<std::future<int>> answers;
    for (int i = 0; i < 1000; i++)
        answers.push_back(client.async<int>("ECHO", i));
    for (int i = 0; i < 1000; i++)
        CHECK_EQUAL(answers[static_cast<std::size_t>(i)].get(), i);
    jr::queue queue;
    for (uint64_t i = 0; i < 1000; i++)
        client.submit_to(queue, i, "ECHO", i);
    uint64_t next = 0;
    while (next < 1000)
        queue.take_each(
            [&](jr::completion &&completion) {
                CHECK_EQUAL(completion.user_data(), next);
                CHECK_EQUAL(completion.value().get<uint64_t>(), next++);
            },
            jr::forever);
    CHECK(!queue.take(0ms));
}

TEST("pipeline", an_error_disturbs_no_other) {
    jr::client client(check::url());
    jr::pipeline pipeline;
    pipeline.add("SET", "cpp:text", "x").add("INCR", "cpp:text").add(jr::command("GET", "cpp:text"));
    jr::reply replies = client.run(pipeline);
    CHECK_EQUAL(replies.size(), 3u);
    CHECK_EQUAL(replies[0].text(), "OK");
    CHECK(replies[1].is_error() && replies[1].status() == JR_ERR_SERVER);
    CHECK_THROWS(jr::reply_error, replies[1].get<int>(), );
    CHECK_THROWS(jr::reply_error, replies[1].check(), );
    CHECK_EQUAL(replies[2].get<std::string>(), "x");
    CHECK_THROWS(jr::reply_error, (client.run<std::tuple<std::string, int, std::string>>(pipeline)), );
    const auto result = client.try_run(pipeline);
    CHECK(result.ok() && result.outcome() == jr::outcome::answered);
    pipeline.clear();
    for (int i = 0; i < 5000; i++)
        pipeline.add("ECHO", i);
    CHECK_EQUAL(client.run(pipeline)[4999].get<int>(), 4999);
    CHECK_EQUAL(client.async(pipeline).get()[17].get<int>(), 17);
}

TEST("transaction", runs_as_one_or_not_at_all) {
    jr::client client(check::url());
    client.run("DEL", "cpp:counter");
    jr::transaction transaction;
    transaction.add("INCR", "cpp:counter").add("INCR", "cpp:counter");
    CHECK((client.run<std::tuple<int, int>>(transaction) == std::tuple<int, int>(1, 2)));
    transaction.add("NO-SUCH-COMMAND");
    CHECK_THROWS(jr::reply_error, client.run(transaction), CHECK_EQUAL(thrown.code(), "EXECABORT"));
    CHECK_EQUAL(client.run<int>("GET", "cpp:counter"), 2);
    jr::transaction refused;
    refused.add("SUBSCRIBE", "x");
    CHECK_THROWS(jr::error, client.run(refused), CHECK_EQUAL(thrown.status(), JR_ERR_ARGUMENT));
}

// True if nobody came between.
static bool add_one(const jr::client &client, bool disturbed) {
    const jr::lease lease = client.lease("cpp:watched");
    lease.run("WATCH", "cpp:watched");
    const auto value = lease.run<std::optional<int>>("GET", "cpp:watched").value_or(0);
    if (disturbed)
        client.run("SET", "cpp:watched", 100);
    jr::transaction transaction;
    transaction.add("SET", "cpp:watched", value + 1);
    return !lease.run(transaction).is_nil();
}

TEST("watch", a_lease_writes_only_if_nobody_came_between) {
    jr::client client(check::url());
    client.run("DEL", "cpp:watched");
    CHECK(add_one(client, false));
    CHECK(!add_one(client, true));
    CHECK(add_one(client, false));
    CHECK_EQUAL(client.run<int>("GET", "cpp:watched"), 101);
    const jr::lease lease = client.lease();
    lease.run("CLIENT", "SETNAME", "of-the-lease");
    CHECK_EQUAL(lease.run<std::string>("CLIENT", "GETNAME"), "of-the-lease");
}

TEST("blocking", others_go_on_while_a_command_waits) {
    jr::client client(check::url());
    client.run("DEL", "cpp:queue");
    auto popped = client.async<std::pair<std::string, std::string>>("BLPOP", "cpp:queue", 0);
    CHECK_EQUAL(client.run<std::string>("PING"), "PONG");
    client.run("RPUSH", "cpp:queue", "item");
    CHECK_EQUAL(popped.get().second, "item");
    CHECK(client.run("BLPOP", "cpp:queue", "0.01").is_nil());
}

static int calls_of(const jr::client &client, const std::string &name) {
    const auto text = client.run<std::string>("INFO", "commandstats");
    const std::string start = "cmdstat_" + name + ":calls=";
    const auto at = text.find(start);
    return at == std::string::npos ? 0 : std::stoi(text.substr(at + start.size()));
}

TEST("script", eval_goes_out_as_evalsha) {
    jr::client client(check::url());
    const auto script = "return ARGV[1] .. '" + std::to_string(std::rand()) + "'";
    const int before = calls_of(client, "eval");
    const auto first = client.run<std::string>("EVAL", script, 0, "x");
    for (int i = 0; i < 10; i++)
        CHECK_EQUAL(client.run<std::string>("EVAL", script, 0, "x"), first);
    CHECK(calls_of(client, "eval") - before <= 1);
    client.run("SCRIPT", "FLUSH");
    CHECK_EQUAL(client.run<std::string>("EVAL", script, 0, "x"), first);
}

TEST("databases", views_are_apart) {
    jr::client client(check::url());
    const jr::client third = client.database(3);
    client.run("SET", "cpp:where", "zero");
    third.run("SET", "cpp:where", "three");
    CHECK_EQUAL(client.run<std::string>("GET", "cpp:where"), "zero");
    CHECK_EQUAL(third.run<std::string>("GET", "cpp:where"), "three");
    third.run("DEL", "cpp:where");
}

TEST("cache", a_cached_read_is_answered_from_memory_until_it_changes) {
    jr::client client(check::url("cache_bytes=1MiB")), other(check::url());
    const jr::bound cached = client.with(jr::options().cached());
    client.run("SET", "cpp:cached", "old");
    for (int i = 0; i < 100; i++)
        CHECK_EQUAL(cached.run<std::string>("GET", "cpp:cached"), "old");
    CHECK(client.stats()["cache_hits"].get<int>() >= 90);
    other.run("SET", "cpp:cached", "new");
    WAIT_UNTIL(cached.run<std::string>("GET", "cpp:cached") == "new");
    CHECK_EQUAL(cached.async<std::string>("GET", "cpp:cached").get(), "new");
    CHECK_THROWS(jr::error, cached.run("SET", "cpp:cached", 1), CHECK_EQUAL(thrown.status(), JR_ERR_ARGUMENT));
}

TEST("cancel", a_request_that_is_given_up_ends_at_the_server) {
    jr::client client(check::url());
    jr::queue queue;
    client.run("DEL", "cpp:never");
    const uint64_t id = client.submit_to(queue, 7, "BLPOP", "cpp:never", 0);
    WAIT_UNTIL(client.run<std::string>("INFO", "clients").find("blocked_clients:0") == std::string::npos);
    CHECK(client.cancel(id));
    const auto ended = queue.take();
    CHECK(ended && ended->user_data() == 7 && ended->request() == id && !ended->more());
    CHECK_EQUAL(ended->status(), JR_ERR_CANCELED);
    CHECK(ended->outcome() == jr::outcome::not_run);
    CHECK_THROWS(jr::error, ended->value(), CHECK_EQUAL(thrown.status(), JR_ERR_CANCELED));
    CHECK(!client.cancel(id));
    client.run("RPUSH", "cpp:never", "still there");
    CHECK_EQUAL(client.run<int>("LLEN", "cpp:never"), 1);
}

TEST("timeout", a_request_ends_at_its_deadline) {
    jr::client client(check::url());
    client.run("DEL", "cpp:never");
    const jr::bound hasty = client.with(jr::options().timeout(20ms).dedicated());
    CHECK_THROWS(jr::error, hasty.run("DEBUG", "SLEEP", "0.3"), {
        CHECK_EQUAL(thrown.status(), JR_ERR_TIMEOUT);
        CHECK(thrown.outcome() == jr::outcome::unknown);
    });
    CHECK_EQUAL(client.run<std::string>("PING"), "PONG");
    jr::client impatient(check::url("command_timeout=20ms"));
    CHECK_EQUAL(
        impatient.with(jr::options().timeout(jr::forever).dedicated()).run<std::string>("DEBUG", "SLEEP", "0.1"), "OK");
}

TEST("statistics", the_state_in_numbers) {
    jr::client client(check::url());
    client.run("PING");
    jr::reply stats = client.stats();
    CHECK_EQUAL(stats["version"].text(), jr::version());
    CHECK_EQUAL(stats["requests"].get<int>(), 0);
    CHECK_EQUAL(stats["links"][0]["connected"].get<bool>(), true);
    CHECK(stats["links"][0]["bytes_sent"].get<uint64_t>() > 0);
    jr::reply place = client.locate("key");
    CHECK_EQUAL("redis://" + place["primary"].get<std::string>(), check::url());
}
