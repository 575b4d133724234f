/* Commands that change the connection that others share are refused with a sentence, alone and within a request. */
#include "check.h"

static jr_client *client;
static jr_queue *queue;

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* What must not be sent, and what the sentence about it says. */
static const struct {
    const char *words[6];
    const char *instead;
} refused[] = {
    {{"SELECT", "1"}, "jr_client_database"},
    {{"select", "1"}, "jr_client_database"},
    {{"AUTH", "secret-canary"}, "password"},
    {{"HELLO", "3"}, "protocol"},
    {{"HELLO"}, "protocol"},
    {{"MULTI"}, "JR_REQUEST_ATOMIC"},
    {{"EXEC"}, "JR_REQUEST_ATOMIC"},
    {{"DISCARD"}, "JR_REQUEST_ATOMIC"},
    {{"WATCH", "key"}, "lease"},
    {{"UNWATCH"}, "lease"},
    {{"CLIENT", "IMPORT-SOURCE", "ON"}, "lease"},
    {{"CLIENT", "CAPA", "redirect"}, "handshake"},
    {{"CLIENT", "REPLY", "OFF"}, "CLIENT REPLY"},
    {{"client", "reply", "skip"}, "CLIENT REPLY"},
    {{"CLIENT", "SETNAME", "name"}, "client_name"},
    {{"CLIENT", "TRACKING", "ON"}, "CLIENT TRACKING"},
    {{"CLIENT", "CACHING", "YES"}, "CLIENT CACHING"},
    {{"CLIENT", "NO-EVICT", "ON"}, "NO-EVICT"},
    {{"CLIENT", "NO-TOUCH", "ON"}, "NO-TOUCH"},
    {{"CLIENT", "SETINFO", "LIB-NAME", "x"}, "library_info"},
    {{"RESET"}, "RESET"},
    {{"QUIT"}, "jr_client_close"},
    {{"READONLY"}, "JR_REQUEST_REPLICA"},
    {{"READWRITE"}, "JR_REQUEST_REPLICA"},
    {{"ASKING"}, "ASKING"},
    {{"SYNC"}, "replica"},
    {{"PSYNC", "?", "-1"}, "replica"},
    {{"REPLCONF", "listening-port", "1"}, "replica"},
    {{"SCRIPT", "DEBUG", "YES"}, "SCRIPT DEBUG"},
};

static void alone(size_t row) {
    const char *instead = refused[row].instead;
    jr_reply *reply = NULL;
    uint64_t id = 77;
    CHECK_INT(submit_words(client, request_to(queue, NULL, 0), &id, refused[row].words), JR_ERR_REFUSED);
    CHECK_HAS(jr_error_text(), instead);
    CHECK(strstr(jr_error_text(), "secret-canary") == NULL);
    CHECK_INT(id, 77);
    CHECK_INT(submit_words(client, request_to(NULL, NULL, 0), NULL, refused[row].words), JR_ERR_REFUSED);

    jr_bytes room[6];
    jr_command command = command_of(room, refused[row].words);
    jr_request request = request_of(&command, 1);
    CHECK_INT(jr_execute(client, &request, &reply), JR_ERR_REFUSED);
    CHECK_INT(reply->kind, JR_ERROR);
    CHECK_INT(reply->integer, JR_ERR_REFUSED);
    CHECK_INT(reply->flags & 7, JR_OUTCOME_NOT_RUN);
    CHECK_HAS(reply->bytes, instead);
    jr_reply_free(reply);
    reply = jr_run_strings(client, refused[row].words, command.count);
    CHECK_INT(reply->integer, JR_ERR_REFUSED);
    jr_reply_free(reply);
}

/* As the third of a pipeline or a transaction: the whole request is wrong, and its sentence says which. */
static void within(size_t row, uint32_t flags) {
    jr_bytes room[6];
    jr_command commands[3] = {COMMAND("SET", "refusals", "sent"), COMMAND("PING"),
                              command_of(room, refused[row].words)};
    jr_request request = request_of(commands, 3);
    jr_reply *reply = NULL;
    request.flags = flags;
    CHECK_INT(jr_execute(client, &request, &reply), JR_ERR_ARGUMENT);
    CHECK_HAS(reply->bytes, "command 2");
    CHECK_HAS(reply->bytes, refused[row].instead);
    jr_reply_free(reply);
    request.queue = queue;
    CHECK_INT(jr_submit(client, &request, NULL), JR_ERR_ARGUMENT);
    CHECK_HAS(jr_error_text(), "command 2");
    request.commands = commands + 2;
    request.count = 1;
    if (flags & JR_REQUEST_ATOMIC) {
        CHECK_INT(jr_submit(client, &request, NULL), JR_ERR_ARGUMENT);
        CHECK_HAS(jr_error_text(), "command 0");
    }
}

/* The server counted none of them. */
static void never_sent(void) {
    jr_reply *info = run(client, "INFO", "commandstats");
    for (size_t row = 0; row < COUNT(refused); row++) {
        const char *const *words = refused[row].words;
        int has_subcommand = strcasecmp(words[0], "CLIENT") == 0 || strcasecmp(words[0], "SCRIPT") == 0;
        char line[64];
        snprintf(line, sizeof line, "cmdstat_%s%s%s:", words[0], has_subcommand ? "|" : "",
                 has_subcommand ? words[1] : "");
        for (char *letter = line; *letter; letter++)
            *letter = (char)tolower((unsigned char)*letter);
        CHECK(strstr(info->bytes, line) == NULL);
    }
    jr_reply_free(info);
}

/* What blocks goes alone; what waits for writes goes behind them, not alone, and not into a transaction. */
static void out_of_place(void) {
    const jr_command wait = COMMAND("WAIT", "0", "10"), pop = COMMAND("BLPOP", "none", "1");
    const jr_command pairs[][2] = {{COMMAND("SET", "refusals", "sent"), pop}, {wait, COMMAND("PING")}};
    jr_request request = request_of(&wait, 1);
    jr_reply *reply = NULL;
    CHECK_INT(jr_execute(client, &request, NULL), JR_ERR_REFUSED);
    CHECK_HAS(jr_error_text(), "last command of a pipeline");
    CHECK_HAS(jr_error_text(), "lease");
    request.flags = JR_REQUEST_DEDICATED;
    CHECK_INT(jr_execute(client, &request, NULL), JR_ERR_REFUSED);
    for (int i = 0; i < 2; i++) {
        request = request_of(pairs[i], 2);
        for (int flags = 0; flags <= (int)JR_REQUEST_DEDICATED; flags += (int)JR_REQUEST_DEDICATED) {
            request.flags = (uint32_t)flags;
            CHECK_INT(jr_execute(client, &request, NULL), JR_ERR_ARGUMENT);
            CHECK_HAS(jr_error_text(), i ? "command 0: WAIT" : "command 1: BLPOP");
        }
    }
    const jr_command behind[] = {COMMAND("ECHO", "text"), wait};
    request = request_of(behind, 2);
    request.flags = JR_REQUEST_ATOMIC;
    CHECK_INT(jr_execute(client, &request, NULL), JR_ERR_ARGUMENT);
    request.flags = 0;
    CHECK_INT(jr_execute(client, &request, &reply), JR_OK);
    CHECK_INT(reply->length, 2);
    CHECK_REPLY(&reply->items[0], JR_STRING, "text");
    CHECK_INT(reply->items[1].integer, 0);
    jr_reply_free(reply);
}

int main(void) {
    /* What looks alike and is allowed. */
    static const char *const allowed[][6] = {
        {"CLIENT", "GETNAME"}, {"CLIENT", "ID"},
        {"CLIENT", "LIST"},    {"SCRIPT", "EXISTS", "x"},
        {"PUBLISH", "c", "m"}, {"TIME"},
        {"LPOP", "none"},      {"XREAD", "STREAMS", "block", "0"},
        {"ECHO", "SELECT"},    {"SET", "AUTH", "1"},
    };
    client = connect_client();
    queue = jr_queue_new();
    perform(client, "DEL", "refusals");
    perform(client, "CONFIG", "RESETSTAT");
    for (size_t row = 0; row < COUNT(refused); row++) {
        alone(row);
        within(row, 0);
        within(row, JR_REQUEST_ATOMIC);
    }
    for (size_t row = 0; row < COUNT(allowed); row++) {
        CHECK_INT(submit_words(client, request_to(queue, NULL, row), NULL, allowed[row]), JR_OK);
        jr_completion completion = take_one(queue);
        CHECK_INT(completion.user_data, row);
        CHECK_INT(completion.status, JR_OK);
        jr_reply_free(completion.reply);
    }
    /* Nothing was queued or sent, and the connection is still the same one. */
    jr_completion none;
    CHECK_INT(jr_queue_take(queue, &none, 1, 0), 0);
    CHECK_INT(run_number(client, "EXISTS", "refusals"), 0);
    jr_reply *stats = NULL;
    CHECK_INT(jr_client_stats(client, &stats), JR_OK);
    CHECK_INT(jr_reply_find(jr_reply_find(stats, "links")->items, "connections")->integer, 1);
    jr_reply_free(stats);
    never_sent();
    out_of_place();
    CHECK_INT(run_number(client, "EXISTS", "refusals"), 0);
    jr_queue_free(queue);
    close_client(client);
    return 0;
}
