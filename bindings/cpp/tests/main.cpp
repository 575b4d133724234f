// Runs every test, or those whose names are given; a line for each, and one in the file JR_CAPABILITIES.
#include "check.hpp"
#include <cstring>
#include <fstream>

static bool is_wanted(const check::test &test, int count, char **names) {
    for (int i = 1; i < count; i++)
        if (std::strcmp(names[i], test.name) == 0)
            return true;
    return count == 1;
}

static bool passes(const check::test &test) {
    try {
        test.body();
        return true;
    } catch (const check::failed &failed) {
        std::printf("     %s\n", failed.text.c_str());
    } catch (const std::exception &thrown) {
        std::printf("     threw: %s\n", thrown.what());
    }
    return false;
}

int main(int count, char **names) {
    const char *file = std::getenv("JR_CAPABILITIES"), *column = __cplusplus > 201703L ? "c++20" : "c++17";
    std::ofstream capabilities;
    int ran = 0, bad = 0;
    if (file != nullptr)
        capabilities.open(file, std::ios::app);
    for (const check::test *it = check::all(); it != nullptr; it = it->next) {
        if (!is_wanted(*it, count, names))
            continue;
        const bool good = passes(*it);
        std::printf("%s %s: %s\n", good ? "ok  " : "FAIL", it->capability, it->name);
        std::fflush(stdout);
        capabilities << column << "\t" << it->capability << "\t" << (good ? "ok" : "failed") << std::endl;
        ran++;
        bad += !good;
    }
    std::printf("%s: %d tests, %d failed\n", column, ran, bad);
    return ran == 0 || bad != 0;
}
