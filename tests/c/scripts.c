/* EVAL goes out as EVALSHA once the server holds the script, and a script that it lost is loaded again unseen. */
#include "check.h"

static jr_client *client;

/* How often the server was asked to run a command, by INFO commandstats. */
static long calls_of(const char *command) {
    char key[64];
    jr_reply *reply = run(client, "INFO", "commandstats");
    snprintf(key, sizeof key, "cmdstat_%s:calls=", command);
    const char *found = strstr(reply->bytes, key);
    long calls = found ? atol(found + strlen(key)) : 0;
    jr_reply_free(reply);
    return calls;
}

#define CHECK_CALLS(evals, evalshas)                                                                                   \
    do {                                                                                                               \
        CHECK_INT(calls_of("eval"), (evals));                                                                          \
        CHECK_INT(calls_of("evalsha"), (evalshas));                                                                    \
    } while (0)

static void is_sent_once(void) {
    perform(client, "SCRIPT", "FLUSH");
    perform(client, "CONFIG", "RESETSTAT");
    for (int i = 0; i < 10; i++) {
        jr_reply *reply = run(client, "EVAL", "return {KEYS[1], ARGV[1]}", "1", "key", "argument");
        CHECK_REPLY(&reply->items[0], JR_STRING, "key");
        CHECK_REPLY(&reply->items[1], JR_STRING, "argument");
        jr_reply_free(reply);
    }
    CHECK_CALLS(1, 9);
    CHECK_INT(run_number(client, "eval", "return 7", "0"), 7);
    CHECK_INT(run_number(client, "Eval", "return 7", "0"), 7);
    CHECK_CALLS(2, 10);
}

static void is_repaired(void) {
    perform(client, "CONFIG", "RESETSTAT");
    for (int i = 0; i < 5; i++) {
        perform(client, "SCRIPT", "FLUSH");
        CHECK_INT(run_number(client, "EVAL", "return 7", "0"), 7);
        CHECK_INT(run_number(client, "EVAL", "return 7", "0"), 7);
    }
    CHECK_CALLS(5, 10);
}

/* Many at once, while the scripts are lost: each is answered once and runs once. */
static void is_repaired_under_way(void) {
    enum { COUNT = 2000 };
    jr_queue *queue = jr_queue_new();
    perform(client, "DEL", "scripts:counter");
    for (uint64_t i = 0; i < COUNT; i++) {
        CHECK_INT(submit(client, request_to(queue, NULL, i), NULL, "EVAL", "return redis.call('INCR', KEYS[1])", "1",
                         "scripts:counter"),
                  JR_OK);
        if (i % 100 == 50)
            CHECK_INT(submit(client, request_to(NULL, NULL, 0), NULL, "SCRIPT", "FLUSH"), JR_OK);
    }
    static char seen[COUNT], values[COUNT];
    for (int i = 0; i < COUNT; i++) {
        jr_completion completion = take_one(queue);
        CHECK_INT(completion.status, JR_OK);
        CHECK(!seen[completion.user_data]++);
        int64_t value = completion.reply->integer;
        CHECK(value >= 1 && value <= COUNT && !values[value - 1]++);
        jr_reply_free(completion.reply);
    }
    CHECK_INT(run_number(client, "GET", "scripts:counter"), COUNT);
    jr_queue_free(queue);
}

/* What a script answers is the user's, whatever it looks like: it is not repaired and not run again. */
static void errors_are_verbatim(void) {
    static const char *const texts[] = {"NOSCRIPT No matching script. Please use EVAL.",
                                        "READONLY no",
                                        "LOADING no",
                                        "TRYAGAIN no",
                                        "MOVED 1 127.0.0.1:1",
                                        "ERR mine"};
    perform(client, "DEL", "scripts:runs");
    for (int i = 0; i < 6; i++) {
        for (int again = 0; again < 3; again++) {
            jr_reply *reply = jr_run(client, "EVAL", "redis.call('INCR', KEYS[1]) return {err = ARGV[1]}", "1",
                                     "scripts:runs", texts[i]);
            CHECK_REPLY(reply, JR_ERROR, texts[i]);
            CHECK_INT(reply->integer, JR_ERR_SERVER);
            CHECK_INT(reply->flags & 7, JR_OUTCOME_ANSWERED);
            jr_reply_free(reply);
        }
        CHECK_INT(run_number(client, "GET", "scripts:runs"), 3 * (i + 1));
    }
    for (int again = 0; again < 2; again++) {
        jr_reply *reply = jr_run(client, "EVAL", "this is not Lua", "0");
        CHECK_HAS(reply->bytes, "ERR Error compiling script");
        jr_reply_free(reply);
        reply = jr_run(client, "EVAL", "return 1", "x");
        CHECK_HAS(reply->bytes, "ERR value is not an integer");
        jr_reply_free(reply);
        reply = jr_run(client, "EVAL");
        CHECK_HAS(reply->bytes, "ERR wrong number of arguments");
        jr_reply_free(reply);
        reply = jr_run(client, "EVALSHA", "0123456789012345678901234567890123456789", "0");
        CHECK_HAS(reply->bytes, "NOSCRIPT"); /* the user's own EVALSHA is not ours to repair */
        jr_reply_free(reply);
    }
}

/* Inside of a pipeline or a transaction EVAL goes as it is. */
static void goes_as_it_is_with_others(void) {
    const char *script = "return 'together'";
    perform(client, "PING");
    perform(client, "EVAL", script, "0");
    for (int atomic = 0; atomic < 2; atomic++) {
        for (int flushed = 0; flushed < 2; flushed++) {
            if (flushed)
                perform(client, "SCRIPT", "FLUSH");
            perform(client, "CONFIG", "RESETSTAT");
            jr_command commands[3] = {COMMAND("EVAL", script, "0"), COMMAND("PING"), COMMAND("EVAL", script, "0")};
            jr_request request = request_of(commands, 3);
            jr_reply *reply = NULL;
            request.flags = atomic ? JR_REQUEST_ATOMIC : 0;
            CHECK_INT(jr_execute(client, &request, &reply), JR_OK);
            CHECK_INT(reply->length, 3);
            CHECK_REPLY(&reply->items[0], JR_STRING, "together");
            CHECK_REPLY(&reply->items[2], JR_STRING, "together");
            jr_reply_free(reply);
            CHECK_CALLS(2, 0);
        }
    }
    jr_command lone = COMMAND("EVAL", script, "0");
    jr_request request = request_of(&lone, 1);
    jr_reply *reply = NULL;
    request.flags = JR_REQUEST_ATOMIC;
    CHECK_INT(jr_execute(client, &request, &reply), JR_OK);
    CHECK_REPLY(&reply->items[0], JR_STRING, "together");
    jr_reply_free(reply);
    CHECK_CALLS(3, 0);
}

/* A new connection may lead to a server that does not hold them: it is asked with the text again. */
static void is_forgotten_with_the_connection(void) {
    jr_client *other = connect_client();
    CHECK_INT(run_number(client, "EVAL", "return 8", "0"), 8);
    char id[32];
    int64_t old = run_number(client, "CLIENT", "ID");
    snprintf(id, sizeof id, "%" PRId64, old);
    perform(client, "CONFIG", "RESETSTAT");
    perform(other, "CLIENT", "KILL", "ID", id);
    /* A server may answer CLIENT KILL before it closes, and an EVAL that is sent meanwhile is lost. What only reads is
     * sent again. */
    WAIT_UNTIL(run_number(client, "CLIENT", "ID") != old);
    CHECK_INT(run_number(client, "EVAL", "return 8", "0"), 8);
    CHECK_INT(run_number(client, "EVAL", "return 8", "0"), 8);
    CHECK(calls_of("eval") + calls_of("evalsha") >= 2);
    close_client(other);
}

static void read_only(void) {
    perform(client, "SCRIPT", "FLUSH");
    perform(client, "CONFIG", "RESETSTAT");
    for (int i = 0; i < 3; i++)
        CHECK_INT(run_number(client, "EVAL_RO", "return 9", "0"), 9);
    CHECK_INT(calls_of("eval_ro"), 1);
    CHECK_INT(calls_of("evalsha_ro"), 2);
}

int main(void) {
    client = connect_client();
    is_sent_once();
    is_repaired();
    is_repaired_under_way();
    errors_are_verbatim();
    goes_as_it_is_with_others();
    read_only();
    is_forgotten_with_the_connection();
    close_client(client);
    return 0;
}
