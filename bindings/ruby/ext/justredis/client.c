/* Clients, views and leases of the library. A client is made when it is first used, and again in a child process, as
 * are its views; a lease is not. */
#include "extension.h"

typedef struct {
    jr_client *handle; /* NULL: not made yet, or given back */
    unsigned generation;
    enum { CLIENT, VIEW, LEASE } kind;
    VALUE parent;      /* of a view or a lease: the client */
    uint32_t database; /* of a view */
    VALUE options;     /* of a client: [[name, value], ...] */
    VALUE desk;        /* of a client: the class of Ruby that makes what serves its callbacks, or nil */
    VALUE desks;       /* and what it has made */
    VALUE credentials; /* [user, password] that were brought while it ran, or nil */
    int ended;
    int closing; /* so many threads wait in jr_client_close */
} Client;

static VALUE client_class;
static ID id_open, id_close, id_dials, id_has_credentials;

static void client_mark(void *data) {
    Client *client = data;
    rb_gc_mark(client->parent);
    rb_gc_mark(client->options);
    rb_gc_mark(client->desk);
    rb_gc_mark(client->desks);
    rb_gc_mark(client->credentials);
}

static void client_free(void *data) {
    Client *client = data;
    jr_client_free(client->handle);
    xfree(client);
}

static const rb_data_type_t client_type = {
    .wrap_struct_name = "JustRedis::Native::Client",
    .function = {.dmark = client_mark, .dfree = client_free},
    .flags = RUBY_TYPED_FREE_IMMEDIATELY,
};

static Client *client_of(VALUE self) {
    return rb_check_typeddata(self, &client_type);
}

static VALUE make(VALUE klass, Client **client) {
    VALUE self = TypedData_Make_Struct(klass, Client, &client_type, *client);
    (*client)->generation = process_generation;
    (*client)->parent = (*client)->options = (*client)->desk = (*client)->desks = (*client)->credentials = Qnil;
    return self;
}

typedef struct {
    jr_config *config;
    Client *client;
    VALUE options;
} Making;

static void set_options(jr_config *config, VALUE options) {
    Check_Type(options, T_ARRAY);
    for (long i = 0; i < RARRAY_LEN(options); i++) {
        VALUE pair = RARRAY_AREF(options, i);
        VALUE name = rb_ary_entry(pair, 0), value = rb_ary_entry(pair, 1);
        jr_status status = jr_config_set(config, StringValueCStr(name), StringValueCStr(value));
        if (status != JR_OK)
            raise_status(status);
    }
}

static VALUE make_client(VALUE argument) {
    Making *making = (Making *)argument;
    set_options(making->config, making->options);
    Client *client = making->client;
    if (!client)
        return Qnil;
    if (!NIL_P(client->desk)) {
        client->desks = rb_funcall(client->desk, id_open, 0);
        desk_use(client->desks, making->config, RTEST(rb_funcall(client->desk, id_dials, 0)),
                 RTEST(rb_funcall(client->desk, id_has_credentials, 0)));
    }
    /* Functions of Ruby ran: another thread may have made it. */
    if (client->handle)
        return Qnil;
    jr_client *handle = NULL;
    jr_status status = jr_client_new(making->config, &handle);
    if (status != JR_OK)
        raise_status(status);
    client->handle = handle;
    if (!NIL_P(client->credentials)) {
        VALUE user = rb_ary_entry(client->credentials, 0), password = rb_ary_entry(client->credentials, 1);
        jr_client_set_credentials(handle, NIL_P(user) ? NULL : StringValueCStr(user), StringValueCStr(password));
    }
    return Qnil;
}

static VALUE end_making(VALUE argument) {
    jr_config_free(((Making *)argument)->config);
    return Qnil;
}

static void with_config(Client *client, VALUE options) {
    Making making = {jr_config_new(), client, options};
    if (!making.config)
        rb_raise(rb_eNoMemError, "no memory for a configuration");
    rb_ensure(make_client, (VALUE)&making, end_making, (VALUE)&making);
}

NORETURN(static void raise_closed(const Client *client));
static void raise_closed(const Client *client) {
    static const char gone[] = "it has been given back", closed[] = "the client is closed";
    if (client->kind == CLIENT)
        rb_exc_raise(new_error(JR_ERR_CLOSED, JR_OUTCOME_NOT_RUN, closed, sizeof closed - 1));
    rb_exc_raise(new_error(JR_ERR_CLOSED, JR_OUTCOME_NOT_RUN, gone, sizeof gone - 1));
}

jr_client *client_handle(VALUE self) {
    static const char of_parent[] = "the connection of a lease is that of the parent process";
    Client *client = client_of(self);
    if (client->handle && client->generation == process_generation)
        return client->handle;
    if (client->ended)
        raise_closed(client);
    if (client->kind == LEASE)
        rb_exc_raise(new_error(JR_ERR_FORKED, JR_OUTCOME_NOT_RUN, of_parent, sizeof of_parent - 1));
    if (client->generation != process_generation) {
        jr_client_free(client->handle);
        client->handle = NULL;
        client->generation = process_generation;
    }
    if (client->kind == CLIENT) {
        with_config(client, client->options);
    } else {
        jr_status status = jr_client_database(client_handle(client->parent), client->database, &client->handle);
        if (status != JR_OK)
            raise_status(status);
    }
    return client->handle;
}

jr_client *client_handle_if_any(VALUE self) {
    return client_of(self)->handle;
}

/* new(options, desk): `options` are pairs of strings; the desk may be nil. */
static VALUE client_s_new(VALUE klass, VALUE options, VALUE desk) {
    Client *client;
    with_config(NULL, options);
    VALUE self = make(klass, &client);
    client->options = options;
    client->desk = desk;
    return self;
}

static VALUE client_database(VALUE self, VALUE number) {
    Client *view;
    VALUE object = make(client_class, &view);
    view->kind = VIEW;
    view->parent = self;
    long long chosen = NUM2LL(number);
    if (chosen < 0 || chosen > UINT32_MAX)
        rb_raise(rb_eRangeError, "there is no database %lld", chosen);
    view->database = (uint32_t)chosen;
    return object;
}

/* lease(key): one connection for itself; the key may be nil. */
static VALUE client_lease(VALUE self, VALUE key) {
    Client *lease;
    VALUE object = make(client_class, &lease);
    jr_bytes bytes = {NULL, 0};
    lease->kind = LEASE;
    lease->parent = self;
    jr_client *handle = client_handle(self);
    if (!NIL_P(key)) {
        key = word(key);
        bytes.data = RSTRING_PTR(key);
        bytes.len = (size_t)RSTRING_LEN(key);
    }
    jr_status status = jr_client_lease(handle, NIL_P(key) ? NULL : &bytes, &lease->handle);
    RB_GC_GUARD(key);
    if (status != JR_OK)
        raise_status(status);
    return object;
}

/* release: gives a lease or a view back. */
static VALUE client_release(VALUE self) {
    Client *client = client_of(self);
    jr_client *handle = client->handle;
    client->ended = 1;
    client->handle = NULL;
    jr_client_free(handle);
    return Qnil;
}

typedef struct {
    jr_client *handle;
    uint32_t timeout_ms;
    int ran;
    jr_status status;
} Closing;

static void *close_it(void *argument) {
    Closing *closing = argument;
    closing->ran = 1;
    closing->status = jr_client_close(closing->handle, closing->timeout_ms);
    return NULL;
}

/* close(milliseconds) -> true or false: waits, without the GVL; whether everything came to its end by itself. */
static VALUE client_close(VALUE self, VALUE timeout) {
    Client *client = client_of(self);
    Closing closing = {client->handle, NUM2UINT(timeout), 0, JR_OK};
    client->ended = 1;
    if (!closing.handle)
        return Qtrue;
    if (client->generation != process_generation) {
        jr_client_free(client->handle);
        client->handle = NULL;
        return Qtrue;
    }
    client->closing++;
    while (!closing.ran) {
        rb_nogvl(close_it, &closing, NULL, NULL, RB_NOGVL_INTR_FAIL);
        /* Who is interrupted before it begins lets the garbage collector end it. */
        if (!closing.ran)
            rb_thread_check_ints();
    }
    if (--client->closing == 0 && client->handle == closing.handle) {
        client->handle = NULL;
        jr_client_free(closing.handle);
    }
    turns_let_go();
    RB_GC_GUARD(self);
    if (!NIL_P(client->desks))
        rb_funcall(client->desks, id_close, 0);
    if (closing.status != JR_OK && closing.status != JR_ERR_TIMEOUT)
        raise_status(closing.status);
    return closing.status == JR_OK ? Qtrue : Qfalse;
}

static VALUE convert_map_reply(VALUE argument) {
    return convert((const jr_reply *)argument, rb_utf8_encindex());
}

static VALUE free_reply(VALUE argument) {
    jr_reply_free((jr_reply *)argument);
    return Qnil;
}

static VALUE give(jr_status status, jr_reply *reply) {
    if (status != JR_OK)
        raise_status(status);
    return rb_ensure(convert_map_reply, (VALUE)reply, free_reply, (VALUE)reply);
}

static VALUE client_stats(VALUE self) {
    jr_reply *reply = NULL;
    jr_status status = jr_client_stats(client_handle(self), &reply);
    return give(status, reply);
}

static VALUE client_locate(VALUE self, VALUE key) {
    jr_reply *reply = NULL;
    jr_client *handle = client_handle(self);
    key = word(key);
    jr_bytes bytes = {RSTRING_PTR(key), (size_t)RSTRING_LEN(key)};
    jr_status status = jr_client_locate(handle, &bytes, &reply);
    RB_GC_GUARD(key);
    return give(status, reply);
}

/* set_credentials(user, password): the user may be nil. */
static VALUE client_set_credentials(VALUE self, VALUE user, VALUE password) {
    jr_client *handle = client_handle(self);
    const char *name = NIL_P(user) ? NULL : StringValueCStr(user);
    jr_status status = jr_client_set_credentials(handle, name, StringValueCStr(password));
    if (status != JR_OK)
        raise_status(status);
    client_of(self)->credentials = rb_ary_new_from_args(2, user, password);
    return Qnil;
}

/* cancel(id) -> true or false: whether there was such a request. */
static VALUE client_cancel(VALUE self, VALUE id) {
    return jr_cancel(client_handle(self), NUM2ULL(id)) == JR_OK ? Qtrue : Qfalse;
}

void init_client(void) {
    id_open = rb_intern("open");
    id_close = rb_intern("close");
    id_dials = rb_intern("dials?");
    id_has_credentials = rb_intern("has_credentials?");
    client_class = rb_define_class_under(native, "Client", rb_cObject);
    rb_undef_alloc_func(client_class);
    rb_define_singleton_method(client_class, "new", client_s_new, 2);
    rb_define_method(client_class, "database", client_database, 1);
    rb_define_method(client_class, "lease", client_lease, 1);
    rb_define_method(client_class, "release", client_release, 0);
    rb_define_method(client_class, "close", client_close, 1);
    rb_define_method(client_class, "stats", client_stats, 0);
    rb_define_method(client_class, "locate", client_locate, 1);
    rb_define_method(client_class, "set_credentials", client_set_credentials, 2);
    rb_define_method(client_class, "cancel", client_cancel, 1);
    init_request(client_class);
}
