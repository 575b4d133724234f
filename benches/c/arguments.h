/* The command line of the benchmark programs: one table of options, read and explained in one place. */
#ifndef ARGUMENTS_H
#define ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>

/* The key that is read and written, or the first of --keys: 16 bytes. */
#define MEASURE_KEY "benchmark:000001"
#define MEASURE_KEY_FORMAT "benchmark:%06u"
#define MEASURE_MOST_KEYS 999999

typedef struct measure_program {
    const char *name;
    const char *about;
    /* Ends with NULL; the first is the default. */
    const struct measure_mode *modes;
    /* The names of options that have no meaning for it. */
    const char *lacks;
} measure_program;

typedef struct measure_mode {
    const char *name;
    const char *about;
    /* Its number of requests in flight is --window; else one for each thread. */
    bool has_window;
} measure_mode;

typedef struct measure_options {
    const measure_mode *mode;
    const char *host;
    const char *url;
    /* TLS, and the file of the authority that is trusted; NULL: no TLS. */
    const char *tls_ca;
    size_t port;
    /* The server is a node of a cluster. */
    bool cluster;
    /* SET instead of GET. */
    bool set;
    bool json;
    size_t value;
    size_t nodes;
    /* So many, one after the other. */
    size_t keys;
    size_t threads;
    size_t window;
    double warmup;
    double seconds;
    /* Instead of a time: so many requests, all threads together. */
    size_t count;
} measure_options;

/* Reads the arguments; --help and a wrong one end the program. */
measure_options measure_arguments(const measure_program *program, int count, char **arguments);

#endif
