#define _POSIX_C_SOURCE 200809L
#include "measure.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static atomic_bool measuring;
static atomic_bool over;
static pthread_barrier_t ready;

/* What there was at one moment. */
typedef struct moment {
    uint64_t time;
    uint64_t done;
    double user;
    double system;
    long switches;
} moment;

void measure_give_up(const char *what, const char *reason) {
    fprintf(stderr, "%s: %s\n", what, reason);
    exit(1);
}

void *measure_memory(size_t size) {
    void *memory = calloc(1, size ? size : 1);
    if (!memory)
        measure_give_up("out of memory", "a buffer cannot be allocated");
    return memory;
}

uint64_t measure_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

char *measure_value(const measure_options *options) {
    char *value = measure_memory(options->value + 1);
    for (size_t index = 0; index < options->value; index++)
        value[index] = (char)('a' + index % 26);
    return value;
}

/* --- arguments --- */

static void help(const measure_program *program) {
    printf("%s: %s\n\nusage: %s [MODE] [OPTION VALUE]...\n\nmodes:\n", program->name, program->about, program->name);
    for (const measure_mode *mode = program->modes; mode->name; mode++)
        printf("  %-12s %s%s\n", mode->name, mode->about, mode == program->modes ? " (default)" : "");
    puts("\noptions:\n"
         "  --host TEXT     the server (127.0.0.1)\n"
         "  --port NUMBER   its port (6379)\n"
         "  --url TEXT      the server as a URL, in the place of host and port (only of justredis)\n"
         "  --command NAME  get or set (get)\n"
         "  --value BYTES   the length of the value (32)\n"
         "  --threads N     threads (1)\n"
         "  --window N      requests in flight of each thread, where the mode has a window (128)\n"
         "  --seconds S     how long to measure (2)\n"
         "  --warmup S      how long to run before that (0.2)\n"
         "  --count N       run so many requests, in the place of a time\n"
         "  --json          print one line of JSON\n"
         "  --help          print this\n");
    puts("It writes the key " MEASURE_KEY ".");
}

static double number(const char *name, const char *text, double least, double most) {
    char *end = NULL;
    double value = text ? strtod(text, &end) : 0;
    if (!text || end == text || *end || !(value >= least && value <= most)) {
        fprintf(stderr, "%s wants a number from %.0f to %.0f; see --help\n", name, least, most);
        exit(2);
    }
    return value;
}

static bool read_command(const char *name) {
    if (name && (strcmp(name, "get") == 0 || strcmp(name, "set") == 0))
        return *name == 's';
    fprintf(stderr, "--command wants get or set\n");
    exit(2);
}

static const measure_mode *find_mode(const measure_program *program, const char *name) {
    for (const measure_mode *mode = program->modes; mode->name; mode++)
        if (strcmp(mode->name, name) == 0)
            return mode;
    fprintf(stderr, "%s: there is no mode or option %s; see --help\n", program->name, name);
    exit(2);
}

measure_options measure_arguments(const measure_program *program, int count, char **arguments) {
    measure_options options = {.mode = program->modes, .host = "127.0.0.1", .port = 6379};
    options.value = 32, options.threads = 1, options.window = 128, options.warmup = 0.2, options.seconds = 2;
    for (int index = 1; index < count; index++) {
        const char *name = arguments[index], *value = index + 1 < count ? arguments[index + 1] : NULL;
        if (strcmp(name, "--help") == 0) {
            help(program);
            exit(0);
        }
        if (strcmp(name, "--json") == 0) {
            options.json = true;
            continue;
        }
        if (strncmp(name, "--", 2) != 0) {
            options.mode = find_mode(program, name);
            continue;
        }
        index++;
        if (strcmp(name, "--host") == 0 && value)
            options.host = value;
        else if (strcmp(name, "--url") == 0 && value)
            options.url = value;
        else if (strcmp(name, "--command") == 0)
            options.set = read_command(value);
        else if (strcmp(name, "--port") == 0)
            options.port = (unsigned)number(name, value, 1, 65535);
        else if (strcmp(name, "--value") == 0)
            options.value = (size_t)number(name, value, 0, 512 << 20);
        else if (strcmp(name, "--threads") == 0)
            options.threads = (unsigned)number(name, value, 1, 4096);
        else if (strcmp(name, "--window") == 0)
            options.window = (unsigned)number(name, value, 1, 1 << 20);
        else if (strcmp(name, "--seconds") == 0)
            options.seconds = number(name, value, 0, 1e6);
        else if (strcmp(name, "--warmup") == 0)
            options.warmup = number(name, value, 0, 1e6);
        else if (strcmp(name, "--count") == 0)
            options.count = (uint64_t)number(name, value, 1, 1e15);
        else
            find_mode(program, name);
    }
    if (!options.mode->has_window)
        options.window = 1;
    return options;
}

/* --- workers --- */

bool measure_may_start(measure_worker *worker) {
    if (worker->started >= worker->quota || atomic_load_explicit(&over, memory_order_relaxed))
        return false;
    worker->started++;
    return true;
}

uint64_t measure_sample(const measure_worker *worker) {
    return worker->started % 32 == 0 ? measure_now() : 0;
}

static size_t bucket_of(uint64_t value) {
    if (value < 128)
        return value;
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - 7u;
    return (shift + 1u) * 128u + (size_t)((value >> shift) - 128u);
}

static double middle_of(size_t bucket) {
    if (bucket < 128)
        return (double)bucket;
    return ((double)(bucket % 128) + 128.5) * (double)((uint64_t)1 << (bucket / 128 - 1));
}

static void add_one(atomic_uint_fast64_t *counter) {
    /* Only one thread adds to it. */
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1, memory_order_relaxed);
}

void measure_done(measure_worker *worker, uint64_t since) {
    if (since && atomic_load_explicit(&measuring, memory_order_relaxed))
        worker->latencies[bucket_of(measure_now() - since)]++;
    add_one(&worker->done);
}

void measure_failed(measure_worker *worker, const char *reason) {
    if (atomic_load(&worker->failures) == 0)
        fprintf(stderr, "a request failed: %s\n", reason);
    add_one(&worker->failures);
}

void measure_begin(measure_worker *worker) {
    (void)worker;
    pthread_barrier_wait(&ready);
}

static double seconds_of(struct timeval time) {
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static moment look(const measure_worker *workers, unsigned count) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    moment now = {.time = measure_now(), .switches = usage.ru_nvcsw};
    now.user = seconds_of(usage.ru_utime);
    now.system = seconds_of(usage.ru_stime);
    for (unsigned index = 0; index < count; index++)
        now.done += atomic_load_explicit(&workers[index].done, memory_order_relaxed);
    return now;
}

static void sleep_for(double seconds) {
    struct timespec time = {.tv_sec = (time_t)seconds};
    time.tv_nsec = (long)((seconds - (double)time.tv_sec) * 1e9);
    nanosleep(&time, NULL);
}

/* In microseconds. */
static double percentile(const measure_worker *workers, unsigned count, double share) {
    uint64_t total = 0, passed = 0;
    for (unsigned index = 0; index < count; index++)
        for (size_t bucket = 0; bucket < MEASURE_BUCKETS; bucket++)
            total += workers[index].latencies[bucket];
    for (size_t bucket = 0; bucket < MEASURE_BUCKETS; bucket++) {
        for (unsigned index = 0; index < count; index++)
            passed += workers[index].latencies[bucket];
        if (total && (double)passed >= share * (double)total)
            return middle_of(bucket) / 1000;
    }
    return 0;
}

static int report(const measure_program *program, const measure_options *options, const measure_worker *workers,
                  moment from, moment to) {
    uint64_t operations = to.done - from.done, failures = 0;
    for (unsigned index = 0; index < options->threads; index++)
        failures += atomic_load(&workers[index].failures);
    double seconds = (double)(to.time - from.time) / 1e9, each = operations ? 1e6 / (double)operations : 0;
    double user = (to.user - from.user) * each, system = (to.system - from.system) * each;
    double p50 = percentile(workers, options->threads, 0.50), p99 = percentile(workers, options->threads, 0.99);
    const char *command = options->set ? "SET" : "GET";
    if (options->json)
        printf("{\"program\": \"%s\", \"mode\": \"%s\", \"command\": \"%s\", \"value\": %zu, \"threads\": %u, "
               "\"window\": %u, \"seconds\": %.3f, \"operations\": %" PRIu64 ", \"failures\": %" PRIu64
               ", \"ops\": %.0f, \"p50\": %.3f, \"p99\": %.3f, \"cpu\": %.4f, \"user\": %.4f, \"system\": %.4f, "
               "\"switches\": %.4f}\n",
               program->name, options->mode->name, command, options->value, options->threads, options->window, seconds,
               operations, failures, (double)operations / seconds, p50, p99, user + system, user, system,
               (double)(to.switches - from.switches) * each / 1e6);
    else
        printf("%s %s: %s of %zu bytes, %u threads, %u in flight each\n"
               "%.0f operations a second, p50 %.1f us, p99 %.1f us, CPU %.3f us each (user %.3f, system %.3f), "
               "%" PRIu64 " failures\n",
               program->name, options->mode->name, command, options->value, options->threads, options->window,
               (double)operations / seconds, p50, p99, user + system, user, system, failures);
    return failures > 0 || operations == 0;
}

typedef struct start {
    measure_worker *worker;
    void (*work)(measure_worker *);
} start;

static void *run_worker(void *argument) {
    start *start = argument;
    start->work(start->worker);
    return NULL;
}

int measure_run(const measure_program *program, const measure_options *options, void (*work)(measure_worker *),
                void *shared) {
    unsigned count = options->threads;
    measure_worker *workers = measure_memory(count * sizeof *workers);
    start *starts = measure_memory(count * sizeof *starts);
    pthread_t *threads = measure_memory(count * sizeof *threads);
    pthread_barrier_init(&ready, NULL, count + 1);
    atomic_store(&measuring, options->count > 0);
    for (unsigned index = 0; index < count; index++) {
        measure_worker *worker = &workers[index];
        worker->options = options;
        worker->shared = shared;
        worker->quota = options->count ? options->count / count + (index < options->count % count) : UINT64_MAX;
        worker->latencies = measure_memory(MEASURE_BUCKETS * sizeof *worker->latencies);
        starts[index] = (start){worker, work};
        if (pthread_create(&threads[index], NULL, run_worker, &starts[index]) != 0)
            measure_give_up(program->name, "a thread cannot be started");
    }
    pthread_barrier_wait(&ready);
    if (!options->count) {
        sleep_for(options->warmup);
        atomic_store(&measuring, true);
    }
    moment from = look(workers, count), to = from;
    if (!options->count) {
        sleep_for(options->seconds);
        to = look(workers, count);
        atomic_store(&measuring, false);
        atomic_store(&over, true);
    }
    for (unsigned index = 0; index < count; index++)
        pthread_join(threads[index], NULL);
    if (options->count)
        to = look(workers, count);
    int status = report(program, options, workers, from, to);
    for (unsigned index = 0; index < count; index++)
        free(workers[index].latencies);
    free(workers);
    free(starts);
    free(threads);
    pthread_barrier_destroy(&ready);
    return status;
}
