/* A cluster: the same calls as on one server, whichever nodes the keys are on; and what a cluster cannot do, and how it
 * says so. JR_CLUSTER_URL names it, as in redis://127.0.0.1:7000?topology=cluster. */
#include "example.h"
#include <string.h>

enum { KEYS = 6 };

static const char *const keys[KEYS] = {"jr:example:apple", "jr:example:pear",  "jr:example:plum",
                                       "jr:example:fig",   "jr:example:lemon", "jr:example:lime"};

static void show(const char *about, jr_reply *reply) {
    printf("%s\n  -> ", about);
    print_reply(reply);
    printf("\n");
    jr_reply_free(reply);
}

/* Executes a request of these commands. */
static jr_reply *run(jr_client *client, const jr_command *commands, size_t count, uint32_t flags, const char *route) {
    jr_request request = {.size = sizeof request, .commands = commands, .count = count, .flags = flags, .route = route};
    jr_reply *reply;
    jr_execute(client, &request, &reply);
    return reply;
}

int main(void) {
    const char *url = getenv("JR_CLUSTER_URL");
    if (!url) {
        fprintf(stderr, "set JR_CLUSTER_URL, as the comment in cluster.c says; make demo does\n");
        return 1;
    }
    jr_config *config = jr_config_new();
    jr_client *client;
    check(jr_config_set(config, "url", url), "JR_CLUSTER_URL");
    check(jr_client_new(config, &client), "jr_client_new");
    jr_config_free(config);

    /* Each key is on the node of its slot; who uses the client need not know. */
    for (int i = 0; i < KEYS; i++)
        finish(jr_run(client, "SET", keys[i], strrchr(keys[i], ':') + 1));
    jr_bytes mget[1 + KEYS] = {jr_text("MGET")};
    for (int i = 0; i < KEYS; i++)
        mget[1 + i] = jr_text(keys[i]);
    jr_command split = {mget, 1 + KEYS};
    show("MGET of keys on several nodes", run(client, &split, 1, 0, NULL));

    /* A pipeline goes to all of them at once; the replies come in the order of the commands. */
    jr_bytes append[KEYS][3];
    jr_command pipeline[KEYS];
    for (int i = 0; i < KEYS; i++) {
        append[i][0] = jr_text("APPEND");
        append[i][1] = jr_text(keys[i]);
        append[i][2] = jr_text("s");
        pipeline[i] = (jr_command){append[i], 3};
    }
    show("a pipeline over several nodes", run(client, pipeline, KEYS, 0, NULL));

    /* A transaction is run by one node: what stands in braces decides the slot, so these two keys are together. */
    jr_bytes debit[] = {jr_text("INCRBY"), jr_text("jr:example:{ann}:debit"), jr_text("5")};
    jr_bytes credit[] = {jr_text("INCRBY"), jr_text("jr:example:{ann}:credit"), jr_text("5")};
    jr_command together[] = {{debit, 3}, {credit, 3}};
    show("a transaction in one slot", run(client, together, 2, JR_REQUEST_ATOMIC, NULL));
    jr_command apart[] = {{append[0], 3}, {append[1], 3}};
    show("a transaction in two slots", run(client, apart, 2, JR_REQUEST_ATOMIC, NULL));

    /* A route sends a command to nodes, and gives a map of address to reply. */
    jr_bytes ping[] = {jr_text("PING")};
    jr_command every = {ping, 1};
    jr_reply *map = run(client, &every, 1, 0, "primaries");
    printf("PING of every primary\n  -> %zu of them answered\n", map->kind == JR_MAP ? map->length / 2 : 0);
    int failed = map->kind != JR_MAP;
    jr_reply_free(map);

    mget[0] = jr_text("DEL");
    show("DEL of all", run(client, &split, 1, 0, NULL));
    finish(jr_run(client, "DEL", "jr:example:{ann}:debit", "jr:example:{ann}:credit"));
    end_client(client);
    return failed;
}
