/* Behind sentinels: a counter counts while another server becomes the primary, and nothing is lost. */
#include "example.h"
#include <string.h>

/* As JR_SENTINEL_URL=redis-sentinel://host:port,host:port/name says. */
static const char *url(void) {
    const char *url = getenv("JR_SENTINEL_URL");
    if (!url || strncmp(url, "redis-sentinel://", 17) != 0) {
        fprintf(stderr, "set JR_SENTINEL_URL, as the comment in sentinel.c says; make demo does\n");
        exit(1);
    }
    return url;
}

static jr_client *client_of(const char *url) {
    jr_config *config = jr_config_new();
    jr_client *client;
    check(jr_config_set(config, "url", url), "the URL");
    check(jr_client_new(config, &client), "jr_client_new");
    jr_config_free(config);
    return client;
}

/* A client of the first sentinel itself: whoever speaks with sentinels names one as a server. */
static jr_client *client_of_sentinel(char *name, size_t size) {
    char address[256];
    const char *rest = url() + 17, *slash = strchr(rest, '/');
    /* (Else it would be taken for a mistake.) */
    snprintf(address, sizeof address, "redis://%.*s/?topology=standalone", (int)strcspn(rest, ",/"), rest);
    snprintf(name, size, "%.*s", slash ? (int)strcspn(slash + 1, "/?") : 0, slash ? slash + 1 : "");
    return client_of(address);
}

/* Whether an event of this name has come. */
static int has_come(jr_queue *events, const char *name) {
    jr_completion completion;
    int found = 0;
    while (jr_queue_take(events, &completion, 1, 0) == 1) {
        const jr_reply *event = jr_reply_find(completion.reply, "event");
        found |= event && strcmp(event->bytes, name) == 0;
        jr_reply_free(completion.reply);
    }
    return found;
}

static int64_t count(jr_client *client) {
    int64_t number = 0;
    jr_reply *reply = jr_run(client, "INCR", "jr:example:counter");
    check(jr_reply_int64(reply, &number), "INCR");
    finish(reply); /* ends the program if it is an error */
    return number;
}

int main(void) {
    char name[64];
    jr_client *client = client_of(url()), *sentinel = client_of_sentinel(name, sizeof name);
    jr_queue *events = jr_queue_new();
    jr_request target = {.size = sizeof target, .queue = events};
    check(jr_client_events(client, &target, NULL), "jr_client_events");

    finish(jr_run(client, "SET", "jr:example:counter", "0"));
    printf("the primary is found, and written to\n");
    /* For a moment after another failover the sentinels have no server that is good enough. */
    int is_begun = 0;
    int64_t counted = 0;
    while (!is_begun) {
        jr_reply *reply = jr_run(sentinel, "SENTINEL", "FAILOVER", name);
        is_begun = reply->kind != JR_ERROR;
        jr_reply_free(reply);
        counted += count(client) == counted + 1;
    }
    printf("another server is made the primary\n");
    while (!has_come(events, "failover"))
        counted += count(client) == counted + 1;
    printf("the client has followed; what it was asked meanwhile has waited\n");
    for (int more = 0; more < 1000; more++)
        counted += count(client) == counted + 1;
    jr_reply *reply = jr_run(client, "GET", "jr:example:counter");
    int64_t held = 0;
    check(jr_reply_int64(reply, &held), "GET");
    jr_reply_free(reply);
    printf("%s\n", held == counted ? "every INCR was answered, and counted once" : "something was lost");
    finish(jr_run(client, "DEL", "jr:example:counter"));
    end_client(client);
    end_client(sentinel);
    jr_queue_free(events);
    return held == counted ? 0 : 1;
}
