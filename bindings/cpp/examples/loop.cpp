// In a loop of libuv: callables of C++ are called on the thread of the loop.
#include <cstdlib>
#include <iostream>
#include <justredis.hpp>
#include <justredis/adapters/libuv.h>

int main() try {
    const char *url = std::getenv("JR_URL");
    jr::client client(url ? url : "redis://127.0.0.1:6379");
    jr::dispatcher dispatcher;
    const jr::bound redis = client.on(dispatcher);
    uv_loop_t *loop = uv_default_loop();
    jr_libuv *watcher = jr_libuv_attach(loop, dispatcher.native(), jr::dispatcher::deliver);

    redis.submit([](jr::completion &&) { std::cout << "a second later\n"; }, "BLPOP", "jr:example:absent", 1);
    for (int i = 0; i < 3; i++)
        redis.submit([](jr::completion &&completion) { std::cout << completion.reply().get<int>() << "\n"; }, "INCR",
                     "jr:example:loop");
    while (dispatcher.pending() > 0)
        uv_run(loop, UV_RUN_ONCE);

    jr_libuv_detach(watcher);
    uv_run(loop, UV_RUN_DEFAULT);
    client.run("DEL", "jr:example:loop");
    return uv_loop_close(loop);
} catch (const jr::error &error) {
    std::cerr << error.what() << "\n";
    return 1;
}
