/* Misbehaves on purpose, as its argument says: a test run without a sanitizer's report about it proves nothing. */
#include <justredis.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Volatile, so that the compiler can neither see through it nor keep what it held. */
static void *volatile kept;

static void lose(void *pointer) {
    kept = pointer;
    kept = NULL;
}

/* A config belongs to one thread at a time: here two set it. */
static void *set(void *config) {
    for (int i = 0; i < 1000; i++)
        jr_config_set(config, "max_requests", "1000");
    return NULL;
}

static void race(void) {
    jr_config *config = jr_config_new();
    pthread_t other;
    if (pthread_create(&other, NULL, set, config) == 0) {
        set(config);
        pthread_join(other, NULL);
    }
    jr_config_free(config);
}

int main(int count, char **arguments) {
    const char *wanted = count == 2 ? arguments[1] : "";
    if (strcmp(wanted, "overflow") == 0) {
        kept = malloc(8);
        ((volatile char *)kept)[8] = 1;
    } else if (strcmp(wanted, "leak") == 0) {
        lose(malloc(8));
    } else if (strcmp(wanted, "library") == 0) {
        /* Several, because a register may still hold the last one. */
        for (int i = 0; i < 4; i++)
            lose(jr_config_new());
    } else if (strcmp(wanted, "race") == 0) {
        race();
    } else {
        fprintf(stderr, "usage: sanitizer_is_active overflow|leak|library|race\n");
    }
    return 0;
}
