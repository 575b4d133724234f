// What the library calls: callables, on its thread or by a dispatcher; the dialer, the logger, a source of credentials.
#include "check.hpp"
#include <arpa/inet.h>
#include <atomic>
#include <mutex>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

TEST("command", callables_are_called_on_the_clients_thread) {
    jr::client client(check::url());
    std::promise<std::thread::id> called;
    client.submit(
        [&called, unique = std::make_unique<int>(5)](jr::completion &&completion) {
            if (*unique == 5 && completion.ok() && completion.reply().text() == "PONG")
                called.set_value(std::this_thread::get_id());
        },
        "PING");
    CHECK(called.get_future().get() != std::this_thread::get_id());
}

TEST("command", a_callable_may_ask_for_more_but_not_wait) {
    jr::client client(check::url());
    std::promise<jr_status> waited;
    std::promise<std::string> asked;
    client.submit(
        [&](jr::completion &&) {
            waited.set_value(client.try_run("PING").status());
            client.submit([&](jr::completion &&next) { asked.set_value(next.reply().get<std::string>()); }, "PING");
        },
        "PING");
    CHECK_EQUAL(waited.get_future().get(), JR_ERR_DEADLOCK);
    CHECK_EQUAL(asked.get_future().get(), "PONG");
}

TEST("many in flight", a_dispatcher_calls_on_a_thread_of_the_program) {
    jr::client client(check::url());
    jr::dispatcher dispatcher;
    const jr::bound here = client.on(dispatcher);
    int answered = 0;
    for (int i = 0; i < 1000; i++)
        here.submit(
            [&, i](jr::completion &&completion) {
                CHECK_EQUAL(completion.value().get<int>(), i);
                answered++;
            },
            "ECHO", i);
    CHECK_EQUAL(dispatcher.pending(), 1000u);
    while (dispatcher.pending() > 0) { // as an event loop does
        pollfd polled = {dispatcher.fd(), POLLIN, 0};
        CHECK(poll(&polled, 1, 60000) == 1);
        dispatcher.dispatch();
    }
    CHECK_EQUAL(answered, 1000);
    auto future = here.with(jr::options().timeout(10s)).async<int>("ECHO", 5);
    while (future.wait_for(0s) != std::future_status::ready)
        dispatcher.dispatch(10s);
    CHECK_EQUAL(future.get(), 5);
    CHECK_THROWS(jr::error, here.send("MULTI"), );
    CHECK_THROWS(jr::error, here.async("MULTI"), );
    CHECK_EQUAL(dispatcher.pending(), 0u);
    dispatcher.wake();
    CHECK_EQUAL(dispatcher.dispatch(jr::forever), 0u);
}

// What is taken out of a queue when the function throws, and after it, is freed.
TEST("many in flight", a_throwing_function_leaks_nothing) {
    jr::client client(check::url());
    jr::queue queue;
    for (int i = 0; i < 10; i++)
        client.submit_to(queue, 0, "ECHO", std::string(100, 'x'));
    WAIT_UNTIL(client.stats()["requests"].get<int>() == 0);
    CHECK_THROWS(std::runtime_error, queue.take_each([](jr::completion &&) { throw std::runtime_error("no"); }, 10s), );
}

TEST("threads", threads_share_one_client) {
    jr::client client(check::url());
    std::vector<std::thread> threads;
    std::atomic<int> good{0};
    for (int i = 0; i < 8; i++)
        threads.emplace_back([client, i, &good] {
            for (int k = 0; k < 200; k++)
                good += client.run<std::string>("ECHO", i * 1000 + k) == std::to_string(i * 1000 + k);
        });
    for (std::thread &thread : threads)
        thread.join();
    CHECK_EQUAL(good.load(), 1600);
}

static int connect_to(std::string_view address) {
    const auto colon = address.rfind(':');
    sockaddr_in name = {};
    name.sin_family = AF_INET;
    name.sin_port = htons(static_cast<uint16_t>(std::stoi(std::string(address.substr(colon + 1)))));
    inet_pton(AF_INET, std::string(address.substr(0, colon)).c_str(), &name.sin_addr);
    const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(descriptor, reinterpret_cast<sockaddr *>(&name), sizeof name) == 0)
        return descriptor;
    close(descriptor);
    return -ECONNREFUSED;
}

// Counts those that live.
struct counted {
    std::shared_ptr<int> token;
};

TEST("dialer", the_program_brings_the_socket) {
    auto token = std::make_shared<int>(0);
    std::atomic<int> dialled{0}, lines{0};
    std::mutex lock;
    std::string last;
    {
        jr::config config(check::url());
        config.dialer([&dialled, kept = token](std::string_view address, std::chrono::milliseconds timeout) {
            return dialled++ == 0 || timeout.count() == 0 ? throw std::runtime_error("not yet") : connect_to(address);
        });
        config.logger([&, kept = token](int level, std::string_view text) {
            std::lock_guard<std::mutex> guard(lock);
            lines += level <= JR_LOG_INFO;
            last = text;
            throw std::runtime_error("is lost");
        });
        CHECK_EQUAL(token.use_count(), 3);
        jr::client client(config);
        WAIT_UNTIL(client.try_run("PING").ok());
        CHECK(dialled >= 2);
        client.close();
        CHECK(lines >= 2);
        CHECK_HAS(last, "127.0.0.1");
    }
    WAIT_UNTIL(token.use_count() == 1);
}

TEST("credentials", user_and_password_come_from_the_program) {
    jr::client admin(check::url());
    for (const char *user : {"cpp-one", "cpp-two"})
        admin.run("ACL", "SETUSER", user, "reset", "on", "+@all", "~*", "&*", std::string(">secret-of-") + user);
    auto token = std::make_shared<int>(0);
    std::atomic<int> asked{0};
    jr::config config(check::url());
    config.credentials([&asked, kept = token](const jr::credentials_query &query) -> std::optional<jr::credentials> {
        if (asked++ == 0)
            throw std::runtime_error("none just now");
        CHECK(!query.address.empty());
        return jr::credentials{"cpp-one", "secret-of-cpp-one", 1h};
    });
    jr::client client(config);
    WAIT_UNTIL(client.try_run("PING").ok());
    CHECK_EQUAL(client.run<std::string>("ACL", "WHOAMI"), "cpp-one");
    client.set_credentials("cpp-two", "secret-of-cpp-two");
    WAIT_UNTIL(client.run<std::string>("ACL", "WHOAMI") == "cpp-two");
    jr::client by_options(jr::config(check::url()).set("username", "cpp-one").set("password", "secret-of-cpp-one"));
    CHECK_EQUAL(by_options.run<std::string>("ACL", "WHOAMI"), "cpp-one");
    jr::client wrong(jr::config(check::url()).set("username", "cpp-one").set("password", "wrong"));
    CHECK_THROWS(jr::error, wrong.run("PING"), CHECK_EQUAL(thrown.status(), JR_ERR_AUTH));
    admin.run("ACL", "DELUSER", "cpp-one", "cpp-two");
}
