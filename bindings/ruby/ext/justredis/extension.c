/* The extension: its classes, its errors, and how it notices that it is in a child process. */
#include "extension.h"

#include <pthread.h>
#include <string.h>

VALUE native;
ID id_value;
unsigned process_generation;

static ID id_status, id_outcome;
static VALUE errors;       /* {status: class}, filled by errors.rb */
static VALUE reply_errors; /* {code: class} */
static VALUE any_error;

static const struct {
    jr_status status;
    const char *name;
} statuses[] = {
    {JR_OK, "ok"},
    {JR_ERR_ARGUMENT, "argument"},
    {JR_ERR_CONFIG, "config"},
    {JR_ERR_REFUSED, "refused"},
    {JR_ERR_CLOSED, "closed"},
    {JR_ERR_FULL, "full"},
    {JR_ERR_FORKED, "forked"},
    {JR_ERR_DEADLOCK, "deadlock"},
    {JR_ERR_NOT_FOUND, "not_found"},
    {JR_ERR_MEMORY, "memory"},
    {JR_ERR_INTERNAL, "internal"},
    {JR_ERR_SERVER, "server"},
    {JR_ERR_TIMEOUT, "timeout"},
    {JR_ERR_CANCELED, "canceled"},
    {JR_ERR_CONNECT, "connect"},
    {JR_ERR_AUTH, "auth"},
    {JR_ERR_TLS, "tls"},
    {JR_ERR_LOST, "lost"},
    {JR_ERR_LEASE_LOST, "lease_lost"},
    {JR_ERR_PROTOCOL, "protocol"},
};

static VALUE status_symbol(jr_status status) {
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        if (statuses[i].status == status)
            return ID2SYM(rb_intern(statuses[i].name));
    return ID2SYM(rb_intern("unknown"));
}

static VALUE outcome_symbol(uint32_t flags) {
    if (flags & JR_OUTCOME_ANSWERED)
        return ID2SYM(rb_intern("answered"));
    return ID2SYM(rb_intern(flags & JR_OUTCOME_UNKNOWN ? "unknown" : "not_run"));
}

static VALUE error_class(jr_status status, VALUE text) {
    VALUE status_class = rb_hash_lookup2(errors, status_symbol(status), any_error);
    if (status != JR_ERR_SERVER)
        return status_class;
    const char *bytes = RSTRING_PTR(text);
    long length = 0;
    while (length < RSTRING_LEN(text) && bytes[length] != ' ')
        length++;
    return rb_hash_lookup2(reply_errors, rb_utf8_str_new(bytes, length), status_class);
}

VALUE new_error(jr_status status, uint32_t outcome, const char *text, size_t length) {
    VALUE message = rb_utf8_str_new(text, (long)length);
    /* The classes leave `initialize` to Exception, which is written in C. */
    VALUE error = rb_exc_new_str(error_class(status, message), message);
    rb_ivar_set(error, id_status, status_symbol(status));
    rb_ivar_set(error, id_outcome, outcome_symbol(outcome));
    return error;
}

void raise_status(jr_status status) {
    const char *text = jr_error_text();
    if (!*text)
        text = jr_status_text(status);
    rb_exc_raise(new_error(status, JR_OUTCOME_NOT_RUN, text, strlen(text)));
}

/* use_errors(any, {status => class}, {code => class}) */
static VALUE use_errors(VALUE self, VALUE any, VALUE by_status, VALUE by_code) {
    any_error = any;
    errors = by_status;
    reply_errors = by_code;
    return self;
}

/* new_error(status, outcome, text): one of the library's errors, for what Ruby code finds by itself. */
static VALUE make_error(VALUE self, VALUE name, VALUE outcome, VALUE text) {
    (void)self;
    StringValue(text);
    jr_status status = JR_ERR_INTERNAL;
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        if (name == ID2SYM(rb_intern(statuses[i].name)))
            status = statuses[i].status;
    VALUE error = new_error(status, JR_OUTCOME_NOT_RUN, RSTRING_PTR(text), (size_t)RSTRING_LEN(text));
    rb_ivar_set(error, id_outcome, outcome);
    return error;
}

static void in_child(void) {
    process_generation++;
    waiting_calls = 0;
    turns_in_child();
}

__attribute__((visibility("default"))) void Init_native(void) {
    VALUE base = rb_define_class("JustRedis", rb_cObject);
    native = rb_define_module_under(base, "Native");
    rb_define_const(base, "VERSION", rb_obj_freeze(rb_utf8_str_new_cstr(jr_version())));
    id_value = rb_intern("value");
    id_status = rb_intern("@status");
    id_outcome = rb_intern("@outcome");
    any_error = rb_eStandardError;
    errors = reply_errors = rb_hash_new();
    rb_gc_register_address(&any_error);
    rb_gc_register_address(&errors);
    rb_gc_register_address(&reply_errors);
    rb_define_singleton_method(native, "use_errors", use_errors, 3);
    rb_define_singleton_method(native, "new_error", make_error, 3);
    pthread_atfork(NULL, NULL, in_child);
    init_queue();
    init_sink();
    init_desk();
    init_client();
}
