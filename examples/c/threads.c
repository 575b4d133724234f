/* Eight threads share one client and one connection: no locks, no pool, and every answer reaches the one who asked. */
#include "example.h"
#include <pthread.h>
#include <string.h>

enum { THREADS = 8, TIMES = 1000 };

struct worker {
    pthread_t thread;
    jr_client *client;
    int number, right;
};

/* Asks for its own words again and again, and counts how often it got exactly them. */
static void *work(void *argument) {
    struct worker *worker = argument;
    for (int i = 0; i < TIMES; i++) {
        char words[64];
        snprintf(words, sizeof words, "thread %d, request %d", worker->number, i);
        jr_reply *count = jr_run(worker->client, "INCR", "jr:example:together");
        jr_reply *echo = jr_run(worker->client, "ECHO", words);
        worker->right += count->kind == JR_INTEGER && echo->kind == JR_STRING && strcmp(echo->bytes, words) == 0;
        jr_reply_free(count);
        jr_reply_free(echo);
    }
    return NULL;
}

int main(void) {
    jr_client *client = new_client();
    struct worker workers[THREADS];
    int right = 0;
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.client = client, .number = i};
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0) {
            perror("pthread_create");
            exit(1);
        }
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        right += workers[i].right;
    }
    printf("%d threads asked %d times each: %d right answers\n", THREADS, TIMES, right);

    int64_t total = 0;
    jr_reply *count = jr_run(client, "GET", "jr:example:together");
    check(jr_reply_int64(count, &total), "GET");
    printf("the counter they share stands at %lld\n", (long long)total);
    jr_reply_free(count);

    jr_reply *stats;
    check(jr_client_stats(client, &stats), "jr_client_stats");
    const jr_reply *links = jr_reply_find(stats, "links");
    for (size_t i = 0; links && i < links->length; i++) {
        printf("they used the connection to ");
        print_reply(jr_reply_find(&links->items[i], "address"));
        printf(", dialled ");
        print_reply(jr_reply_find(&links->items[i], "connections"));
        printf(" time\n");
    }
    jr_reply_free(stats);

    finish(jr_run(client, "DEL", "jr:example:together"));
    end_client(client);
    return right == THREADS * TIMES && total == THREADS * TIMES ? 0 : 1;
}
