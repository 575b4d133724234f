// Coroutines, where the language has them.
#include "check.hpp"

#if defined(__cpp_impl_coroutine)

#include <thread>
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

#if defined(__cpp_lib_jthread)
static jr::task<jr_status> pop(jr::bound redis, std::stop_token stop) {
    try {
        co_await redis.await("BLPOP", "cpp:never", 0).stop_on(stop);
    } catch (const jr::error &error) {
        co_return error.status();
    }
    co_return JR_OK;
}

TEST("cancel", a_stop_token_cancels_what_a_coroutine_awaits) {
    jr::client client(check::url());
    jr::dispatcher dispatcher;
    client.run("DEL", "cpp:never");
    std::stop_source source, before;
    jr::task<jr_status> waits = pop(client.on(dispatcher), source.get_token());
    waits.start();
    std::thread stopper([&] {
        WAIT_UNTIL(client.stats()["dedicated"]["in_use"].get<int>() == 1);
        source.request_stop();
    });
    while (dispatcher.pending() > 0)
        dispatcher.dispatch(60s);
    stopper.join();
    CHECK_EQUAL(waits.await_resume(), JR_ERR_CANCELED);
    // Before it is sent.
    CHECK_EQUAL(jr::run(dispatcher, pop(client.on(dispatcher), source.get_token())), JR_ERR_CANCELED);
    // After it was answered.
    client.run("RPUSH", "cpp:never", 1);
    CHECK_EQUAL(jr::run(dispatcher, pop(client.on(dispatcher), before.get_token())), JR_OK);
    before.request_stop();
}

static jr::task<> pings(jr::client client, std::stop_token stop, std::atomic<int> &ended, std::atomic<bool> &over) {
    jr::pipeline pipeline;
    pipeline.add("PING").add("PING");
    while (!over) {
        try {
            co_await client.await("PING").stop_on(stop);
            co_await client.await<void>(pipeline).stop_on(stop);
        } catch (const jr::error &error) {
            CHECK_EQUAL(error.status(), JR_ERR_CANCELED);
        }
    }
    ended++;
}

TEST("cancel", a_stop_on_another_thread_meets_requests_at_any_moment) {
    std::atomic<int> ended{0};
    for (int round = 0; round < 200; round++) {
        jr::client client(check::url());
        std::stop_source source;
        std::atomic<bool> over{false};
        ended = 0;
        jr::task<> first = pings(client, source.get_token(), ended, over), second = pings(client, {}, ended, over);
        first.start();
        second.start();
        std::this_thread::sleep_for(std::chrono::microseconds(round * 7 % 1000));
        source.request_stop();
        over = true;
        WAIT_UNTIL(ended == 2);
        client.close();
    }
}
#endif

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

TEST("close", a_dispatcher_that_is_closed_hands_over_everything) {
    jr::client client(check::url());
    jr::dispatcher dispatcher;
    client.run("DEL", "cpp:never");
    jr::task<> task = wait_for_ever(client.on(dispatcher));
    task.start();
    int canceled = 0, refused = 0;
    const jr::bound redis = client.on(dispatcher);
    for (int i = 0; i < 300; i++)
        redis.submit(
            [&](jr::completion &&completion) {
                canceled += completion.status() == JR_ERR_CANCELED || completion.ok();
                try {
                    redis.submit([](jr::completion &&) {}, "PING");
                } catch (const jr::error &error) {
                    refused += error.status() == JR_ERR_CLOSED;
                }
            },
            "GET", "cpp:never");
    std::future<int> future = redis.async<int>("INCR", "cpp:counted");
    dispatcher.close();
    CHECK_EQUAL(dispatcher.pending(), 0u);
    CHECK_EQUAL(canceled, 300);
    CHECK_EQUAL(refused, 300);
    CHECK_THROWS(jr::error, (task.await_resume(), 0), CHECK_EQUAL(thrown.status(), JR_ERR_CANCELED));
    CHECK(future.wait_for(0s) == std::future_status::ready);
    CHECK_THROWS(jr::error, dispatcher.dispatch(), CHECK_EQUAL(thrown.status(), JR_ERR_CLOSED));
    CHECK_EQUAL(client.run<std::string>("PING"), "PONG"); // the client goes on
}

static jr::task<int> hear(jr::bound redis, int messages, bool &hears) {
    jr::listener news(redis);
    CHECK_EQUAL(co_await news.subscribe("cpp:heard"), 1);
    CHECK_EQUAL(co_await news.psubscribe("cpp:h*"), 2);
    CHECK_EQUAL(co_await news.ping("there?"), "there?");
    std::string kinds;
    while (kinds.find("pong") == std::string::npos)
        kinds += std::string((co_await news.next())->kind()) + " ";
    CHECK_EQUAL(kinds, "ready subscribe psubscribe pong ");
    CHECK_EQUAL(co_await news.punsubscribe(), 1);
    CHECK((co_await news.next())->kind() == "punsubscribe");
    hears = true;
    int heard = 0;
    while (auto message = co_await news.next()) {
        CHECK_EQUAL(message->text(), std::to_string(heard));
        if (++heard == messages)
            news.cancel();
    }
    CHECK(!co_await news.next()); // it stays ended
    co_return heard;
}

static jr::task<int> publish(jr::bound redis, int messages, const bool &hears) {
    while (!hears)
        co_await redis.await("PING");
    for (int sent = 0; sent < messages; sent++)
        co_await redis.await<int>("PUBLISH", "cpp:heard", sent);
    co_return messages;
}

TEST("pub/sub", a_coroutine_awaits_messages) {
    for (const char *protocol : {"protocol=2", "protocol=3"}) {
        jr::client client(check::url(protocol));
        jr::dispatcher dispatcher;
        std::vector<jr::task<int>> tasks;
        bool hears = false;
        tasks.push_back(hear(client.on(dispatcher), 500, hears));
        tasks.push_back(publish(client.on(dispatcher), 500, hears));
        CHECK_EQUAL(jr::run_all(dispatcher, std::move(tasks))[0], 500);
        while (dispatcher.pending() > 0) // what is left of the listener, which is gone
            dispatcher.dispatch(60s);
    }
}

static jr::task<> hear_one(jr::bound redis) {
    jr::listener news(redis, "cpp:left");
    co_await news.next();
    co_await news.next();
}

TEST("pub/sub", a_listener_may_go_at_any_time) {
    jr::client client(check::url());
    jr::dispatcher dispatcher;
    jr::run(dispatcher, hear_one(client.on(dispatcher)));
    {
        jr::listener gone(client.on(dispatcher), "cpp:left"), moved = std::move(gone);
        client.run("PUBLISH", "cpp:left", 1);
    }
    jr::listener ended(client.on(dispatcher), "cpp:left");
    CHECK_THROWS(std::logic_error, jr::listener(client.with(jr::options()), "x"), );
    client.close();
    while (dispatcher.pending() > 0)
        dispatcher.dispatch(60s);
    while (!ended.next().await_ready() || ended.next().await_resume()) {
    }
    CHECK(!ended.cancel());
}

static jr::task<uint64_t> read_all(jr::listener &slow, int messages) {
    uint64_t read = 0, dropped = 0;
    while (read + dropped < static_cast<uint64_t>(messages)) {
        const auto message = co_await slow.next();
        read += message->is_message();
        dropped += message->dropped();
    }
    CHECK_EQUAL(read, jr::listener::keep - 2); // the confirmation and "ready" are kept
    co_return dropped;
}

TEST("gaps", a_listener_that_is_not_awaited_drops_and_counts) {
    jr::client client(check::url());
    jr::dispatcher dispatcher;
    std::optional<jr::listener> slow(std::in_place, client.on(dispatcher), "cpp:slow");
    WAIT_UNTIL(client.run<int>("PUBLISH", "cpp:slow", "x") == 1);
    const int messages = 70001;
    for (int sent = 1; sent < messages;) {
        jr::pipeline pipeline;
        for (int i = 0; i < 1000; i++, sent++)
            pipeline.add("PUBLISH", "cpp:slow", sent);
        client.run(pipeline);
        dispatcher.dispatch();
    }
    const auto subscription = [&] { return client.stats()["subscriptions"][0]["taken"].get<int>(); };
    while (subscription() < messages + 2)
        dispatcher.dispatch(10ms);
    CHECK_EQUAL(jr::run(dispatcher, read_all(*slow, messages)),
                static_cast<uint64_t>(messages) - jr::listener::keep + 2);
    slow.reset();
    dispatcher.close(); // its last completion frees what it had
}

#endif
