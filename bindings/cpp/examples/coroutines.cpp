// Coroutines (C++20): a hundred of them count on one connection and one thread.
#include <cstdlib>
#include <iostream>
#include <justredis.hpp>
#include <vector>

static jr::task<int> count(jr::bound redis, int times) {
    int last = 0;
    for (int i = 0; i < times; i++)
        last = co_await redis.await<int>("INCR", "jr:example:counted");
    co_return last;
}

static jr::task<std::string> push_and_pop(jr::bound redis) {
    co_await redis.await("RPUSH", "jr:example:items", "item");
    const auto popped = co_await redis.await<std::pair<std::string, std::string>>("BLPOP", "jr:example:items", 0);
    try {
        co_await redis.await("INCR", "jr:example:items", "too many arguments");
    } catch (const jr::reply_error &error) {
        co_return popped.second + ", and then " + std::string(error.code());
    }
    co_return popped.second;
}

// Messages are awaited, too.
static jr::task<std::string> hear(jr::bound redis) {
    jr::listener news(redis, "jr:example:news");
    while (const auto message = co_await news.next()) {
        if (message->kind() == "ready") // all that it was made with is confirmed
            co_await redis.await("PUBLISH", "jr:example:news", "heard by a coroutine");
        if (message->is_message())
            co_return std::string(message->text());
    }
    co_return "nothing";
}

int main() try {
    const char *url = std::getenv("JR_URL");
    jr::client client(url ? url : "redis://127.0.0.1:6379");
    jr::dispatcher dispatcher; // goes on with them on the thread that runs it
    client.run("DEL", "jr:example:counted");
    std::vector<jr::task<int>> counters;
    for (int i = 0; i < 100; i++)
        counters.push_back(count(client.on(dispatcher), 100));
    jr::run_all(dispatcher, std::move(counters));
    std::cout << "counted to " << client.run<int>("GET", "jr:example:counted") << "\n";
    std::cout << jr::run(dispatcher, push_and_pop(client.on(dispatcher))) << "\n";
    std::cout << jr::run(dispatcher, hear(client.on(dispatcher))) << "\n";
    dispatcher.close(); // what is left of the listener
    client.run("DEL", "jr:example:counted");
    return 0;
} catch (const jr::error &error) {
    std::cerr << error.what() << "\n";
    return 1;
}
