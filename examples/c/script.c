/* EVAL with its text goes out once, then as EVALSHA with the digest; a SCRIPT FLUSH in between is repaired unseen. */
#include "example.h"
#include <string.h>

static const char *script = "return redis.call('INCRBY', KEYS[1], ARGV[1])";

/* How often the server was asked for a command: "cmdstat_eval:calls=3,..." in the answer to INFO. */
static long calls(const char *info, const char *name) {
    char key[64];
    snprintf(key, sizeof key, "cmdstat_%s:calls=", name);
    const char *found = strstr(info, key);
    return found ? strtol(found + strlen(key), NULL, 10) : 0;
}

/* Prints what the server was asked for since the last time. */
static void what_was_sent(jr_client *client) {
    static long evals, digests;
    static int is_first = 1;
    jr_reply *info = jr_run(client, "INFO", "commandstats");
    if (info->kind != JR_ERROR) {
        long new_evals = calls(info->bytes, "eval"), new_digests = calls(info->bytes, "evalsha");
        if (!is_first)
            printf("  the server got %ld EVAL and %ld EVALSHA\n", new_evals - evals, new_digests - digests);
        evals = new_evals, digests = new_digests, is_first = 0;
    }
    finish(info);
}

static void evaluate(jr_client *client, int times) {
    for (int i = 0; i < times; i++) {
        jr_reply *reply = jr_run(client, "EVAL", script, "1", "jr:example:sum", "10");
        printf("EVAL -> ");
        print_reply(reply);
        printf("\n");
        finish(reply);
    }
    what_was_sent(client);
}

int main(void) {
    jr_client *client = new_client();
    finish(jr_run(client, "DEL", "jr:example:sum"));
    what_was_sent(client);
    evaluate(client, 3);

    finish(jr_run(client, "SCRIPT", "FLUSH"));
    printf("SCRIPT FLUSH: the server knows no script any more\n");
    evaluate(client, 1); /* its EVALSHA is answered with NOSCRIPT, which we never see */

    finish(jr_run(client, "DEL", "jr:example:sum"));
    end_client(client);
    return 0;
}
