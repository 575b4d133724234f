// Everything on one client: commands, a transaction, a blocking command, publish and subscribe, and a counter that is
// watched. The same program as examples/c/tour.c.
#include <cstdlib>
#include <iostream>
#include <justredis.hpp>

int main() try {
    const char *url = std::getenv("JR_URL");
    jr::client client(url ? url : "redis://127.0.0.1:6379");

    // A SET whose answer nobody wants, and a GET behind it on the same connection.
    client.send("SET", "jr:example:Hello", "World!");
    std::cout << "Hello, " << client.run<std::string>("GET", "jr:example:Hello") << "\n";

    // Both together, or neither.
    jr::transaction both;
    both.add("SET", "jr:example:Hello", "World!").add("GET", "jr:example:Hello");
    jr::reply replies = client.run(both);
    std::cout << "Atomic Hello, " << replies[1].text() << "\n";

    // Waits at the server, on a connection of its own, while the shared one goes on.
    auto waiting = client.async<std::pair<std::string, std::string>>("BLPOP", "jr:example:queue", 0);
    client.run("RPUSH", "jr:example:queue", "Hello, World!");
    std::cout << "Queued " << waiting.get().second << "\n";

    // A subscription is a request with many completions: confirmations, that all is confirmed, and messages.
    jr::subscription subscription = client.subscribe("jr:example:Hello");
    while (subscription.next()->kind() != "ready") {
    }
    client.run("PUBLISH", "jr:example:Hello", "World!");
    std::cout << "PubSub Hello, " << subscription.next()->text() << "\n";

    // Reads a counter and writes it back, unless somebody else changed it meanwhile.
    jr::lease lease = client.lease("jr:example:Counter");
    lease.run("WATCH", "jr:example:Counter");
    const auto value = lease.run<std::optional<long>>("GET", "jr:example:Counter").value_or(0);
    jr::transaction write;
    write.add("SET", "jr:example:Counter", value + 1);
    if (lease.run(write).is_nil())
        std::cout << "somebody else was faster: again, from WATCH on\n";

    client.close(std::chrono::seconds(5));
    return 0;
} catch (const jr::error &error) {
    std::cerr << error.what() << "\n";
    return 1;
}
