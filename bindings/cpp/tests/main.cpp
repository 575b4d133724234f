// Runs every test, or those whose names are given; a line for each, and one in the file JR_CAPABILITIES.
#include "check.hpp"
#include <cstring>

static bool is_wanted(const check::test &test, int count, char **names) {
    for (int i = 1; i < count; i++)
        if (std::strcmp(names[i], test.name) == 0)
            return true;
    return count == 1;
}

// Where a test runs: without a topology of its own, or in each.
static std::vector<check::place> places_of(const check::test &test) {
    return test.everywhere ? check::places() : std::vector<check::place>(1);
}

static bool passes(const check::test &test, const check::place &where) {
    try {
        test.body(where);
        return true;
    } catch (const check::failed &failed) {
        std::printf("     %s\n", failed.text.c_str());
    } catch (const std::exception &thrown) {
        std::printf("     threw: %s\n", thrown.what());
    }
    return false;
}

int main(int count, char **names) try {
    const char *file = std::getenv("JR_CAPABILITIES"), *column = __cplusplus > 201703L ? "c++20" : "c++17";
    std::ofstream capabilities;
    int ran = 0, bad = 0;
    if (file != nullptr)
        capabilities.open(file, std::ios::app);
    for (const check::test *it = check::all(); it != nullptr; it = it->next) {
        if (!is_wanted(*it, count, names))
            continue;
        for (const check::place &where : places_of(*it)) {
            const bool good = passes(*it, where);
            const std::string of = it->everywhere ? where.topology + ", " : "";
            std::printf("%s %s%s: %s\n", good ? "ok  " : "FAIL", of.c_str(), it->capability, it->name);
            std::fflush(stdout);
            capabilities << column << "\t" << it->capability << "\t" << (good ? "ok" : "failed");
            capabilities << (it->everywhere ? "\t" + where.topology : "") << std::endl;
            ran++;
            bad += !good;
        }
    }
    std::printf("%s: %d tests, %d failed\n", column, ran, bad);
    return ran == 0 || bad != 0;
} catch (const check::failed &failed) {
    std::printf("%s\n", failed.text.c_str());
    return 1;
}
