// How clients begin and end: closed, freed, forked, interrupted, cut off; and the servers they find.
#include "check.hpp"
#include <atomic>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

extern char **environ;

static std::size_t count_entries(const char *path) {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto &entry : std::filesystem::directory_iterator(path))
        count++;
    return count;
}

TEST("close", lets_what_is_under_way_end_and_leaves_nothing) {
    {
        jr::client first(check::url()); // what is made once and stays
        jr::queue queue;
        first.run("PING");
        queue.fd();
        first.close();
    }
    const std::size_t threads = count_entries("/proc/self/task"), descriptors = count_entries("/proc/self/fd");
    {
        jr::client client(check::url());
        std::vector<std::future<std::string>> answers;
        client.run("DEL", "cpp:never");
        auto blocked = client.async("BLPOP", "cpp:never", 0);
        for (int i = 0; i < 100; i++)
            answers.push_back(client.async<std::string>("ECHO", i));
        CHECK(client.close(60s));
        for (int i = 0; i < 100; i++)
            CHECK_EQUAL(answers[static_cast<std::size_t>(i)].get(), std::to_string(i));
        CHECK_THROWS(jr::error, blocked.get(), CHECK_EQUAL(thrown.status(), JR_ERR_CLOSED));
        CHECK_THROWS(jr::error, client.run("PING"), CHECK_EQUAL(thrown.status(), JR_ERR_CLOSED));
    }
    WAIT_UNTIL(count_entries("/proc/self/task") <= threads);
    WAIT_UNTIL(count_entries("/proc/self/fd") <= descriptors);
}

TEST("close", the_last_handle_ends_it_at_once) {
    std::future<jr::reply> blocked;
    {
        jr::client client(check::url());
        client.run("DEL", "cpp:never");
        const jr::client copy = client, view = client.database(1);
        blocked = copy.async("BLPOP", "cpp:never", 0);
    }
    CHECK_THROWS(jr::error, blocked.get(), CHECK_EQUAL(thrown.status(), JR_ERR_CLOSED));
}

TEST("close", everything_goes_from_inside_a_callable) {
    auto client = std::make_unique<jr::client>(check::url());
    auto lease = std::make_unique<jr::lease>(client->lease());
    std::promise<void> done;
    client->submit(
        [&](jr::completion &&) {
            lease.reset();
            client.reset();
            done.set_value();
        },
        "PING");
    done.get_future().wait();
    CHECK(client == nullptr);
}

TEST("reconnect", commands_work_again_without_anything_being_done) {
    jr::client client(check::url()), killer(check::url());
    client.run("SET", "cpp:kept", "value");
    for (int i = 0; i < 5; i++) {
        killer.run("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
        CHECK_EQUAL(client.with(jr::options().idempotent()).run<std::string>("GET", "cpp:kept"), "value");
    }
    CHECK(client.stats()["links"][0]["connections"].get<int>() > 1);
}

// A server of the test's own, which listens to a socket of the file system only.
class private_server {
  public:
    private_server() {
        char pattern[] = "/tmp/jr-cpp-XXXXXX";
        CHECK(mkdtemp(pattern) != nullptr);
        directory_ = pattern;
        start();
    }
    ~private_server() {
        stop();
        std::filesystem::remove_all(directory_);
    }
    void start() {
        const std::string socket = path(), directory = directory_;
        const char *arguments[] = {"redis-server",    "--port",    "0",         "--unixsocket",
                                   socket.c_str(),    "--save",    "",          "--dir",
                                   directory.c_str(), "--logfile", "/dev/null", nullptr};
        CHECK_EQUAL(posix_spawnp(&process_, arguments[0], nullptr, nullptr, const_cast<char **>(arguments), environ),
                    0);
    }
    void stop() {
        if (process_ != 0) {
            kill(process_, SIGKILL);
            waitpid(process_, nullptr, 0);
        }
        process_ = 0;
    }
    std::string path() const {
        return directory_ + "/socket";
    }

  private:
    std::string directory_;
    pid_t process_ = 0;
};

TEST("unix socket", a_server_by_its_path_also_when_it_is_started_anew) {
    private_server server;
    jr::client client("unix://" + server.path());
    WAIT_UNTIL(client.try_run("PING").ok());
    server.stop();
    server.start();
    WAIT_UNTIL(client.try_run("PING").ok());
}

// The allocator of AddressSanitizer does not survive a fork while another thread allocates: bindings/cpp/test runs this
// without it.
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

#ifndef SANITIZED
TEST("fork", a_child_has_a_client_of_its_own) {
    jr::client client(check::url());
    jr::queue queue;
    client.run("SET", "cpp:parent", "x");
    auto blocked = client.async("BLPOP", "cpp:fork", 0);
    const pid_t child = fork();
    if (child == 0) {
        bool good = client.try_run("PING").status() == JR_ERR_FORKED;
        try {
            queue.take(0ms);
            good = false;
        } catch (const jr::error &thrown) {
            good = good && thrown.status() == JR_ERR_FORKED;
        }
        try {
            jr::client own(check::url());
            good = good && own.run<std::string>("GET", "cpp:parent") == "x";
        } catch (...) {
            good = false;
        }
        _exit(good ? 0 : 1);
    }
    int status = 1;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_EQUAL(status, 0);
    client.run("RPUSH", "cpp:fork", "item");
    CHECK_EQUAL(blocked.get().size(), 2u);
}
#endif

static jr::queue *woken_by_signal;

static void wake_it(int) {
    woken_by_signal->wake();
}

TEST("signals", a_handler_ends_a_wait) {
    jr::client client(check::url());
    jr::queue queue;
    client.run("DEL", "cpp:never");
    woken_by_signal = &queue;
    struct sigaction action = {}, before = {};
    action.sa_handler = wake_it;
    sigaction(SIGALRM, &action, &before);
    const uint64_t id = client.submit_to(queue, 0, "BLPOP", "cpp:never", 0);
    alarm(1);
    CHECK(!queue.take());
    sigaction(SIGALRM, &before, nullptr);
    CHECK(client.cancel(id));
    while (!queue.take(60s)) // the wake may count once more
        ;
}

TEST("cluster", keys_of_all_slots_and_routes_to_all_primaries) {
    jr::client client(check::url_of("cluster"));
    for (int i = 0; i < 100; i++)
        client.run("SET", "cpp:" + std::to_string(i), i);
    jr::pipeline pipeline;
    for (int i = 0; i < 100; i++)
        pipeline.add("GET", "cpp:" + std::to_string(i));
    const auto values = client.run<std::vector<int>>(pipeline);
    CHECK(values.size() == 100 && values[99] == 99);
    jr::reply sizes = client.with(jr::options().route("primaries")).run("DBSIZE");
    CHECK(sizes.kind() == jr::kind::map);
    int keys = 0, nodes = 0;
    for (const auto [address, size] : sizes.pairs()) {
        CHECK(address.text().find(':') != std::string_view::npos);
        keys += size.get<int>();
        nodes++;
    }
    CHECK(nodes == 3 && keys >= 100);
    CHECK_EQUAL(client.run<int>(jr::command("DEL", "cpp:0", "cpp:1", "cpp:2")), 3);
    jr::reply place = client.locate("key");
    CHECK_EQUAL(place["slot"].get<int>(), 12539);
    jr::subscription subscription = client.ssubscribe("cpp:sharded");
    CHECK_EQUAL(subscription.next(60s)->kind(), "ssubscribe");
    CHECK_EQUAL(subscription.next(60s)->kind(), "ready");
    client.run("SPUBLISH", "cpp:sharded", "text");
    CHECK_EQUAL(subscription.next(60s)->text(), "text");
    const jr::lease lease = client.lease("key");
    lease.run("WATCH", "key");
    jr::transaction transaction;
    transaction.add("SET", "key", "value");
    CHECK(!lease.run(transaction).is_nil());
}

TEST("sentinel", the_primary_is_found) {
    jr::client client(check::url_of("sentinel"));
    CHECK_EQUAL(client.run("ROLE")[0].get<std::string>(), "master");
    CHECK(client.stats()["sentinels"].size() > 0);
}

TEST("replica reads", a_replica_answers) {
    jr::client client(check::url_of("sentinel"));
    jr::pipeline written;
    written.add("SET", "cpp:replicated", "value").add("WAIT", 2, 0);
    client.run(written);
    const jr::bound replica = client.with(jr::options().replica());
    WAIT_UNTIL(replica.run<std::optional<std::string>>("GET", "cpp:replicated") == "value");
    jr::client always(check::url_of("sentinel") + "?read_from=replica");
    WAIT_UNTIL(always.try_run("GET", "cpp:replicated").ok());
}

TEST("TLS", an_authority_of_ones_own) {
    const std::string url = check::variable("JR_TLS_URL");
    jr::config config(url);
    config.set("tls_ca", check::variable("JR_TLS_CA"));
    config.set("tls_certificate", check::variable("JR_TLS_CERTIFICATE")).set("tls_key", check::variable("JR_TLS_KEY"));
    CHECK_EQUAL(jr::client(config).run<std::string>("PING"), "PONG");
    jr::client stranger(jr::config(url).set("command_timeout", "10s"));
    CHECK_THROWS(jr::error, stranger.run("PING"), CHECK_EQUAL(thrown.status(), JR_ERR_TLS));
}
