#define _POSIX_C_SOURCE 200809L
#include "measure.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
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

measure_key *measure_keys(const measure_options *options) {
    measure_key *keys = measure_memory(options->keys * sizeof *keys);
    uint32_t chance = 1;
    for (size_t index = 0; index < options->keys; index++) {
        chance = chance * 1664525u + 1013904223u;
        /* Each one is put into the place of an earlier one, which goes to the end. */
        size_t place = (size_t)((uint64_t)chance * (index + 1) >> 32);
        keys[index] = keys[place];
        unsigned number = (unsigned)(index + 1) % (MEASURE_MOST_KEYS + 1);
        snprintf(keys[place].text, sizeof keys[place].text, MEASURE_KEY_FORMAT, number);
    }
    return keys;
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

static moment look(const measure_worker *workers, size_t count) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    moment now = {.time = measure_now(), .switches = usage.ru_nvcsw};
    now.user = seconds_of(usage.ru_utime);
    now.system = seconds_of(usage.ru_stime);
    for (size_t index = 0; index < count; index++)
        now.done += atomic_load_explicit(&workers[index].done, memory_order_relaxed);
    return now;
}

static void sleep_for(double seconds) {
    struct timespec time = {.tv_sec = (time_t)seconds};
    time.tv_nsec = (long)((seconds - (double)time.tv_sec) * 1e9);
    nanosleep(&time, NULL);
}

/* In microseconds. */
static double percentile(const measure_worker *workers, size_t count, double share) {
    uint64_t total = 0, passed = 0;
    for (size_t index = 0; index < count; index++)
        for (size_t bucket = 0; bucket < MEASURE_BUCKETS; bucket++)
            total += workers[index].latencies[bucket];
    for (size_t bucket = 0; bucket < MEASURE_BUCKETS; bucket++) {
        for (size_t index = 0; index < count; index++)
            passed += workers[index].latencies[bucket];
        if (total && (double)passed >= share * (double)total)
            return middle_of(bucket) / 1000;
    }
    return 0;
}

/* Everything that is printed; times in microseconds, CPU and switches for one operation. */
typedef struct figures {
    uint64_t operations, failures;
    double seconds, rate, p50, p90, p99, p999, max, user, system, switches;
} figures;

static figures figures_of(const measure_worker *workers, size_t count, moment from, moment to) {
    figures figures = {.operations = to.done - from.done, .seconds = (double)(to.time - from.time) / 1e9};
    for (size_t index = 0; index < count; index++)
        figures.failures += atomic_load(&workers[index].failures);
    double share = figures.operations ? 1 / (double)figures.operations : 0;
    figures.rate = (double)figures.operations / figures.seconds;
    figures.p50 = percentile(workers, count, 0.5);
    figures.p90 = percentile(workers, count, 0.9);
    figures.p99 = percentile(workers, count, 0.99);
    figures.p999 = percentile(workers, count, 0.999);
    figures.max = percentile(workers, count, 1);
    figures.user = (to.user - from.user) * 1e6 * share;
    figures.system = (to.system - from.system) * 1e6 * share;
    figures.switches = (double)(to.switches - from.switches) * share;
    return figures;
}

static void print_json(const measure_program *program, const measure_options *options, const figures *figures) {
    printf("{\"program\": \"%s\", \"mode\": \"%s\", \"command\": \"%s\", \"value\": %zu, \"threads\": %zu, "
           "\"window\": %zu, \"seconds\": %.3f, \"operations\": %" PRIu64 ", \"failures\": %" PRIu64
           ", \"ops\": %.0f, \"p50\": %.3f, \"p90\": %.3f, \"p99\": %.3f, \"p999\": %.3f, \"max\": %.3f, "
           "\"cpu\": %.4f, \"user\": %.4f, \"system\": %.4f, \"switches\": %.4f}\n",
           program->name, options->mode->name, options->set ? "SET" : "GET", options->value, options->threads,
           options->window, figures->seconds, figures->operations, figures->failures, figures->rate, figures->p50,
           figures->p90, figures->p99, figures->p999, figures->max, figures->user + figures->system, figures->user,
           figures->system, figures->switches);
}

static void print_text(const measure_program *program, const measure_options *options, const figures *figures) {
    printf("%s %s: %s of %zu bytes, threads %zu, in flight for each %zu, %.1f s\n", program->name, options->mode->name,
           options->set ? "SET" : "GET", options->value, options->threads, options->window, figures->seconds);
    printf("  throughput   %.0f operations a second, %" PRIu64 " failures\n", figures->rate, figures->failures);
    printf("  latency      p50 %.1f us, p90 %.1f us, p99 %.1f us, p99.9 %.1f us, max %.1f us\n", figures->p50,
           figures->p90, figures->p99, figures->p999, figures->max);
    printf("  CPU          %.3f us an operation: user %.3f, system %.3f; %.3f context switches\n",
           figures->user + figures->system, figures->user, figures->system, figures->switches);
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
    size_t count = options->threads;
    measure_worker *workers = measure_memory(count * sizeof *workers);
    start *starts = measure_memory(count * sizeof *starts);
    pthread_t *threads = measure_memory(count * sizeof *threads);
    pthread_barrier_init(&ready, NULL, (unsigned)count + 1);
    atomic_store(&measuring, options->count > 0);
    for (size_t index = 0; index < count; index++) {
        measure_worker *worker = &workers[index];
        worker->options = options;
        worker->shared = shared;
        worker->key = index * options->keys / count;
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
    for (size_t index = 0; index < count; index++)
        pthread_join(threads[index], NULL);
    if (options->count)
        to = look(workers, count);
    figures figures = figures_of(workers, count, from, to);
    (options->json ? print_json : print_text)(program, options, &figures);
    for (size_t index = 0; index < count; index++)
        free(workers[index].latencies);
    free(workers);
    free(starts);
    free(threads);
    pthread_barrier_destroy(&ready);
    return figures.failures > 0 || figures.operations == 0;
}
