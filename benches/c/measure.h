/* What the benchmark programs share: threads that work for a time or a count, latencies, CPU, the results. */
#ifndef MEASURE_H
#define MEASURE_H

#include "arguments.h"

#include <stdatomic.h>
#include <stdint.h>

/* Latencies in nanoseconds: each power of two in 128 steps, so a percentile is right within 1 %. */
#define MEASURE_BUCKETS (64 * 128)

typedef struct measure_worker {
    const measure_options *options;
    /* What the program gave to measure_run. */
    void *shared;
    /* The next four belong to the one thread that starts and ends the requests of this worker. */
    uint64_t started;
    uint64_t quota;
    uint64_t *latencies;
    /* The next key. */
    size_t key;
    atomic_uint_fast64_t done;
    atomic_uint_fast64_t failures;
} measure_worker;

/* Runs `work` on every thread and prints what came of it. Gives the exit status of the program. */
int measure_run(const measure_program *program, const measure_options *options, void (*work)(measure_worker *),
                void *shared);

/* In `work`: it is connected and ready. Returns when all are. */
void measure_begin(measure_worker *worker);

/* Whether one more request may be started; then it counts as started. */
bool measure_may_start(measure_worker *worker);

/* The place of the key of the next request among those of measure_keys. Each worker begins at another one. */
static inline size_t measure_next_key(measure_worker *worker) {
    size_t key = worker->key++;
    if (worker->key >= worker->options->keys)
        worker->key = 0;
    return key;
}

/* The time at which a request starts, where many are in flight: of every 32nd, 0 of the others, as a look at the clock
 * costs as much as a quarter of a request. */
uint64_t measure_sample(const measure_worker *worker);

/* A request ended well; it started at `since` (0: not sampled). */
void measure_done(measure_worker *worker, uint64_t since);

/* A request failed for this reason; the first one is printed. */
void measure_failed(measure_worker *worker, const char *reason);

/* Nanoseconds of the monotonic clock. */
uint64_t measure_now(void);

/* A key: 16 bytes and a NUL. */
typedef struct measure_key {
    char text[sizeof MEASURE_KEY];
} measure_key;

/* So many keys as --keys says, in an order by chance that is always the same. */
measure_key *measure_keys(const measure_options *options);

/* The value that is written, of --value bytes and a NUL. */
char *measure_value(const measure_options *options);

/* malloc, or the end. */
void *measure_memory(size_t size);

/* Prints why it cannot go on, and exits. */
_Noreturn void measure_give_up(const char *what, const char *reason);

#endif
