/* Replies as values of JavaScript. The texts and numbers of a batch of completions become values here, in one row; how
 * they hang together is written beside it into numbers that are shared with JavaScript (`ops`), and lib/replies.js puts
 * arrays, objects and sets together: that is several times as fast as one call of N-API for each item.
 *
 *     ops:         COUNT, then for each completion SLOT FLAGS DROPPED NODE
 *     NODE:        KIND | LENGTH << 4, then what the kind says: its items, or of an error its status and outcome
 *     in the row:  a value for each LEAF, BIG and ERROR, in their order
 */
#include "addon.h"

/* The kinds of nodes, as lib/replies.js knows them. */
enum { LEAF, NIL, TRUE, FALSE, ARRAY, MAP, SET, ERROR, BIG };

/* The row goes to JavaScript, which keeps it; its handles are not needed any more. */
static void spill(Instance *in) {
    napi_value function, self;
    if (napi_get_reference_value(in->env, in->functions[SPILL], &function) == napi_ok &&
        napi_get_undefined(in->env, &self) == napi_ok)
        napi_call_function(in->env, self, function, in->leaf_count, in->leaves, NULL);
    in->leaf_count = 0;
    napi_close_handle_scope(in->env, in->scope);
    napi_open_handle_scope(in->env, &in->scope);
}

static void put_leaf(Instance *in, napi_value value) {
    in->leaves[in->leaf_count++] = value;
    if (in->leaf_count == MAX_LEAVES)
        spill(in);
}

/* More room for ops: a larger buffer, which JavaScript gets to know. False: there is no memory. */
static bool grow(Instance *in) {
    napi_value buffer, function, self;
    void *data = NULL;
    size_t capacity = in->op_capacity ? in->op_capacity * 2 : FIRST_OPS;
    if (napi_create_arraybuffer(in->env, capacity * sizeof *in->ops, &data, &buffer) != napi_ok ||
        napi_get_undefined(in->env, &self) != napi_ok ||
        napi_get_reference_value(in->env, in->functions[GROW], &function) != napi_ok ||
        napi_call_function(in->env, self, function, 1, &buffer, NULL) != napi_ok)
        return false;
    if (in->op_count > 0)
        memcpy(data, in->ops, in->op_count * sizeof *in->ops);
    if (in->ops_buffer)
        napi_delete_reference(in->env, in->ops_buffer);
    in->ops = data;
    in->op_capacity = capacity;
    return napi_create_reference(in->env, buffer, 1, &in->ops_buffer) == napi_ok;
}

static void put(Instance *in, uint32_t op) {
    if (in->op_count < in->op_capacity || grow(in))
        in->ops[in->op_count++] = op;
}

static bool is_ascii(const char *bytes, size_t length) {
    uint64_t all = 0, eight;
    for (; length >= sizeof eight; bytes += sizeof eight, length -= sizeof eight) {
        memcpy(&eight, bytes, sizeof eight);
        all |= eight;
    }
    for (; length > 0; length--)
        all |= (uint64_t)(unsigned char)*bytes++;
    return (all & 0x8080808080808080u) == 0;
}

static napi_value text_value(Instance *in, const char *bytes, size_t length, bool buffers) {
    napi_value value = NULL;
    napi_status status;
    if (buffers)
        status = napi_create_buffer_copy(in->env, length, bytes, NULL, &value);
    else if (is_ascii(bytes, length))
        status = napi_create_string_latin1(in->env, bytes, length, &value);
    else
        status = napi_create_string_utf8(in->env, bytes, length, &value);
    return status == napi_ok ? value : NULL;
}

static void put_error(Instance *in, jr_status status, uint32_t outcome, bool has_attributes, napi_value text) {
    put(in, ERROR | (has_attributes ? 1u << 4 : 0));
    put(in, (uint32_t)status);
    put(in, outcome);
    put_leaf(in, text);
}

/* What is longer than V8 has strings is an error in its place. */
static void convert_text(Instance *in, const jr_reply *reply, uint32_t kind, bool buffers) {
    napi_value value = text_value(in, reply->bytes, reply->length, buffers);
    if (value) {
        put(in, kind);
        put_leaf(in, value);
    } else {
        napi_create_string_utf8(in->env, "the answer is too long for a string of JavaScript: ask for Buffers",
                                NAPI_AUTO_LENGTH, &value);
        put_error(in, JR_ERR_MEMORY, JR_OUTCOME_ANSWERED, false, value);
    }
}

static napi_value integer_value(Instance *in, int64_t integer) {
    napi_value value = NULL;
    if (integer >= INT32_MIN && integer <= INT32_MAX)
        napi_create_int32(in->env, (int32_t)integer, &value);
    else if (integer >= -9007199254740991 && integer <= 9007199254740991)
        napi_create_double(in->env, (double)integer, &value);
    else
        napi_create_bigint_int64(in->env, integer, &value);
    return value;
}

static void convert(Instance *in, const jr_reply *reply, bool buffers);

static void convert_items(Instance *in, const jr_reply *reply, uint32_t kind, bool buffers) {
    put(in, kind | (uint32_t)reply->length << 4);
    for (size_t i = 0; i < reply->length; i++)
        convert(in, &reply->items[i], buffers);
}

/* The keys become names of properties, which are strings. */
static void convert_map(Instance *in, const jr_reply *reply, bool buffers) {
    put(in, MAP | (uint32_t)(reply->length / 2) << 4);
    for (size_t i = 0; i < reply->length; i++)
        convert(in, &reply->items[i], buffers && i % 2 == 1);
}

static void convert_error(Instance *in, const jr_reply *reply) {
    const jr_reply *attributes = jr_reply_attributes(reply);
    napi_value text = NULL;
    napi_create_string_utf8(in->env, reply->bytes, reply->length, &text);
    put_error(in, (jr_status)reply->integer,
              reply->flags & (JR_OUTCOME_NOT_RUN | JR_OUTCOME_UNKNOWN | JR_OUTCOME_ANSWERED), attributes != NULL, text);
    if (attributes)
        convert(in, attributes, false);
}

static void convert(Instance *in, const jr_reply *reply, bool buffers) {
    napi_value value = NULL;
    switch (reply->kind) {
    case JR_STRING:
    case JR_STATUS:
    case JR_VERB:
        convert_text(in, reply, LEAF, buffers && reply->kind != JR_STATUS);
        break;
    case JR_INTEGER:
        put(in, LEAF);
        put_leaf(in, integer_value(in, reply->integer));
        break;
    case JR_DOUBLE:
        put(in, LEAF);
        napi_create_double(in->env, reply->number, &value);
        put_leaf(in, value);
        break;
    case JR_BIGNUM:
        convert_text(in, reply, BIG, false);
        break;
    case JR_BOOL:
        put(in, reply->integer ? TRUE : FALSE);
        break;
    case JR_ARRAY:
    case JR_PUSH:
        convert_items(in, reply, ARRAY, buffers);
        break;
    case JR_MAP:
    case JR_ATTR:
        convert_map(in, reply, buffers);
        break;
    case JR_SET:
        convert_items(in, reply, SET, buffers);
        break;
    case JR_ERROR:
        convert_error(in, reply);
        break;
    default:
        put(in, NIL);
    }
}

static uint32_t dropped_before(const jr_completion *completion) {
    int64_t count = 0;
    if (completion->flags & JR_COMPLETION_DROPPED)
        jr_reply_int64(jr_reply_find(jr_reply_attributes(completion->reply), "dropped"), &count);
    return count > UINT32_MAX ? UINT32_MAX : (uint32_t)count;
}

void convert_batch(Instance *in, const jr_completion *batch, int64_t count) {
    in->op_count = in->leaf_count = 0;
    put(in, (uint32_t)count);
    for (int64_t i = 0; i < count; i++) {
        put(in, (uint32_t)batch[i].user_data);
        put(in, batch[i].flags);
        put(in, dropped_before(&batch[i]));
        convert(in, batch[i].reply, (batch[i].user_data >> 32 << CONVERT_SHIFT & CONVERT_BUFFERS) != 0);
    }
}

void convert_one(Instance *in, const jr_reply *reply) {
    in->op_count = in->leaf_count = 0;
    put(in, 0);
    convert(in, reply, false);
}
