#define _POSIX_C_SOURCE 200809L
#include "footprint.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define ELEMENT "element:01"

/* The value of a line such as "VmRSS:	  1234 kB". */
static size_t field(const char *status, const char *name) {
    const char *line = strstr(status, name);
    return line ? (size_t)strtoull(line + strlen(name), NULL, 10) : 0;
}

footprint footprint_now(void) {
    char status[4096] = "";
    FILE *file = fopen("/proc/self/status", "r");
    if (!file || fread(status, 1, sizeof status - 1, file) == 0)
        measure_give_up("/proc/self/status", "it cannot be read; this program needs Linux");
    fclose(file);
    return (footprint){
        .resident = field(status, "\nVmRSS:") * 1024,
        .own = field(status, "\nRssAnon:") * 1024,
        .peak = field(status, "\nVmHWM:") * 1024,
        .threads = field(status, "\nThreads:"),
    };
}

void footprint_print(const measure_program *program, const measure_options *options, const footprint_figure *figures) {
    const char *form = options->json ? "{\"program\": \"%s\", \"mode\": \"%s\"" : "%s %s\n";
    printf(form, program->name, options->mode->name);
    for (const footprint_figure *figure = figures; figure->name; figure++)
        if (options->json)
            printf(", \"%s\": %.3f", figure->name, figure->value);
        else
            printf("  %12.3f  %s\n", figure->value, figure->about);
    if (options->json)
        puts("}");
}

/* --- large replies --- */

static const char *read_string[] = {"GET", MEASURE_KEY};
static const char *read_array[] = {"LRANGE", MEASURE_KEY, "0", "-1"};

/* A client and the one large reply that it reads. */
typedef struct source {
    footprint_run run;
    void *client;
    const char **command;
    int words;
    /* The reply, as it is sent and as it lies in memory. */
    size_t sent;
    size_t held;
} source;

static void run(const source *source, int count, const char **words) {
    source->run(source->client, count, words);
}

static void delete_key(const source *source) {
    run(source, 2, (const char *[]){"DEL", MEASURE_KEY});
}

/* Appends so many (ARGV[1]) equal elements (ARGV[2]) to a list. */
static const char fill_list[] = "local left = tonumber(ARGV[1]) "
                                "while left > 0 do "
                                "  local some = {} "
                                "  for index = 1, math.min(left, 1000) do some[index] = ARGV[2] end "
                                "  redis.call('RPUSH', KEYS[1], unpack(some)) "
                                "  left = left - #some "
                                "end";

/* Lets the server make the value, and returns how to read it. */
static source large_reply(const measure_options *options, footprint_run run_command, void *client) {
    char number[24];
    source source = {.run = run_command, .client = client};
    if (options->value < strlen(ELEMENT))
        measure_give_up("--value", "a large reply has at least 10 bytes");
    delete_key(&source);
    if (strcmp(options->mode->name, "string") == 0) {
        snprintf(number, sizeof number, "%zu", options->value - 1);
        run(&source, 4, (const char *[]){"SETRANGE", MEASURE_KEY, number, "x"});
        source.command = read_string;
        source.words = 2;
        source.sent = options->value;
    } else {
        size_t elements = options->value / strlen(ELEMENT);
        snprintf(number, sizeof number, "%zu", elements);
        run(&source, 6, (const char *[]){"EVAL", fill_list, "1", MEASURE_KEY, number, ELEMENT});
        source.command = read_array;
        source.words = 4;
        source.sent = elements * strlen("$10\r\n" ELEMENT "\r\n");
    }
    return source;
}

static uint64_t cpu_now(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000u +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000u;
}

/* Reads for so long, at least once. Gives how often. */
static size_t read_for(source *source, double seconds) {
    uint64_t until = measure_now() + (uint64_t)(seconds * 1e9);
    size_t count = 0;
    do {
        source->held = source->run(source->client, source->words, source->command);
        count++;
    } while (measure_now() < until);
    return count;
}

void footprint_read(const measure_program *program, const measure_options *options, footprint_run run_command,
                    void *client) {
    source source = large_reply(options, run_command, client);
    footprint before = footprint_now();
    read_for(&source, options->warmup);
    uint64_t time = measure_now(), cpu = cpu_now();
    size_t count = read_for(&source, options->seconds);
    time = measure_now() - time, cpu = cpu_now() - cpu;
    double peak = (double)(footprint_now().peak - before.resident), bytes = (double)(count * source.sent);
    delete_key(&source);
    footprint_print(program, options,
                    (footprint_figure[]){{"read", "ms to read it once", (double)time / (double)count / 1e6},
                                         {"byte", "ns for each of its bytes", (double)time / bytes},
                                         {"byte_cpu", "ns of CPU for each of its bytes", (double)cpu / bytes},
                                         {"peak", "MB more than before, at most", peak / 1e6},
                                         {"peak_share", "times what the reply consists of", peak / (double)source.held},
                                         {NULL, NULL, 0}});
}

/* --- requests that wait --- */

size_t footprint_silent_server(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    if (descriptor < 0 || bind(descriptor, (struct sockaddr *)&address, length) != 0 || listen(descriptor, 8) != 0 ||
        getsockname(descriptor, (struct sockaddr *)&address, &length) != 0)
        measure_give_up("footprint", "a socket cannot be made");
    return ntohs(address.sin_port);
}

void footprint_queued(const measure_program *program, const measure_options *options, footprint before) {
    double each = (double)(footprint_now().resident - before.resident) / (double)options->window;
    double beyond = each - (double)strlen(FOOTPRINT_REQUEST);
    footprint_print(program, options,
                    (footprint_figure[]){{"request", "bytes for each request that waits", each},
                                         {"request_beyond", "bytes of them beyond the request as it is sent", beyond},
                                         {NULL, NULL, 0}});
}
