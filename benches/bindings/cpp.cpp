// GET of one key through the C API and through <justredis.hpp>. Arguments: port, way, how many. The ways are "c one",
// "c++ one" (calls that wait), "c 128", "c++ 128" (a queue), "coroutine 128". Prints a line of JSON.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <justredis.hpp>
#include <sys/resource.h>
#include <vector>

static const char key[] = "jr:bench:loops";
static constexpr long in_flight = 128;

static double cpu() {
    rusage used;
    getrusage(RUSAGE_SELF, &used);
    return double(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           double(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static void sure(bool right) {
    if (!right) {
        std::fprintf(stderr, "cpp: a wrong answer, or none\n");
        std::exit(1);
    }
}

static void c_one(const jr::client &client, long count) {
    for (long i = 0; i < count; i++) {
        const jr_bytes words[] = {{"GET", 3}, {key, sizeof key - 1}};
        const jr_command command = {words, 2};
        jr_request request = {};
        request.size = sizeof request;
        request.commands = &command;
        request.count = 1;
        jr_reply *reply = nullptr;
        sure(jr_execute(client.native(), &request, &reply) == JR_OK && reply->length == 32);
        jr_reply_free(reply);
    }
}

static void cpp_one(const jr::client &client, long count) {
    for (long i = 0; i < count; i++) {
        const jr::reply reply = client.run("GET", key);
        sure(reply.get<std::string_view>().size() == 32);
    }
}

static void c_many(const jr::client &client, long count) {
    jr_queue *queue = jr_queue_new();
    long asked = 0, answered = 0;
    while (answered < count) {
        while (asked < count && asked - answered < in_flight) {
            const jr_bytes words[] = {{"GET", 3}, {key, sizeof key - 1}};
            const jr_command command = {words, 2};
            jr_request request = {};
            request.size = sizeof request;
            request.commands = &command;
            request.count = 1;
            request.queue = queue;
            request.user_data = static_cast<uint64_t>(asked++);
            sure(jr_submit(client.native(), &request, nullptr) == JR_OK);
        }
        jr_completion taken[128];
        const int64_t found = jr_queue_take(queue, taken, 128, -1);
        sure(found >= 0);
        for (int64_t i = 0; i < found; i++)
            sure(taken[i].status == JR_OK && taken[i].reply->length == 32);
        jr_completions_free(taken, static_cast<std::size_t>(found));
        answered += found;
    }
    jr_queue_free(queue);
}

static void cpp_many(const jr::client &client, long count) {
    jr::queue queue;
    long asked = 0, answered = 0;
    while (answered < count) {
        while (asked < count && asked - answered < in_flight)
            client.submit_to(queue, static_cast<uint64_t>(asked++), "GET", key);
        answered += static_cast<long>(queue.take_each(
            [](jr::completion &&completion) {
                sure(completion.ok() && completion.reply().get<std::string_view>().size() == 32);
            },
            jr::forever));
    }
}

#if defined(__cpp_impl_coroutine)
static jr::task<> get(jr::bound redis, long count) {
    for (long i = 0; i < count; i++) {
        const jr::reply reply = co_await redis.await("GET", key);
        sure(reply.get<std::string_view>().size() == 32);
    }
}

static void coroutines(const jr::client &client, long count) {
    jr::dispatcher dispatcher;
    std::vector<jr::task<>> tasks;
    for (long i = 0; i < in_flight; i++)
        tasks.push_back(get(client.on(dispatcher), count / in_flight));
    jr::run_all(dispatcher, std::move(tasks));
}
#endif

int main(int count, char **arguments) {
    const struct {
        const char *name;
        void (*run)(const jr::client &, long);
    } ways[] = {
        {"c one", c_one},
        {"c++ one", cpp_one},
        {"c 128", c_many},
        {"c++ 128", cpp_many},
#if defined(__cpp_impl_coroutine)
        {"coroutine 128", coroutines}
#endif
    };
    sure(count == 4);
    jr::client client("redis://127.0.0.1:" + std::string(arguments[1]));
    const long requests = std::atol(arguments[3]);
    for (const auto &way : ways) {
        if (std::strcmp(way.name, arguments[2]) != 0)
            continue;
        way.run(client, requests / 20 + in_flight);
        const auto clock = std::chrono::steady_clock::now();
        const double before = cpu();
        way.run(client, requests);
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - clock;
        std::printf("{\"way\": \"%s\", \"per_second\": %.0f, \"cpu_us\": %.3f}\n", way.name,
                    double(requests) / took.count(), (cpu() - before) / double(requests) * 1e6);
        return 0;
    }
    return 1;
}
