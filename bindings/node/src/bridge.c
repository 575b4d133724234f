/* Functions of JavaScript that a thread of the library asks: to dial, and for credentials. The thread waits here; the
 * loop is woken by the queue, asks the function, whose answer comes when its promise is settled. When the environment
 * ends all that wait are told so, and nobody reaches the environment any more. */
#include "addon.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

/* Credentials may come late; so long at least they are waited for. */
enum { LONGEST_ANSWER_MS = 30000 };
enum { DIAL, CREDENTIALS };

/* Lives on the stack of the thread that waits. */
typedef struct Call {
    struct Call *next;
    uint32_t id, function, kind, purpose, reason, budget_ms;
    const char *address;
    bool told, answered;
    int32_t result;
    char *user, *password;
    uint32_t valid_ms;
} Call;

struct Bridge {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    jr_queue *queue; /* NULL: the environment has ended */
    Call *calls;
    uint32_t last_id;
    atomic_int references;
};

/* The user data of a callback of the library. */
typedef struct Caller {
    Bridge *bridge;
    uint32_t function;
} Caller;

bool bridge_open(Instance *in) {
    if (in->bridge)
        return true;
    Bridge *bridge = calloc(1, sizeof *bridge);
    pthread_condattr_t attributes;
    if (!bridge) {
        napi_throw_error(in->env, NULL, "out of memory");
        return false;
    }
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&bridge->lock, NULL);
    pthread_cond_init(&bridge->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    bridge->queue = in->queue;
    atomic_init(&bridge->references, 1);
    in->bridge = bridge;
    return true;
}

static void unreference(Bridge *bridge) {
    if (atomic_fetch_sub(&bridge->references, 1) == 1) {
        pthread_cond_destroy(&bridge->changed);
        pthread_mutex_destroy(&bridge->lock);
        free(bridge);
    }
}

void bridge_end(Bridge *bridge) {
    pthread_mutex_lock(&bridge->lock);
    bridge->queue = NULL;
    pthread_cond_broadcast(&bridge->changed);
    pthread_mutex_unlock(&bridge->lock);
    unreference(bridge);
}

static void wait_for_answer(Bridge *bridge, const Call *call, uint32_t wait_ms) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += wait_ms / 1000;
    until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    while (bridge->queue && !call->answered)
        if (pthread_cond_timedwait(&bridge->changed, &bridge->lock, &until) == ETIMEDOUT)
            return;
}

/* Whether there is an answer. On a thread of the library. */
static bool ask(Caller *caller, Call *call, uint32_t wait_ms) {
    Bridge *bridge = caller->bridge;
    Call **place;
    pthread_mutex_lock(&bridge->lock);
    call->function = caller->function;
    if (bridge->queue) {
        call->id = ++bridge->last_id;
        call->next = NULL;
        for (place = &bridge->calls; *place; place = &(*place)->next) {
        }
        *place = call;
        jr_queue_wake(bridge->queue);
        wait_for_answer(bridge, call, wait_ms);
        for (place = &bridge->calls; *place != call; place = &(*place)->next) {
        }
        *place = call->next;
    }
    pthread_mutex_unlock(&bridge->lock);
    return call->answered;
}

static int32_t dial(void *user_data, const char *address, uint32_t timeout_ms) {
    Call call = {.kind = DIAL, .address = address, .budget_ms = timeout_ms};
    return ask(user_data, &call, timeout_ms) ? call.result : -ETIMEDOUT;
}

static void wipe_text(char *text) {
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

static jr_status bring_credentials(void *user_data, const jr_credentials_query *query, jr_credentials *answer) {
    Call call = {.kind = CREDENTIALS,
                 .address = query->address,
                 .purpose = query->purpose,
                 .reason = query->reason,
                 .budget_ms = query->budget_ms};
    uint32_t wait_ms = query->budget_ms > LONGEST_ANSWER_MS ? query->budget_ms : LONGEST_ANSWER_MS;
    jr_status status = ask(user_data, &call, wait_ms) ? call.result : JR_ERR_TIMEOUT;
    if (status == JR_OK)
        status = jr_credentials_set(answer, call.user, call.password, call.valid_ms);
    wipe_text(call.user);
    wipe_text(call.password);
    return status;
}

static void release(void *user_data) {
    Caller *caller = user_data;
    unreference(caller->bridge);
    free(caller);
}

static Caller *caller_new(Instance *in, uint32_t function) {
    Caller *caller = bridge_open(in) ? calloc(1, sizeof *caller) : NULL;
    if (!caller)
        return NULL;
    atomic_fetch_add(&in->bridge->references, 1);
    caller->bridge = in->bridge;
    caller->function = function;
    return caller;
}

bool bridge_set_dialer(Instance *in, jr_config *config, uint32_t number) {
    Caller *caller = caller_new(in, number);
    jr_status status = caller ? jr_config_set_dialer(config, dial, caller, release) : JR_ERR_MEMORY;
    return status == JR_OK ? true : (throw_status(in, status), false);
}

bool bridge_set_credentials(Instance *in, jr_config *config, uint32_t number) {
    Caller *caller = caller_new(in, number);
    jr_status status = caller ? jr_config_set_credentials(config, bring_credentials, caller, release) : JR_ERR_MEMORY;
    return status == JR_OK ? true : (throw_status(in, status), false);
}

/* Calls asked(function, call, kind, address, purpose, reason, budget) for what is new. */
void bridge_serve(Instance *in) {
    enum { ARGUMENTS = 7 };
    Bridge *bridge = in->bridge;
    while (bridge && !in->ended) {
        napi_value values[ARGUMENTS];
        napi_handle_scope scope;
        if (napi_open_handle_scope(in->env, &scope) != napi_ok)
            return;
        pthread_mutex_lock(&bridge->lock);
        Call *call = bridge->calls;
        while (call && call->told)
            call = call->next;
        bool good = call && napi_create_uint32(in->env, call->function, &values[0]) == napi_ok &&
                    napi_create_uint32(in->env, call->id, &values[1]) == napi_ok &&
                    napi_create_uint32(in->env, call->kind, &values[2]) == napi_ok &&
                    napi_create_string_utf8(in->env, call->address, NAPI_AUTO_LENGTH, &values[3]) == napi_ok &&
                    napi_create_uint32(in->env, call->purpose, &values[4]) == napi_ok &&
                    napi_create_uint32(in->env, call->reason, &values[5]) == napi_ok &&
                    napi_create_uint32(in->env, call->budget_ms, &values[6]) == napi_ok;
        if (call)
            call->told = true;
        pthread_mutex_unlock(&bridge->lock);
        if (good)
            call_back(in, ASKED, ARGUMENTS, values);
        napi_close_handle_scope(in->env, scope);
        if (!good)
            return;
    }
}

static Call *find(Bridge *bridge, uint32_t id) {
    Call *call = bridge->calls;
    while (call && (call->id != id || call->answered))
        call = call->next;
    return call;
}

static char *copy_of(const char *text) {
    return text ? strdup(text) : NULL;
}

/* Whether the call still waited. */
static bool give(Instance *in, uint32_t id, int32_t result, const char *user, const char *password, uint32_t valid_ms) {
    Bridge *bridge = in->bridge;
    if (!bridge)
        return false;
    pthread_mutex_lock(&bridge->lock);
    Call *call = find(bridge, id);
    if (call) {
        call->result = result;
        call->user = copy_of(user);
        call->password = copy_of(password);
        call->valid_ms = valid_ms;
        call->answered = true;
        pthread_cond_broadcast(&bridge->changed);
    }
    pthread_mutex_unlock(&bridge->lock);
    return call != NULL;
}

static napi_value boolean(Instance *in, bool value) {
    napi_value result;
    return napi_get_boolean(in->env, value, &result) == napi_ok ? result : NULL;
}

/* answerDial(call, descriptor or -errno): whether it was wanted; if not, the descriptor is still the caller's. */
napi_value answer_dial(napi_env env, napi_callback_info info) {
    size_t count = 2;
    napi_value values[2];
    uint32_t id = 0;
    int32_t result = -EIO;
    Instance *in = arguments(env, info, &count, values);
    if (!in || napi_get_value_uint32(env, values[0], &id) != napi_ok ||
        napi_get_value_int32(env, values[1], &result) != napi_ok)
        return NULL;
    return boolean(in, give(in, id, result, NULL, NULL, 0));
}

/* answerCredentials(call, status, user or null, password, milliseconds) */
napi_value answer_credentials(napi_env env, napi_callback_info info) {
    size_t count = 5;
    napi_value values[5];
    uint32_t id = 0, valid_ms = 0;
    int32_t status = JR_ERR_CONNECT;
    const char *user = NULL, *password = NULL;
    Instance *in = arguments(env, info, &count, values);
    if (!in || napi_get_value_uint32(env, values[0], &id) != napi_ok ||
        napi_get_value_int32(env, values[1], &status) != napi_ok ||
        napi_get_value_uint32(env, values[4], &valid_ms) != napi_ok)
        return NULL;
    bool good = text_from(in, values[2], &user) && text_from(in, values[3], &password);
    bool wanted = good && give(in, id, status, user, password, valid_ms);
    words_reset(in);
    return good ? boolean(in, wanted) : NULL;
}

/* duplicate(descriptor): another one of the same socket, or -errno. */
napi_value duplicate(napi_env env, napi_callback_info info) {
    size_t count = 1;
    napi_value value, result;
    int32_t descriptor = -1;
    Instance *in = arguments(env, info, &count, &value);
    if (!in || napi_get_value_int32(env, value, &descriptor) != napi_ok)
        return NULL;
    int copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 3);
    return napi_create_int32(env, copy < 0 ? -errno : copy, &result) == napi_ok ? result : NULL;
}
