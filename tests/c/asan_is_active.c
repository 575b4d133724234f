/* Misbehaves on purpose, as its argument says: a test run without a sanitizer's report about it proves nothing. */
#include <justredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Volatile, so that the compiler can neither see through it nor keep what it held. */
static void *volatile kept;

static void lose(void *pointer) {
    kept = pointer;
    kept = NULL;
}

int main(int count, char **arguments) {
    const char *wanted = count == 2 ? arguments[1] : "";
    if (strcmp(wanted, "overflow") == 0) {
        kept = malloc(8);
        ((volatile char *)kept)[8] = 1;
    } else if (strcmp(wanted, "leak") == 0) {
        lose(malloc(8));
    } else if (strcmp(wanted, "library") == 0) {
        lose(jr_config_new());
    } else {
        fprintf(stderr, "usage: asan_is_active overflow|leak|library\n");
    }
    return 0;
}
