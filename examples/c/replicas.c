/* Reads from replicas: all reads of a client, those of one request, and what waits for what was just written. */
#include "example.h"
#include <string.h>
#include <time.h>

/* A client of the servers of JR_REPLICATED_URL=redis://host:port,host:port. */
static jr_client *client_that_reads_from(const char *who) {
    const char *url = getenv("JR_REPLICATED_URL");
    if (!url) {
        fprintf(stderr, "set JR_REPLICATED_URL, as the comment in replicas.c says; make demo does\n");
        exit(1);
    }
    jr_config *config = jr_config_new();
    jr_client *client;
    check(jr_config_set(config, "url", url), "JR_REPLICATED_URL");
    check(jr_config_set(config, "read_from", who), "read_from");
    check(jr_config_set(config, "max_replica_lag", "10s"), "max_replica_lag");
    check(jr_client_new(config, &client), "jr_client_new");
    jr_config_free(config);
    return client;
}

/* How many bytes came from replicas, or from the primary. */
static int64_t received(jr_client *client, int from_replicas) {
    jr_reply *stats;
    int64_t sum = 0, bytes = 0;
    check(jr_client_stats(client, &stats), "jr_client_stats");
    const jr_reply *links = jr_reply_find(stats, "links");
    for (size_t i = 0; links && i < links->length; i++) {
        const jr_reply *role = jr_reply_find(&links->items[i], "role");
        int is_replica = role && strcmp(role->bytes, "master") != 0;
        if (is_replica == from_replicas &&
            jr_reply_int64(jr_reply_find(&links->items[i], "bytes_received"), &bytes) == JR_OK)
            sum += bytes;
    }
    jr_reply_free(stats);
    return sum;
}

/* Gets a value of 10,000 bytes, with these flags. */
static void get(jr_client *client, uint32_t flags) {
    jr_bytes args[] = {jr_text("GET"), jr_text("jr:example:value")};
    jr_command command = {args, 2};
    jr_request request = {.size = sizeof request, .commands = &command, .count = 1, .flags = flags};
    jr_reply *reply;
    check(jr_execute(client, &request, &reply), "GET");
    jr_reply_free(reply);
}

/* Reads ten times; whether replicas have answered it all (1), the primary (0), or some of both (-1). */
static int who_answers(jr_client *client, uint32_t flags) {
    int64_t of_replicas = received(client, 1), of_primary = received(client, 0);
    for (int i = 0; i < 10; i++)
        get(client, flags);
    of_replicas = (received(client, 1) - of_replicas) / 10000;
    of_primary = (received(client, 0) - of_primary) / 10000;
    return of_replicas >= 10 ? 1 : of_primary >= 10 ? 0 : -1;
}

static void until_replicas_answer(jr_client *client, uint32_t flags) {
    time_t end = time(NULL) + 20;
    /* Until they are connected and have said how they are, the primary answers. */
    while (who_answers(client, flags) != 1) {
        if (time(NULL) > end) {
            fprintf(stderr, "no replica answers\n");
            exit(1);
        }
    }
}

int main(void) {
    jr_client *client = client_that_reads_from("prefer_replica");
    static char value[10001];
    memset(value, 'x', 10000);
    /* WAIT behind the write: it has reached both replicas when the request is answered. */
    jr_bytes set[] = {jr_text("SET"), jr_text("jr:example:value"), jr_text(value)};
    jr_bytes wait[] = {jr_text("WAIT"), jr_text("2"), jr_text("5000")};
    jr_command commands[] = {{set, 3}, {wait, 3}};
    jr_request request = {.size = sizeof request, .commands = commands, .count = 2};
    jr_reply *reply;
    check(jr_execute(client, &request, &reply), "SET and WAIT");
    printf("a value is written, and replicas have it: ");
    print_reply(&reply->items[1]);
    printf("\n");
    jr_reply_free(reply);

    until_replicas_answer(client, 0);
    printf("read_from=prefer_replica: replicas answer what reads\n");
    end_client(client);

    client = client_that_reads_from("primary");
    printf("read_from=primary: %s\n", who_answers(client, 0) == 0 ? "the primary answers" : "somebody else answers");
    until_replicas_answer(client, JR_REQUEST_REPLICA);
    printf("with JR_REQUEST_REPLICA a replica does\n");
    finish(jr_run(client, "DEL", "jr:example:value"));
    end_client(client);
    return 0;
}
