// What replies hold: values, views, lists, maps, types of your own; and what is thrown when they do not.
#include <cstdlib>
#include <iostream>
#include <justredis.hpp>
#include <map>
#include <vector>

struct user {
    std::string name;
    int age;
};

// Teaches get<user>() how to read one.
template <> struct jr::converter<user> {
    static constexpr bool is_view = false;
    static std::optional<user> from(const jr::node &reply) {
        auto name = reply["name"].try_get<std::string>();
        auto age = reply["age"].try_get<int>();
        if (!name || !age)
            return std::nullopt;
        return user{*std::move(name), *age};
    }
};

int main() try {
    const char *url = std::getenv("JR_URL");
    jr::client client(url ? url : "redis://127.0.0.1:6379");
    client.run("DEL", "jr:example:user", "jr:example:list");

    client.run(jr::command("HSET", "jr:example:user").add_all(std::map<std::string, std::string>{{"name", "Ada"}}));
    client.run("HSET", "jr:example:user", "age", 36);
    const auto ada = client.run<user>("HGETALL", "jr:example:user");
    std::cout << ada.name << " is " << ada.age << "\n";

    // A reply owns its memory; texts and items look into it, nothing is copied.
    jr::reply hash = client.run("HGETALL", "jr:example:user");
    for (const auto [field, value] : hash.pairs())
        std::cout << field.text() << " = " << value.text() << "\n";

    client.run("RPUSH", "jr:example:list", 3, 1, 2);
    int sum = 0;
    for (const int item : client.run<std::vector<int>>("LRANGE", "jr:example:list", 0, -1))
        sum += item;
    std::cout << "the sum is " << sum << "\n";

    if (!client.run<std::optional<std::string>>("GET", "jr:example:absent"))
        std::cout << "there is no such key\n";

    // Several commands in one piece; an error disturbs no other.
    jr::pipeline pipeline;
    pipeline.add("LLEN", "jr:example:list").add("INCR", "jr:example:list").add("DEL", "jr:example:list");
    for (const jr::node reply : client.run(pipeline))
        std::cout << (reply.is_error() ? std::string(reply.text()) : reply.get<std::string>()) << "\n";

    try {
        client.run("INCR", "jr:example:user");
    } catch (const jr::reply_error &error) {
        std::cout << "the server says " << error.code() << "\n";
    }
    if (const jr::result result = client.try_run("INCR", "jr:example:user"); !result)
        std::cout << "the same without exceptions: " << result.text() << "\n";
    client.run("DEL", "jr:example:user");
    return 0;
} catch (const jr::error &error) {
    std::cerr << error.what() << "\n";
    return 1;
}
