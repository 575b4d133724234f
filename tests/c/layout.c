/* The layout of the public structs, which every binding copies, and the numbers of the constants, which never change.
 */
#include "check.h"

#if UINTPTR_MAX == UINT64_MAX
#define AT(type, member, place)                                                                                        \
    _Static_assert(offsetof(type, member) == (place), #type "." #member " stands at " #place)
#define SIZE(type, size) _Static_assert(sizeof(type) == (size), #type " has " #size " bytes")

SIZE(jr_bytes, 16);
AT(jr_bytes, data, 0);
AT(jr_bytes, len, 8);

SIZE(jr_command, 16);
AT(jr_command, args, 0);
AT(jr_command, count, 8);

SIZE(jr_reply, 48);
AT(jr_reply, kind, 0);
AT(jr_reply, flags, 4);
AT(jr_reply, integer, 8);
AT(jr_reply, number, 16);
AT(jr_reply, bytes, 24);
AT(jr_reply, length, 32);
AT(jr_reply, items, 40);

SIZE(jr_completion, 32);
AT(jr_completion, user_data, 0);
AT(jr_completion, request, 8);
AT(jr_completion, reply, 16);
AT(jr_completion, status, 24);
AT(jr_completion, flags, 28);

SIZE(jr_request, 72);
AT(jr_request, size, 0);
AT(jr_request, commands, 8);
AT(jr_request, count, 16);
AT(jr_request, flags, 24);
AT(jr_request, timeout_ms, 28);
AT(jr_request, route, 32);
AT(jr_request, subscription, 40);
AT(jr_request, queue, 48);
AT(jr_request, callback, 56);
AT(jr_request, user_data, 64);
#endif

#define IS(name, number) _Static_assert((name) == (number), #name " is " #number)

_Static_assert(sizeof(jr_status) == 4, "a status has 32 bits");

/* Those of hiredis. */
IS(JR_STRING, 1);
IS(JR_ARRAY, 2);
IS(JR_INTEGER, 3);
IS(JR_NIL, 4);
IS(JR_STATUS, 5);
IS(JR_ERROR, 6);
IS(JR_DOUBLE, 7);
IS(JR_BOOL, 8);
IS(JR_MAP, 9);
IS(JR_SET, 10);
IS(JR_ATTR, 11);
IS(JR_PUSH, 12);
IS(JR_BIGNUM, 13);
IS(JR_VERB, 14);

IS(JR_OK, 0);
IS(JR_ERR_ARGUMENT, -1);
IS(JR_ERR_CONFIG, -2);
IS(JR_ERR_REFUSED, -3);
IS(JR_ERR_CLOSED, -4);
IS(JR_ERR_FULL, -5);
IS(JR_ERR_FORKED, -6);
IS(JR_ERR_DEADLOCK, -7);
IS(JR_ERR_NOT_FOUND, -8);
IS(JR_ERR_MEMORY, -9);
IS(JR_ERR_INTERNAL, -10);
IS(JR_ERR_SERVER, -11);
IS(JR_ERR_TIMEOUT, -12);
IS(JR_ERR_CANCELED, -13);
IS(JR_ERR_CONNECT, -14);
IS(JR_ERR_AUTH, -15);
IS(JR_ERR_TLS, -16);
IS(JR_ERR_LOST, -17);
IS(JR_ERR_LEASE_LOST, -18);
IS(JR_ERR_PROTOCOL, -19);

IS(JR_OUTCOME_NOT_RUN, 1);
IS(JR_OUTCOME_UNKNOWN, 2);
IS(JR_OUTCOME_ANSWERED, 4);
IS(JR_COMPLETION_MORE, 8);
IS(JR_COMPLETION_GAP, 16);
IS(JR_COMPLETION_DROPPED, 32);

IS(JR_REQUEST_ATOMIC, 1);
IS(JR_REQUEST_IDEMPOTENT, 2);
IS(JR_REQUEST_REPLICA, 4);
IS(JR_TIMEOUT_NONE, UINT32_MAX);

IS(JR_LOG_ERROR, 1);
IS(JR_LOG_WARNING, 2);
IS(JR_LOG_INFO, 3);

int main(void) {
    char version[32];
    snprintf(version, sizeof version, "%d.%d.%d", JR_VERSION_MAJOR, JR_VERSION_MINOR, JR_VERSION_PATCH);
    CHECK_TEXT(jr_version(), version);
    for (jr_status status = JR_OK; status >= JR_ERR_PROTOCOL; status--) {
        CHECK(jr_status_text(status)[0] != '\0');
        CHECK(strcmp(jr_status_text(status), "unknown status") != 0);
    }
    CHECK_TEXT(jr_status_text(1), "unknown status");
    CHECK_TEXT(jr_status_text(JR_ERR_PROTOCOL - 1), "unknown status");
    CHECK_TEXT(jr_status_text(INT32_MIN), "unknown status");
    return 0;
}
