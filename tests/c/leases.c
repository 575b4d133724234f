/* Leases and blocking commands: by queue, callback and waiting; freed in any order, inside callbacks, with work under
 * way. */
#include "check.h"

static jr_client *client;
static jr_queue *queue;

static jr_client *lease_of(const jr_client *handle) {
    jr_bytes key = jr_text("leases:key");
    jr_client *lease = NULL;
    CHECK_INT(jr_client_lease(handle, &key, &lease), JR_OK);
    return lease;
}

static int64_t dedicated(const char *key) {
    jr_reply *stats = NULL;
    CHECK_INT(jr_client_stats(client, &stats), JR_OK);
    int64_t number = jr_reply_find(jr_reply_find(stats, "dedicated"), key)->integer;
    jr_reply_free(stats);
    return number;
}

static void bad_arguments(void) {
    jr_client *lease = NULL;
    jr_bytes wrong = {NULL, 3};
    CHECK_INT(jr_client_lease(NULL, NULL, &lease), JR_ERR_ARGUMENT);
    CHECK_INT(jr_client_lease(client, NULL, NULL), JR_ERR_ARGUMENT);
    CHECK_INT(jr_client_lease(client, &wrong, &lease), JR_ERR_ARGUMENT);
    CHECK(lease == NULL);
    CHECK_INT(jr_client_lease(client, NULL, &lease), JR_OK);
    jr_client *view = NULL;
    CHECK_INT(jr_client_database(lease, 1, &view), JR_ERR_ARGUMENT);
    CHECK_HAS(jr_error_text(), "SELECT");
    jr_bytes room[2];
    const char *const words[] = {"PING", NULL};
    jr_command ping = command_of(room, words);
    jr_request request = request_of(&ping, 1);
    request.route = "primaries";
    CHECK_INT(jr_execute(lease, &request, NULL), JR_ERR_ARGUMENT);
    CHECK_HAS(jr_error_text(), "route");
    jr_client_free(lease);
}

/* Adds 1, or gives 0 because somebody came between. */
static int increment(jr_client *lease) {
    char text[32];
    jr_reply *reply = NULL;
    perform(lease, "WATCH", "leases:key");
    snprintf(text, sizeof text, "%" PRId64, run_number(lease, "GET", "leases:key") + 1);
    const jr_command set = COMMAND("SET", "leases:key", text);
    jr_request request = request_of(&set, 1);
    request.flags = JR_REQUEST_ATOMIC;
    CHECK_INT(jr_execute(lease, &request, &reply), JR_OK);
    int done = reply->kind == JR_ARRAY;
    CHECK(done || reply->kind == JR_NIL);
    jr_reply_free(reply);
    return done;
}

static void *count(void *argument) {
    jr_client *lease = lease_of(client);
    for (int i = 0; i < *(int *)argument; i++)
        while (!increment(lease)) {
        }
    jr_client_free(lease);
    return NULL;
}

static void counting(void) {
    enum { THREADS = 8 };
    int each = 50;
    pthread_t threads[THREADS];
    perform(client, "SET", "leases:key", "0");
    for (int i = 0; i < THREADS; i++)
        threads[i] = start_thread(count, &each);
    for (int i = 0; i < THREADS; i++)
        join_thread(threads[i]);
    CHECK_INT(run_number(client, "GET", "leases:key"), THREADS * each);
}

/* Many at once go where each of them would have gone alone. */
static void many_at_once(void) {
    const jr_command select = COMMAND("SELECT", "3"), get = COMMAND("CLIENT", "INFO");
    jr_client *lease = lease_of(client);
    jr_request requests[] = {request_of(&select, 1), request_of(&get, 1), request_of(&get, 1)};
    for (int i = 0; i < 3; i++) {
        requests[i].queue = queue;
        requests[i].user_data = 3;
    }
    CHECK_INT(jr_submit_many(lease, requests, 3, NULL), 3);
    requests[1].user_data = requests[2].user_data = 0;
    requests[2].flags = JR_REQUEST_DEDICATED;
    CHECK_INT(jr_submit_many(client, requests + 1, 2, NULL), 2);
    for (int i = 0; i < 5; i++) {
        jr_completion completion = take_one(queue);
        CHECK_INT(completion.status, JR_OK);
        if (completion.reply->kind != JR_STATUS)
            CHECK_HAS(completion.reply->bytes, completion.user_data == 3 ? " db=3 " : " db=0 ");
        jr_reply_free(completion.reply);
    }
    jr_client_free(lease);
}

static atomic_int called;
static jr_client *to_free;

static void free_inside(const jr_completion *completion) {
    CHECK(completion->status == JR_OK || completion->status == JR_ERR_CLOSED);
    jr_reply_free(completion->reply);
    jr_client_free(to_free);
    to_free = NULL;
    atomic_fetch_add(&called, 1);
}

static void count_called(const jr_completion *completion) {
    CHECK_INT(completion->status, JR_OK);
    jr_reply_free(completion->reply);
    atomic_fetch_add(&called, 1);
}

static void by_queue_and_callback(void) {
    jr_client *lease = lease_of(client);
    jr_completion completion;
    uint64_t id = 0;
    perform(client, "DEL", "leases:list");
    CHECK_INT(submit(lease, request_to(queue, NULL, 1), &id, "BLPOP", "leases:list", "0"), JR_OK);
    CHECK_INT(submit(lease, request_to(NULL, count_called, 0), NULL, "SELECT", "2"), JR_OK);
    CHECK_INT(submit(client, request_to(queue, NULL, 2), NULL, "BLPOP", "leases:list", "0"), JR_OK);
    perform(client, "RPUSH", "leases:list", "a", "b");
    completion = take_one(queue);
    CHECK_INT(completion.status, JR_OK);
    jr_reply_free(completion.reply);
    completion = take_one(queue);
    CHECK_INT(completion.status, JR_OK);
    jr_reply_free(completion.reply);
    WAIT_UNTIL(atomic_load(&called) == 1);
    /* Cancelled through another handle: nothing was taken. */
    CHECK_INT(submit(lease, request_to(queue, NULL, 3), &id, "BLPOP", "leases:list", "0"), JR_OK);
    CHECK_INT(jr_cancel(client, id), JR_OK);
    completion = take_one(queue);
    CHECK_INT(completion.status, JR_ERR_CANCELED);
    CHECK_INT(completion.flags, JR_OUTCOME_NOT_RUN);
    jr_reply_free(completion.reply);
    jr_client_free(lease);
}

static void freed_in_callbacks_and_in_any_order(void) {
    atomic_store(&called, 0);
    to_free = lease_of(client);
    CHECK_INT(submit(to_free, request_to(NULL, free_inside, 0), NULL, "INCR", "leases:key"), JR_OK);
    WAIT_UNTIL(atomic_load(&called) == 1);
    /* With work under way: it still ends. */
    jr_client *lease = lease_of(client);
    CHECK_INT(submit(lease, request_to(queue, NULL, 1), NULL, "BLPOP", "leases:list", "0"), JR_OK);
    CHECK_INT(submit(lease, request_to(queue, NULL, 2), NULL, "ECHO", "behind"), JR_OK);
    jr_client_free(lease);
    perform(client, "RPUSH", "leases:list", "c");
    for (uint64_t i = 1; i <= 2; i++) {
        jr_completion completion = take_one(queue);
        CHECK_INT(completion.user_data, i);
        CHECK_INT(completion.status, JR_OK);
        jr_reply_free(completion.reply);
    }
    /* Closed: that handle only. */
    lease = lease_of(client);
    perform(lease, "PING");
    CHECK_INT(jr_client_close(lease, 0), JR_OK);
    CHECK_INT(submit(lease, request_to(queue, NULL, 0), NULL, "PING"), JR_ERR_CLOSED);
    CHECK_HAS(jr_error_text(), "lease");
    jr_client_free(lease);
    perform(client, "PING");
    /* The last handle of a client may be a lease. */
    jr_client *other = connect_client();
    lease = lease_of(other);
    jr_client_free(other);
    perform(lease, "WATCH", "leases:key");
    CHECK_INT(submit(lease, request_to(queue, NULL, 9), NULL, "BLPOP", "leases:list", "0"), JR_OK);
    jr_client_free(lease);
    jr_completion completion = take_one(queue);
    CHECK_INT(completion.status, JR_ERR_CLOSED);
    jr_reply_free(completion.reply);
    /* Inside a callback, as the last handle, with a blocking command under way. */
    atomic_store(&called, 0);
    other = connect_client();
    to_free = lease_of(other);
    CHECK_INT(submit(to_free, request_to(queue, NULL, 9), NULL, "BLPOP", "leases:list", "0"), JR_OK);
    CHECK_INT(submit(other, request_to(NULL, free_inside, 0), NULL, "PING"), JR_OK);
    jr_client_free(other);
    WAIT_UNTIL(atomic_load(&called) == 1);
    completion = take_one(queue);
    CHECK_INT(completion.status, JR_ERR_CLOSED);
    jr_reply_free(completion.reply);
}

/* A client that closes ends blocking commands first, and the rest drains. */
static void closing(void) {
    enum { MANY = 20 };
    jr_client *other = connect_with("max_connections=4"), *lease = lease_of(other);
    for (uint64_t i = 0; i < MANY; i++)
        CHECK_INT(submit(other, request_to(queue, NULL, i), NULL, "BLPOP", "leases:none", "0"), JR_OK);
    CHECK_INT(submit(lease, request_to(queue, NULL, MANY), NULL, "BLPOP", "leases:none", "0"), JR_OK);
    CHECK_INT(jr_client_close(other, JR_TIMEOUT_NONE), JR_OK);
    for (uint64_t i = 0; i <= MANY; i++) {
        jr_completion completion = take_one(queue);
        CHECK_INT(completion.status, JR_ERR_CLOSED);
        CHECK_INT(completion.flags, JR_OUTCOME_NOT_RUN);
        jr_reply_free(completion.reply);
    }
    CHECK_INT(submit(lease, request_to(queue, NULL, 0), NULL, "PING"), JR_ERR_CLOSED);
    jr_client_free(other);
    jr_client_free(lease);
}

/* What the child of a fork inherits answers so, and the parent's connections go on. */
static void forked(void) {
    jr_client *lease = lease_of(client);
    perform(lease, "WATCH", "leases:key");
    pid_t process = fork();
    if (process == 0) {
        jr_client *made = NULL;
        const jr_command ping = COMMAND("PING");
        jr_request request = request_of(&ping, 1);
        CHECK_INT(jr_submit(lease, &request, NULL), JR_ERR_FORKED);
        CHECK_INT(jr_client_lease(client, NULL, &made), JR_ERR_FORKED);
        CHECK_INT(jr_client_close(lease, 0), JR_ERR_FORKED);
        jr_client_free(lease);
        _exit(0);
    }
    int status;
    CHECK(waitpid(process, &status, 0) == process);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(increment(lease));
    jr_client_free(lease);
}

int main(void) {
    client = connect_client();
    queue = jr_queue_new();
    bad_arguments();
    counting();
    many_at_once();
    by_queue_and_callback();
    freed_in_callbacks_and_in_any_order();
    closing();
    forked();
    WAIT_UNTIL(dedicated("in_use") == 0 && dedicated("waiting") == 0);
    close_client(client);
    jr_queue_free(queue);
    return 0;
}
