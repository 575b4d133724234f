/* Where threads of the library ask functions of Ruby: how to dial, and for credentials. A thread of the library cannot
 * call into Ruby, so it puts its question here and waits, and a thread of Ruby answers it. */
#include "extension.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef struct Question {
    struct Question *next;
    uint64_t id;
    enum { DIAL, CREDENTIALS } kind;
    char address[256];
    uint32_t budget_ms;
    uint32_t purpose;
    uint32_t reason;
    int taken;
    int answered;
    int32_t result; /* a descriptor or a negative errno; or a status */
    char *user;     /* by malloc */
    char *password;
    uint32_t valid_ms;
} Question;

/* Of the object of Ruby and of the library together; the last one frees it. */
typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t asked;
    pthread_cond_t answered;
    Question *first;
    uint64_t last_id;
    int references;
    int used;  /* by the library: so many of its references */
    int ended; /* no more answers */
    unsigned generation;
} Desk;

static VALUE desk_class;

static void forget(Desk *desk) {
    pthread_mutex_lock(&desk->lock);
    int left = --desk->references;
    pthread_mutex_unlock(&desk->lock);
    if (left > 0)
        return;
    pthread_cond_destroy(&desk->asked);
    pthread_cond_destroy(&desk->answered);
    pthread_mutex_destroy(&desk->lock);
    free(desk);
}

static void end(Desk *desk) {
    pthread_mutex_lock(&desk->lock);
    desk->ended = 1;
    pthread_cond_broadcast(&desk->asked);
    pthread_cond_broadcast(&desk->answered);
    pthread_mutex_unlock(&desk->lock);
}

/* In a child process the lock may be held by a thread that is not there: the desk of the parent is left as it is. */
static int is_of_parent(const Desk *desk) {
    return desk->generation != process_generation;
}

/* A thread of the library, without the GVL: waits for the answer, for as long as it is of use. */
static int ask(Desk *desk, Question *question) {
    struct timespec until;
    int error = 0;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += question->budget_ms / 1000;
    until.tv_nsec += (long)(question->budget_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&desk->lock);
    question->id = ++desk->last_id;
    Question **end = &desk->first;
    while (*end)
        end = &(*end)->next;
    *end = question;
    pthread_cond_signal(&desk->asked);
    while (!question->answered && !desk->ended && !error)
        error = pthread_cond_timedwait(&desk->answered, &desk->lock, &until);
    for (end = &desk->first; *end != question;)
        end = &(*end)->next;
    *end = question->next;
    pthread_mutex_unlock(&desk->lock);
    return question->answered;
}

static void copy_address(Question *question, const char *address) {
    strncpy(question->address, address, sizeof question->address - 1);
}

static int32_t dial(void *user_data, const char *address, uint32_t timeout_ms) {
    Desk *desk = user_data;
    Question question = {.kind = DIAL, .budget_ms = timeout_ms};
    copy_address(&question, address);
    if (ask(desk, &question))
        return question.result;
    return desk->ended ? -ECANCELED : -ETIMEDOUT;
}

static jr_status give_credentials(void *user_data, const jr_credentials_query *query, jr_credentials *answer) {
    Question question = {.kind = CREDENTIALS, .budget_ms = query->budget_ms};
    copy_address(&question, query->address);
    question.purpose = query->purpose;
    question.reason = query->reason;
    if (!ask(user_data, &question))
        return JR_ERR_TIMEOUT;
    jr_status status = question.result;
    if (status == JR_OK)
        status = jr_credentials_set(answer, question.user, question.password, question.valid_ms);
    if (question.password)
        explicit_bzero(question.password, strlen(question.password));
    free(question.user);
    free(question.password);
    return status;
}

/* Of the library, on any thread, when it has no more use for it. */
static void release(void *user_data) {
    Desk *desk = user_data;
    if (is_of_parent(desk))
        return;
    pthread_mutex_lock(&desk->lock);
    int last = --desk->used == 0;
    pthread_mutex_unlock(&desk->lock);
    if (last)
        end(desk);
    forget(desk);
}

static void desk_free(void *data) {
    Desk *desk = *(Desk **)data;
    if (!is_of_parent(desk)) {
        end(desk);
        forget(desk);
    }
    xfree(data);
}

static const rb_data_type_t desk_type = {
    .wrap_struct_name = "JustRedis::Native::Desk",
    .function = {.dfree = desk_free},
    .flags = RUBY_TYPED_FREE_IMMEDIATELY,
};

static Desk *desk_of(VALUE self) {
    return *(Desk **)rb_check_typeddata(self, &desk_type);
}

static VALUE desk_s_new(VALUE klass) {
    Desk **holder;
    Desk *desk = calloc(1, sizeof *desk);
    if (!desk)
        rb_raise(rb_eNoMemError, "no memory for a desk");
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&desk->lock, NULL);
    pthread_cond_init(&desk->asked, &monotonic);
    pthread_cond_init(&desk->answered, &monotonic);
    pthread_condattr_destroy(&monotonic);
    desk->references = 1;
    desk->generation = process_generation;
    VALUE self = TypedData_Make_Struct(klass, Desk *, &desk_type, holder);
    *holder = desk;
    return self;
}

void desk_use(VALUE self, jr_config *config, int dials, int has_credentials) {
    Desk *desk = desk_of(self);
    pthread_mutex_lock(&desk->lock);
    desk->references += dials + has_credentials;
    desk->used += dials + has_credentials;
    pthread_mutex_unlock(&desk->lock);
    jr_status status = dials ? jr_config_set_dialer(config, dial, desk, release) : JR_OK;
    if (status == JR_OK && has_credentials)
        status = jr_config_set_credentials(config, give_credentials, desk, release);
    if (status != JR_OK)
        raise_status(status);
}

typedef struct {
    Desk *desk;
    int interrupted;
    Question copy;
} Taking;

static void *take_question(void *argument) {
    Taking *taking = argument;
    Desk *desk = taking->desk;
    pthread_mutex_lock(&desk->lock);
    for (;;) {
        Question *question = desk->first;
        while (question && question->taken)
            question = question->next;
        if (question) {
            question->taken = 1;
            taking->copy = *question;
            break;
        }
        if (desk->ended || taking->interrupted)
            break;
        pthread_cond_wait(&desk->asked, &desk->lock);
    }
    pthread_mutex_unlock(&desk->lock);
    return NULL;
}

static void interrupt(void *argument) {
    Taking *taking = argument;
    pthread_mutex_lock(&taking->desk->lock);
    taking->interrupted = 1;
    pthread_cond_broadcast(&taking->desk->asked);
    pthread_mutex_unlock(&taking->desk->lock);
}

/* take -> [id, kind, address, seconds, purpose, reason], or nil at the end: waits for a question. */
static VALUE desk_take(VALUE self) {
    Taking taking = {.desk = desk_of(self)};
    for (;;) {
        taking.interrupted = 0;
        rb_nogvl(take_question, &taking, interrupt, &taking, RB_NOGVL_INTR_FAIL);
        if (taking.copy.id)
            break;
        rb_thread_check_ints();
        if (taking.desk->ended)
            return Qnil;
    }
    const Question *copy = &taking.copy;
    return rb_ary_new_from_args(6, ULL2NUM(copy->id), copy->kind == DIAL ? ID2SYM(rb_intern("dial")) : Qnil,
                                rb_utf8_str_new_cstr(copy->address), DBL2NUM(copy->budget_ms / 1000.0),
                                UINT2NUM(copy->purpose), UINT2NUM(copy->reason));
}

static Question *find(const Desk *desk, uint64_t id) {
    Question *question = desk->first;
    while (question && question->id != id)
        question = question->next;
    return question;
}

/* dialed(id, result): a descriptor, which is copied, or a negative errno. */
static VALUE desk_dialed(VALUE self, VALUE id, VALUE result) {
    Desk *desk = desk_of(self);
    int32_t value = NUM2INT(result);
    if (value >= 0) {
        value = fcntl(value, F_DUPFD_CLOEXEC, 0);
        if (value < 0)
            value = -errno;
    }
    pthread_mutex_lock(&desk->lock);
    Question *question = find(desk, NUM2ULL(id));
    if (question) {
        question->result = value;
        question->answered = 1;
        pthread_cond_broadcast(&desk->answered);
    }
    pthread_mutex_unlock(&desk->lock);
    if (!question && value >= 0)
        close(value);
    return Qnil;
}

/* credentials(id, user, password, valid_ms): without a password there are none, `valid_ms` says whether for good. */
static VALUE desk_credentials(VALUE self, VALUE id, VALUE user, VALUE password, VALUE valid) {
    Desk *desk = desk_of(self);
    uint32_t valid_ms = NUM2UINT(valid);
    const char *name = NIL_P(user) ? NULL : StringValueCStr(user);
    const char *secret = NIL_P(password) ? NULL : StringValueCStr(password);
    pthread_mutex_lock(&desk->lock);
    Question *question = find(desk, NUM2ULL(id));
    if (question) {
        question->result = secret ? JR_OK : valid_ms ? JR_ERR_AUTH : JR_ERR_CONNECT;
        question->user = name ? strdup(name) : NULL;
        question->password = secret ? strdup(secret) : NULL;
        question->valid_ms = valid_ms;
        question->answered = 1;
        pthread_cond_broadcast(&desk->answered);
    }
    pthread_mutex_unlock(&desk->lock);
    return Qnil;
}

/* close: no more answers; who waits for one gets none. */
static VALUE desk_close(VALUE self) {
    if (!is_of_parent(desk_of(self)))
        end(desk_of(self));
    return Qnil;
}

void init_desk(void) {
    desk_class = rb_define_class_under(native, "Desk", rb_cObject);
    rb_undef_alloc_func(desk_class);
    rb_define_singleton_method(desk_class, "new", desk_s_new, 0);
    rb_define_method(desk_class, "take", desk_take, 0);
    rb_define_method(desk_class, "dialed", desk_dialed, 2);
    rb_define_method(desk_class, "credentials", desk_credentials, 4);
    rb_define_method(desk_class, "close", desk_close, 0);
}
