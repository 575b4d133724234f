#define _POSIX_C_SOURCE 200809L
#include "arguments.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum kind { FLAG, TEXT, COMMAND, WHOLE, SECONDS } kind;

typedef struct option {
    const char *name;
    const char *value;
    const char *about;
    kind kind;
    /* Where it stands in measure_options. */
    size_t place;
    double least;
    double most;
} option;

#define PLACE(field) offsetof(measure_options, field)

static const option options[] = {
    {"--host", "TEXT", "the server (127.0.0.1)", TEXT, PLACE(host), 0, 0},
    {"--port", "NUMBER", "its port (6379)", WHOLE, PLACE(port), 1, 65535},
    {"--url", "URL", "the server as a URL, in the place of host and port", TEXT, PLACE(url), 0, 0},
    {"--cluster", NULL, "the server is a node of a cluster", FLAG, PLACE(cluster), 0, 0},
    {"--tls-ca", "FILE", "speak TLS, and trust the authorities of this file (PEM)", TEXT, PLACE(tls_ca), 0, 0},
    {"--command", "NAME", "get or set (get)", COMMAND, PLACE(set), 0, 0},
    {"--value", "BYTES", "the length of the value (32)", WHOLE, PLACE(value), 0, 512 << 20},
    {"--nodes", "N", "nodes of the cluster, whose ports follow that of the first (3)", WHOLE, PLACE(nodes), 1, 100},
    {"--keys", "N", "keys, in an order by chance that is always the same (1)", WHOLE, PLACE(keys), 1,
     MEASURE_MOST_KEYS},
    {"--threads", "N", "threads (1)", WHOLE, PLACE(threads), 1, 4096},
    {"--window", "N", "requests in flight of each thread, where the mode has a window (128)", WHOLE, PLACE(window), 1,
     1 << 20},
    {"--seconds", "S", "how long to measure (2)", SECONDS, PLACE(seconds), 0.01, 1e6},
    {"--warmup", "S", "how long to run before that (0.2)", SECONDS, PLACE(warmup), 0, 1e6},
    {"--count", "N", "run so many requests, in the place of a time", WHOLE, PLACE(count), 1, 1e15},
    {"--json", NULL, "print one line of JSON", FLAG, PLACE(json), 0, 0},
    {"--help", NULL, "print this", FLAG, 0, 0, 0},
    {NULL, NULL, NULL, FLAG, 0, 0, 0},
};

static bool is(const option *option, const char *name) {
    return strcmp(option->name, name) == 0;
}

static bool takes(const measure_program *program, const option *option) {
    return !strstr(program->lacks, option->name);
}

_Noreturn static void refuse(const measure_program *program, const char *format, ...) {
    va_list parts;
    va_start(parts, format);
    fprintf(stderr, "%s: ", program->name);
    vfprintf(stderr, format, parts);
    fprintf(stderr, "; see %s --help\n", program->name);
    va_end(parts);
    exit(2);
}

_Noreturn static void help(const measure_program *program) {
    printf("%s: %s\n\nusage: %s [MODE] [OPTION VALUE]...\n\nmodes:\n", program->name, program->about, program->name);
    for (const measure_mode *mode = program->modes; mode->name; mode++)
        printf("  %-18s %s%s\n", mode->name, mode->about, mode == program->modes ? " (default)" : "");
    puts("\noptions:");
    for (const option *option = options; option->name; option++)
        if (takes(program, option))
            printf("  %-9s %-8s %s\n", option->name, option->value ? option->value : "", option->about);
    puts("\nIt writes the key " MEASURE_KEY ", or so many from that one on.");
    exit(0);
}

/* --- which name was meant --- */

static size_t least_of(size_t one, size_t other) {
    return one < other ? one : other;
}

/* How many letters must be changed, added or taken away. */
static size_t distance(const char *from, const char *to) {
    size_t row[32], length = strlen(to);
    if (length >= sizeof row / sizeof *row)
        return SIZE_MAX;
    for (size_t column = 0; column <= length; column++)
        row[column] = column;
    for (size_t line = 1; from[line - 1]; line++) {
        size_t diagonal = row[0];
        row[0] = line;
        for (size_t column = 1; column <= length; column++) {
            size_t changed = diagonal + (from[line - 1] != to[column - 1]);
            diagonal = row[column];
            row[column] = least_of(changed, least_of(row[column], row[column - 1]) + 1);
        }
    }
    return row[length];
}

static void keep_nearer(const char **nearest, size_t *found, const char *name, const char *candidate) {
    size_t steps = distance(name, candidate);
    if (steps < *found) {
        *found = steps;
        *nearest = candidate;
    }
}

_Noreturn static void refuse_name(const measure_program *program, const char *name) {
    const char *nearest = NULL;
    size_t found = 4;
    for (const option *option = options; option->name; option++)
        if (takes(program, option))
            keep_nearer(&nearest, &found, name, option->name);
    for (const measure_mode *mode = program->modes; mode->name; mode++)
        keep_nearer(&nearest, &found, name, mode->name);
    const char *what = *name == '-' ? "option" : "mode";
    if (nearest)
        refuse(program, "there is no %s %s (did you mean %s?)", what, name, nearest);
    refuse(program, "there is no %s %s", what, name);
}

/* --- reading --- */

static double number(const measure_program *program, const option *option, const char *text) {
    char *end = NULL;
    double value = strtod(text, &end);
    bool is_good = end != text && !*end && value >= option->least && value <= option->most;
    if (!is_good || (option->kind == WHOLE && value != (double)(size_t)value))
        refuse(program, "%s wants a %snumber from %.15g to %.15g, not '%s'", option->name,
               option->kind == WHOLE ? "whole " : "", option->least, option->most, text);
    return value;
}

static bool is_set(const measure_program *program, const char *text) {
    if (strcmp(text, "get") != 0 && strcmp(text, "set") != 0)
        refuse(program, "--command wants get or set, not '%s'", text);
    return *text == 's';
}

static void read_option(const measure_program *program, const option *option, const char *text,
                        measure_options *given) {
    void *place = (char *)given + option->place;
    switch (option->kind) {
    case FLAG:
        *(bool *)place = true;
        break;
    case TEXT:
        *(const char **)place = text;
        break;
    case COMMAND:
        *(bool *)place = is_set(program, text);
        break;
    case WHOLE:
        *(size_t *)place = (size_t)number(program, option, text);
        break;
    case SECONDS:
        *(double *)place = number(program, option, text);
        break;
    }
}

static const option *find_option(const measure_program *program, const char *name) {
    for (const option *option = options; option->name; option++)
        if (is(option, name) && takes(program, option))
            return option;
    refuse_name(program, name);
}

static const measure_mode *find_mode(const measure_program *program, const char *name) {
    for (const measure_mode *mode = program->modes; mode->name; mode++)
        if (strcmp(mode->name, name) == 0)
            return mode;
    refuse_name(program, name);
}

measure_options measure_arguments(const measure_program *program, int count, char **arguments) {
    measure_options given = {.mode = program->modes, .host = "127.0.0.1", .port = 6379, .value = 32, .threads = 1};
    given.nodes = 3, given.keys = 1, given.warmup = 0.2, given.seconds = 2;
    for (int index = 1; index < count; index++) {
        const char *name = arguments[index];
        if (*name != '-') {
            given.mode = find_mode(program, name);
            continue;
        }
        const option *option = find_option(program, name);
        if (is(option, "--help"))
            help(program);
        if (option->kind != FLAG && ++index == count)
            refuse(program, "%s wants a value: %s", name, option->value);
        read_option(program, option, arguments[index], &given);
    }
    if (given.window && !given.mode->has_window)
        refuse(program, "the mode %s has no window: one request is in flight for each thread", given.mode->name);
    if (!given.window)
        given.window = given.mode->has_window ? 128 : 1;
    return given;
}
