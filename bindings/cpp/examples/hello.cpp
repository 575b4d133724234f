// Sets a key, gets it again, and prints whatever goes wrong.
#include <cstdlib>
#include <iostream>
#include <justredis.hpp>

int main() try {
    const char *url = std::getenv("JR_URL");
    jr::client client(url ? url : "redis://127.0.0.1:6379");
    std::cout << "SET: " << client.run<std::string>("SET", "greeting", "Hello, World!") << "\n";
    std::cout << "GET: " << client.run<std::string>("GET", "greeting") << "\n";
} catch (const jr::error &error) {
    std::cerr << error.what() << "\n";
    return 1;
}
