/* What the examples share: making a client of JR_URL, and printing a reply on one line. */
#ifndef EXAMPLE_H
#define EXAMPLE_H

#include <justredis.h>
#include <stdio.h>
#include <stdlib.h>

/* Ends the program with a sentence unless a call went well. */
static inline void check(jr_status status, const char *what) {
    if (status != JR_OK) {
        fprintf(stderr, "%s: %s: %s\n", what, jr_status_text(status), jr_error_text());
        exit(1);
    }
}

/* A client of the server that JR_URL names, or of redis://127.0.0.1:6379. */
static inline jr_client *new_client(void) {
    const char *url = getenv("JR_URL");
    jr_config *config = jr_config_new();
    jr_client *client;
    check(jr_config_set(config, "url", url ? url : "redis://127.0.0.1:6379"), "JR_URL");
    check(jr_client_new(config, &client), "jr_client_new");
    jr_config_free(config);
    return client;
}

/* Waits until all is done, then gives the client back. */
static inline void end_client(jr_client *client) {
    check(jr_client_close(client, 5000), "jr_client_close");
    jr_client_free(client);
}

/* Runs a command whose reply does not matter, such as DEL; ends the program if it fails. Only for examples. */
static inline void finish(jr_reply *reply) {
    if (reply->kind == JR_ERROR) {
        fprintf(stderr, "%s\n", reply->bytes);
        exit(1);
    }
    jr_reply_free(reply);
}

static inline const char *outcome_text(uint32_t flags) {
    if (flags & JR_OUTCOME_ANSWERED)
        return "answered";
    return flags & JR_OUTCOME_NOT_RUN ? "certainly not run" : "nobody knows whether it ran";
}

static inline void print_reply(const jr_reply *reply) {
    switch (reply->kind) {
    case JR_NIL:
        printf("(nil)");
        break;
    case JR_INTEGER:
    case JR_BOOL:
        printf("%lld", (long long)reply->integer);
        break;
    case JR_ERROR:
        printf("error \"%s\" (%s)", reply->bytes, outcome_text(reply->flags));
        break;
    case JR_ARRAY:
    case JR_MAP:
    case JR_SET:
    case JR_PUSH:
        printf("[");
        for (size_t i = 0; i < reply->length; i++) {
            printf(i ? ", " : "");
            print_reply(&reply->items[i]);
        }
        printf("]");
        break;
    default: /* all others hold text, which may hold any byte */
        fwrite(reply->bytes, 1, reply->length, stdout);
    }
}

#endif
