// Coroutines, where the language has them.
#include "check.hpp"

#if defined(__cpp_impl_coroutine)

#include <vector>

static jr::task<int> count(jr::bound redis, int times) {
    int last = 0;
    for (int i = 0; i < times; i++)
        last = co_await redis.await<int>("INCR", "cpp:counted");
    co_return last;
}

TEST("command", a_coroutine_awaits_its_answers) {
    jr::client client(check::url());
    jr::dispatcher dispatcher;
    client.run("DEL", "cpp:counted");
    CHECK_EQUAL(jr::run(dispatcher, count(client.on(dispatcher), 1000)), 1000);
    CHECK_EQUAL(dispatcher.pending(), 0u);
}

TEST("many in flight", many_coroutines_at_once) {
    jr::client client(check::url());
    jr::dispatcher dispatcher;
    std::vector<jr::task<int>> tasks;
    client.run("DEL", "cpp:counted");
    for (int i = 0; i < 128; i++)
        tasks.push_back(count(client.on(dispatcher), 50));
    int highest = 0;
    for (const int last : jr::run_all(dispatcher, std::move(tasks)))
        highest = std::max(highest, last);
    CHECK_EQUAL(highest, 128 * 50);
}

static jr::task<> everything(jr::bound redis, jr::dispatcher &dispatcher) {
    const std::string key = "cpp:awaited";
    co_await redis.await<void>("SET", key, std::string(1000, 'x'));
    CHECK_EQUAL((co_await redis.await<std::string>("GET", key)).size(), 1000u);
    jr::reply reply = co_await redis.await("LRANGE", "cpp:absent", 0, -1);
    CHECK_EQUAL(reply.size(), 0u);
    jr::transaction transaction;
    transaction.add("SET", key, 1).add("INCR", key);
    CHECK_EQUAL(std::get<1>(co_await redis.await<std::tuple<std::string, int>>(transaction)), 2);
    CHECK_EQUAL(co_await redis.with(jr::options().timeout(10s)).await<int>("INCR", key), 3);
    bool thrown = false;
    try {
        co_await redis.await("LPUSH", key, 1);
    } catch (const jr::reply_error &error) {
        thrown = error.code() == "WRONGTYPE";
    }
    CHECK(thrown);
    try {
        co_await redis.await("SELECT", 1); // is refused: goes on at once
        thrown = false;
    } catch (const jr::error &error) {
        CHECK_EQUAL(error.status(), JR_ERR_REFUSED);
    }
    CHECK(thrown);
    CHECK_EQUAL(co_await count(redis, 2) > 0, true);
    CHECK_EQUAL(dispatcher.pending(), 0u);
    co_await redis.await("LPUSH", key, 1);
}

TEST("errors", a_coroutine_gets_them_as_exceptions) {
    jr::client client(check::url());
    jr::dispatcher dispatcher;
    CHECK_THROWS(jr::reply_error, (jr::run(dispatcher, everything(client.on(dispatcher), dispatcher)), 0), );
}

static jr::task<> set_promise(jr::client client, std::promise<std::thread::id> &where) {
    co_await client.await("PING");
    where.set_value(std::this_thread::get_id());
}

TEST("command", without_a_dispatcher_it_goes_on_where_callables_are_called) {
    jr::client client(check::url());
    std::promise<std::thread::id> where;
    jr::task<> task = set_promise(client, where);
    task.start();
    CHECK(where.get_future().get() != std::this_thread::get_id());
    client.close(); // the callback has returned
    CHECK(task.done());
}

static jr::task<> wait_for_ever(jr::bound redis) {
    co_await redis.await("BLPOP", "cpp:never", 0);
}

TEST("close", ends_what_a_coroutine_waits_for) {
    jr::client client(check::url());
    jr::dispatcher dispatcher;
    client.run("DEL", "cpp:never");
    jr::task<> task = wait_for_ever(client.on(dispatcher));
    task.start();
    std::thread closer([&] { client.close(); });
    while (dispatcher.pending() > 0)
        dispatcher.dispatch(60s);
    closer.join();
    CHECK_THROWS(jr::error, (task.await_resume(), 0), CHECK_EQUAL(thrown.status(), JR_ERR_CLOSED));
}

#endif
