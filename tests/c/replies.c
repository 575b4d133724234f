/* Replies of every kind under RESP2 and RESP3, their readers, attributes, and replies of many bytes and items. */
#include "check.h"

static jr_client *client;

/* Every reader on one reply: each gives the value, or refuses and leaves what it was given. */
#define READS(reply, whole, real, truth)                                                                               \
    do {                                                                                                               \
        int64_t whole_ = -77;                                                                                          \
        double real_ = -77;                                                                                            \
        CHECK_INT(jr_reply_int64((reply), &whole_), (whole) == -77 ? JR_ERR_ARGUMENT : JR_OK);                         \
        CHECK_INT(whole_, (whole));                                                                                    \
        CHECK_INT(jr_reply_double((reply), &real_), (real) == -77 ? JR_ERR_ARGUMENT : JR_OK);                          \
        CHECK(real_ == (real));                                                                                        \
        bool yes_ = true, no_ = false;                                                                                 \
        CHECK_INT(jr_reply_bool((reply), &yes_), (truth) == -77 ? JR_ERR_ARGUMENT : JR_OK);                            \
        CHECK_INT(jr_reply_bool((reply), &no_), (truth) == -77 ? JR_ERR_ARGUMENT : JR_OK);                             \
        CHECK_INT(yes_, (truth) == -77 ? 1 : (truth));                                                                 \
        CHECK_INT(no_, (truth) == -77 ? 0 : (truth));                                                                  \
    } while (0)

#define NONE (-77)

static void texts_and_numbers(void) {
    static const struct {
        const char *text;
        long long whole;
        double real;
        int truth;
    } cases[] = {
        {"0", 0, 0, 0},
        {"1", 1, 1, 1},
        {"-12", -12, -12, NONE},
        {"2.5", NONE, 2.5, NONE},
        {"1e3", NONE, 1000, NONE},
        {"9223372036854775807", INT64_MAX, 9223372036854775807.0, NONE},
        {"9223372036854775808", NONE, 9223372036854775808.0, NONE},
        {"true", NONE, NONE, 1},
        {"false", NONE, NONE, 0},
        {"True", NONE, NONE, NONE},
        {"yes", NONE, NONE, NONE},
        {"on", NONE, NONE, NONE},
        {"OK", NONE, NONE, NONE},
        {"", NONE, NONE, NONE},
        {" 1", NONE, NONE, NONE},
        {"1x", NONE, NONE, NONE},
        {"0x10", NONE, NONE, NONE},
    };
    for (size_t row = 0; row < sizeof cases / sizeof *cases; row++) {
        jr_reply *reply = run(client, "ECHO", cases[row].text);
        CHECK_REPLY(reply, JR_STRING, cases[row].text);
        READS(reply, cases[row].whole, cases[row].real, cases[row].truth);
        jr_reply_free(reply);
    }
    jr_reply *reply = run(client, "SET", "replies", "value");
    CHECK_REPLY(reply, JR_STATUS, "OK");
    jr_reply_free(reply);
    reply = run(client, "APPEND", "replies", "");
    CHECK_INT(reply->kind, JR_INTEGER);
    READS(reply, 5, 5, NONE);
    jr_reply_free(reply);
    reply = run(client, "GET", "replies:none");
    CHECK_INT(reply->kind, JR_NIL);
    READS(reply, NONE, NONE, NONE);
    CHECK(reply->bytes == NULL && reply->items == NULL && reply->length == 0);
    jr_reply_free(reply);
    reply = jr_run(client, "INCR", "replies");
    CHECK_REPLY(reply, JR_ERROR, "ERR value is not an integer or out of range");
    CHECK_INT(reply->integer, JR_ERR_SERVER);
    CHECK_INT(reply->flags & 7, JR_OUTCOME_ANSWERED);
    READS(reply, NONE, NONE, NONE);
    jr_reply_free(reply);
}

static void binary_text(void) {
    const char bytes[] = "a\0b\r\n\xff";
    jr_bytes words[2] = {jr_text("ECHO"), {bytes, sizeof bytes - 1}};
    jr_command command = {words, 2};
    jr_request request = request_of(&command, 1);
    jr_reply *reply = NULL;
    CHECK_INT(jr_execute(client, &request, &reply), JR_OK);
    CHECK_INT(reply->length, sizeof bytes - 1);
    CHECK(memcmp(reply->bytes, bytes, sizeof bytes) == 0); /* with the NUL behind it */
    jr_reply_free(reply);
}

static void hash(int protocol) {
    perform(client, "DEL", "replies:hash");
    perform(client, "HSET", "replies:hash", "name", "redis", "port", "6379", "", "empty");
    jr_reply *reply = run(client, "HGETALL", "replies:hash");
    CHECK_INT(reply->kind, protocol == 3 ? JR_MAP : JR_ARRAY);
    CHECK_INT(reply->length, 6);
    CHECK_REPLY(jr_reply_find(reply, "name"), JR_STRING, "redis");
    READS(jr_reply_find(reply, "port"), 6379, 6379, NONE);
    CHECK_REPLY(jr_reply_find(reply, ""), JR_STRING, "empty");
    CHECK(jr_reply_find(reply, "redis") == NULL); /* a value is no key */
    CHECK(jr_reply_find(reply, "nam") == NULL);
    CHECK(jr_reply_find(reply->items, "name") == NULL); /* a string holds nothing */
    jr_reply_free(reply);
    reply = run(client, "HGETALL", "replies:none");
    CHECK_INT(reply->length, 0);
    CHECK(jr_reply_find(reply, "name") == NULL);
    jr_reply_free(reply);
}

/* DEBUG PROTOCOL makes the server answer with one of each type; RESP2 knows fewer of them. */
static void every_kind(int protocol) {
    int three = protocol == 3;
    jr_reply *reply = run(client, "DEBUG", "PROTOCOL", "string");
    CHECK_REPLY(reply, JR_STRING, "Hello World");
    jr_reply_free(reply);
    reply = run(client, "DEBUG", "PROTOCOL", "integer");
    CHECK_INT(reply->kind, JR_INTEGER);
    CHECK_INT(reply->integer, 12345);
    jr_reply_free(reply);
    reply = run(client, "DEBUG", "PROTOCOL", "double");
    CHECK_REPLY(reply, three ? JR_DOUBLE : JR_STRING, "3.141");
    READS(reply, NONE, 3.141, NONE);
    CHECK(reply->number == (three ? 3.141 : 0));
    jr_reply_free(reply);
    reply = run(client, "DEBUG", "PROTOCOL", "null");
    CHECK_INT(reply->kind, JR_NIL);
    jr_reply_free(reply);
    reply = run(client, "DEBUG", "PROTOCOL", "array");
    CHECK_INT(reply->kind, JR_ARRAY);
    CHECK_INT(reply->length, 3);
    for (int64_t i = 0; i < 3; i++)
        CHECK_INT(reply->items[i].integer, i);
    jr_reply_free(reply);
    reply = run(client, "DEBUG", "PROTOCOL", "set");
    CHECK_INT(reply->kind, three ? JR_SET : JR_ARRAY);
    CHECK_INT(reply->length, 3);
    jr_reply_free(reply);
    reply = run(client, "DEBUG", "PROTOCOL", "map");
    CHECK_INT(reply->kind, three ? JR_MAP : JR_ARRAY);
    CHECK_INT(reply->length, 6);
    CHECK_INT(reply->items[2].integer, 1);
    CHECK_INT(reply->items[3].kind, three ? JR_BOOL : JR_INTEGER);
    READS(&reply->items[3], 1, 1, 1);
    jr_reply_free(reply);
    reply = run(client, "DEBUG", "PROTOCOL", "bignum");
    CHECK_REPLY(reply, three ? JR_BIGNUM : JR_STRING, "1234567999999999999999999999999999999");
    READS(reply, NONE, 1234567999999999999999999999999999999.0, NONE);
    jr_reply_free(reply);
    reply = run(client, "DEBUG", "PROTOCOL", "true");
    CHECK_INT(reply->kind, three ? JR_BOOL : JR_INTEGER);
    READS(reply, 1, 1, 1);
    jr_reply_free(reply);
    reply = run(client, "DEBUG", "PROTOCOL", "false");
    READS(reply, 0, 0, 0);
    jr_reply_free(reply);
    reply = run(client, "DEBUG", "PROTOCOL", "verbatim");
    CHECK_REPLY(reply, three ? JR_VERB : JR_STRING, "This is a verbatim\nstring");
    if (three)
        CHECK_INT(reply->integer, 't' | 'x' << 8 | 't' << 16);
    CHECK(jr_reply_attributes(reply) == NULL);
    jr_reply_free(reply);
}

/* Attributes stand beside the value, which is what it would be without them. */
static void attributes(void) {
    jr_reply *reply = run(client, "DEBUG", "PROTOCOL", "attrib");
    CHECK_REPLY(reply, JR_STRING, "Some real reply following the attribute");
    const jr_reply *beside = jr_reply_attributes(reply);
    CHECK(beside != NULL);
    CHECK_INT(beside->kind, JR_ATTR);
    CHECK_INT(beside->length, 2);
    const jr_reply *popular = jr_reply_find(beside, "key-popularity");
    CHECK(popular != NULL);
    CHECK_REPLY(&popular->items[0], JR_STRING, "key:123");
    READS(&popular->items[1], 90, 90, NONE);
    CHECK(jr_reply_attributes(beside) == NULL);
    jr_reply_free(reply);
}

static void nested(void) {
    jr_reply *reply =
        run(client, "EVAL", "return {1, {'two', {}, {3}}, false, {ok = 'fine'}, {err = 'ERR inside'}}", "0");
    CHECK_INT(reply->kind, JR_ARRAY);
    CHECK_INT(reply->length, 5);
    CHECK_REPLY(&reply->items[1].items[0], JR_STRING, "two");
    CHECK_INT(reply->items[1].items[1].length, 0);
    CHECK_INT(reply->items[1].items[2].items[0].integer, 3);
    CHECK_INT(reply->items[2].kind, JR_NIL);
    CHECK_REPLY(&reply->items[3], JR_STATUS, "fine");
    CHECK_REPLY(&reply->items[4], JR_ERROR, "ERR inside");
    CHECK_INT(reply->items[4].integer, JR_ERR_SERVER);
    jr_reply_free(reply);
}

static void large(size_t size) {
    char *value = malloc(size + 1);
    for (size_t i = 0; i < size; i++)
        value[i] = (char)('a' + i % 23);
    value[size] = '\0';
    jr_bytes words[2] = {jr_text("ECHO"), {value, size}};
    jr_command command = {words, 2};
    jr_request request = request_of(&command, 1);
    jr_reply *reply = NULL;
    request.timeout_ms = JR_TIMEOUT_NONE;
    CHECK_INT(jr_execute(client, &request, &reply), JR_OK);
    CHECK_INT(reply->kind, JR_STRING);
    CHECK_INT(reply->length, size);
    CHECK(memcmp(reply->bytes, value, size + 1) == 0);
    jr_reply_free(reply);
    free(value);
}

static void many_items(void) {
    perform(client, "DEL", "replies:list");
    const char *fill = "for i = 1, 100000 do redis.call('RPUSH', KEYS[1], 'item ' .. i) end return 1";
    perform(client, "EVAL", fill, "1", "replies:list");
    jr_reply *reply = run(client, "LRANGE", "replies:list", "0", "-1");
    CHECK_INT(reply->kind, JR_ARRAY);
    CHECK_INT(reply->length, 100000);
    for (size_t i = 0; i < reply->length; i++) {
        char text[32];
        snprintf(text, sizeof text, "item %zu", i + 1);
        CHECK_REPLY(&reply->items[i], JR_STRING, text);
    }
    jr_reply_free(reply);
    perform(client, "DEL", "replies:list");
}

int main(void) {
    for (int protocol = 2; protocol <= 3; protocol++) {
        client = connect_with(protocol == 3 ? "protocol=3" : "protocol=2");
        texts_and_numbers();
        binary_text();
        hash(protocol);
        every_kind(protocol);
        if (protocol == 3)
            attributes();
        nested();
        for (size_t size = 15 * 1024; size <= 17 * 1024; size += 511)
            large(size); /* about where large ones begin */
        large(1 << 20);
        large(20 << 20);
        many_items();
        close_client(client);
    }
    return 0;
}
