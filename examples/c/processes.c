/* A signal that ends a wait, and a child after fork() that has a client of its own. */
#define _GNU_SOURCE
#include "example.h"
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static jr_queue *queue;

/* One of the few things that a signal handler may do. */
static void on_signal(int number) {
    (void)number;
    jr_queue_wake(queue);
}

/* Waits for completions, until a signal says that it is enough. */
static int wait_until_told(void) {
    jr_completion completion;
    signal(SIGUSR1, on_signal);
    raise(SIGUSR1); /* as somebody else would */
    int64_t count = jr_queue_take(queue, &completion, 1, -1);
    printf("a signal ended the wait: %lld completions\n", (long long)count);
    return count == 0;
}

/* What it inherits says so, and is freed; a client of its own works. */
static int in_the_child(jr_client *inherited) {
    jr_reply *reply = jr_run(inherited, "PING");
    int told = reply->kind == JR_ERROR && reply->integer == JR_ERR_FORKED;
    printf("the child, on the client of its parent: %s\n", told ? reply->bytes : "no error?");
    jr_reply_free(reply);
    jr_client_free(inherited); /* leaves the connections of the parent alone */
    jr_client *own = new_client();
    reply = jr_run(own, "PING");
    printf("the child, on a client of its own: %s\n", reply->bytes);
    int answered = reply->kind == JR_STATUS;
    jr_reply_free(reply);
    end_client(own);
    fflush(stdout);
    return told && answered;
}

int main(void) {
    jr_client *client = new_client();
    finish(jr_run(client, "PING")); /* it is connected */
    queue = jr_queue_new();
    int good = wait_until_told();
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        _exit(in_the_child(client) ? 0 : 1);
    int status = 1;
    good &= child > 0 && waitpid(child, &status, 0) == child && status == 0;
    finish(jr_run(client, "PING"));
    printf("the parent goes on\n");
    jr_queue_free(queue);
    end_client(client);
    return good ? 0 : 1;
}
