// Subscriptions, events and MONITOR.
#include "check.hpp"
#include <atomic>

// Everything until there are so many, a line each.
static std::string take(jr::subscription &from, int count) {
    std::string all;
    while (count-- > 0) {
        const auto message = from.next(60s);
        CHECK(message.has_value());
        all += std::string(message->kind()) + " " + std::string(message->channel());
        all += message->is_message() ? " " + std::string(message->text()) : " " + std::to_string(message->channels());
        all += message->gap() ? " gap;" : ";";
    }
    return all;
}

TEST("pub/sub", channels_come_and_go) {
    for (const char *protocol : {"protocol=2", "protocol=3"}) {
        jr::client client(check::url(protocol));
        jr::subscription subscription = client.subscribe("cpp:a", "cpp:b");
        CHECK_EQUAL(take(subscription, 3), "subscribe cpp:a 1;subscribe cpp:b 2;ready  2;");
        CHECK_EQUAL(subscription.psubscribe("cpp:p*"), 3);
        CHECK_EQUAL(subscription.unsubscribe("cpp:a"), 2);
        client.run("PUBLISH", "cpp:a", "unheard");
        client.run("PUBLISH", "cpp:b", "one");
        client.run("PUBLISH", "cpp:pq", "two");
        CHECK_EQUAL(take(subscription, 4), "psubscribe cpp:p* 3;unsubscribe cpp:a 2;message cpp:b one;"
                                           "pmessage cpp:pq two;");
        subscription.ping("are you there");
        const auto pong = subscription.next(60s);
        CHECK(pong && pong->kind() == "pong" && pong->text() == "are you there" && !pong->is_message());
        subscription.ping();
        CHECK_EQUAL(subscription.next(60s)->text(), "");
        CHECK(!subscription.next(1ms) && !subscription.ended());
        CHECK_EQUAL(subscription.punsubscribe("cpp:p*") + subscription.unsubscribe(), 1);
        CHECK_EQUAL(take(subscription, 2), "punsubscribe cpp:p* 1;unsubscribe cpp:b 0;");
        CHECK_EQUAL(subscription.ssubscribe("cpp:s"), 1);
        client.run("SPUBLISH", "cpp:s", "three");
        CHECK_EQUAL(take(subscription, 2), "ssubscribe cpp:s 1;smessage cpp:s three;");
        CHECK(subscription.cancel());
        CHECK(!subscription.next() && subscription.ended() && !subscription.next());
        CHECK(!subscription.cancel());
    }
}

TEST("pub/sub", one_is_made_without_channels) {
    for (const char *protocol : {"protocol=2", "protocol=3"}) {
        jr::client client(check::url(protocol));
        jr::subscription subscription = client.subscribe();
        CHECK_EQUAL(take(subscription, 1), "ready  0;");
        CHECK_EQUAL(subscription.psubscribe("cpp:p*", "cpp:q*"), 2);
        CHECK_EQUAL(take(subscription, 2), "psubscribe cpp:p* 1;psubscribe cpp:q* 2;");
    }
}

TEST("pub/sub", a_loop_over_messages_ends_with_the_subscription) {
    jr::client client(check::url());
    jr::subscription subscription = client.psubscribe("cpp:loop*");
    std::atomic<int> messages{0};
    std::thread publisher([&] {
        while (client.run<int>("PUBLISH", "cpp:loop", "text") == 0)
            std::this_thread::sleep_for(1ms);
        subscription.wake();
        client.run("PUBLISH", "cpp:loop2", "text");
        WAIT_UNTIL(messages == 2);
        subscription.cancel();
    });
    for (const jr::message &message : subscription) {
        if (!message.is_message())
            continue;
        CHECK_EQUAL(message.pattern(), "cpp:loop*");
        CHECK_EQUAL(message.text(), "text");
        messages++;
    }
    publisher.join();
    CHECK_EQUAL(messages.load(), 2);
}

TEST("pub/sub", a_subscription_may_go_before_or_after_its_client) {
    std::optional<jr::subscription> left;
    {
        jr::client client(check::url());
        left = client.subscribe("cpp:left");
        jr::subscription gone = client.subscribe("cpp:gone");
        take(gone, 2);
    }
    take(*left, 2);
    left.reset();
    jr::client client(check::url());
    jr::subscription subscription = client.subscribe("cpp:moved");
    jr::subscription moved = std::move(subscription);
    client.close();
    while (!moved.ended())
        moved.next(60s);
}

TEST("pub/sub", a_callable_gets_every_message) {
    jr::client client(check::url());
    std::atomic<int> messages{0}, ends{0};
    const uint64_t id = client.submit(
        [&](jr::completion &&completion) {
            if (!completion.more())
                ends++;
            else if (completion.reply()[0].text() == "message")
                messages++;
        },
        "SUBSCRIBE", "cpp:called");
    WAIT_UNTIL(client.run<int>("PUBLISH", "cpp:called", "x") == 1);
    WAIT_UNTIL(messages == 1);
    CHECK(client.cancel(id));
    WAIT_UNTIL(ends == 1);
}

TEST("gaps", a_lost_connection_is_told) {
    jr::client client(check::url()), killer(check::url());
    jr::subscription subscription = client.subscribe("cpp:gap");
    take(subscription, 2);
    uint64_t sent = 0, heard = 0, gaps = 0;
    for (int round = 0; round < 10; round++) {
        killer.run("CLIENT", "KILL", "TYPE", "pubsub");
        const uint64_t before = gaps;
        while (gaps == before) { // from its confirmation on nothing is missing
            const auto message = subscription.next(60s);
            CHECK(message.has_value());
            gaps += message->gap();
        }
        for (int i = 0; i < 20; i++, sent++)
            killer.run("PUBLISH", "cpp:gap", sent);
        for (int i = 0; i < 20; i++, heard++)
            CHECK_EQUAL(subscription.next(60s)->text(), std::to_string(heard));
    }
    CHECK_EQUAL(heard, sent);
}

TEST("gaps", dropped_messages_are_counted) {
    jr::client client(check::url("max_unread=4"));
    jr::subscription subscription = client.subscribe("cpp:flood");
    take(subscription, 2);
    for (int i = 0; i < 50; i++)
        client.run("PUBLISH", "cpp:flood", i);
    WAIT_UNTIL(client.stats()["subscriptions"][0]["unread"].get<int>() +
                   client.stats()["subscriptions"][0]["dropped"].get<int>() ==
               50);
    uint64_t dropped = 0, taken = 0;
    while (const auto message = subscription.next(0ms)) {
        dropped += message->dropped();
        taken++;
    }
    CHECK_EQUAL(dropped + taken, 50u);
    CHECK(dropped > 0);
}

TEST("statistics", events_and_monitor_are_streams) {
    jr::client client(check::url());
    jr::stream events = client.events(), monitor = client.open("MONITOR");
    CHECK_EQUAL(monitor.next(60s)->reply().get<std::string>(), "OK");
    client.run("ECHO", "watched");
    std::string seen;
    while (seen.find("watched") == std::string::npos)
        seen = monitor.next(60s)->value().get<std::string>();
    bool connected = false;
    while (!connected)
        connected = events.next(60s)->reply()["event"].text() == "connected";
    CHECK(events.cancel());
    while (!events.ended())
        events.next(60s);
    CHECK(!events.next(60s));
}
