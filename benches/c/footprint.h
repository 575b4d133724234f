/* What the programs share that measure memory: what the process has, large replies, and a server that never answers. */
#ifndef FOOTPRINT_H
#define FOOTPRINT_H

#include "measure.h"

/* What the process has: memory in bytes. */
typedef struct footprint {
    size_t resident;
    /* The part of it that is not of a file, such as the code of a library, which processes share. */
    size_t own;
    /* The most that was ever resident. */
    size_t peak;
    size_t threads;
} footprint;

footprint footprint_now(void);

typedef struct footprint_figure {
    /* NULL ends a list of figures. */
    const char *name;
    const char *about;
    double value;
} footprint_figure;

void footprint_print(const measure_program *program, const measure_options *options, const footprint_figure *figures);

/* Runs a command, frees its reply, and gives the memory that the reply consisted of: its nodes and their texts. */
typedef size_t (*footprint_run)(void *client, int count, const char **words);

/* Reads a large reply again and again: a string of --value bytes, or an array of elements of 10 bytes each. */
void footprint_read(const measure_program *program, const measure_options *options, footprint_run run, void *client);

/* One GET of the key, as it is sent. */
#define FOOTPRINT_REQUEST "*2\r\n$3\r\nGET\r\n$16\r\n" MEASURE_KEY "\r\n"

/* The port of a server that never answers: a socket that listens and accepts nobody. */
size_t footprint_silent_server(void);

/* So many requests wait: prints what each has taken since `before`, beyond its own bytes. */
void footprint_queued(const measure_program *program, const measure_options *options, footprint before);

#endif
