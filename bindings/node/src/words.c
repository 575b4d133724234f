/* The words of commands: strings as UTF-8, numbers as their digits, and the bytes of buffers where they are. */
#include "addon.h"

#include <stdio.h>

/* V8 writes whole characters only: what was cut off leaves less than this. */
enum { LONGEST_CHARACTER = 4 };

static bool add_block(Instance *in, size_t size) {
    Block *block = malloc(sizeof *block + size);
    if (!block) {
        napi_throw_error(in->env, NULL, "out of memory");
        return false;
    }
    block->next = in->block;
    block->size = size;
    block->used = 0;
    in->block = block;
    return true;
}

/* Only the first block, which is the last of the list, stays. */
void words_reset(Instance *in) {
    while (in->block && in->block->next) {
        Block *block = in->block;
        in->block = block->next;
        free(block);
    }
    if (in->block)
        in->block->used = 0;
}

void *words_memory(Instance *in, size_t size) {
    size = (size + 15) & ~(size_t)15;
    size_t used = in->block ? (in->block->used + 15) & ~(size_t)15 : 0;
    if (!in->block || used > in->block->size || in->block->size - used < size) {
        if (!add_block(in, size > FIRST_BLOCK ? size : FIRST_BLOCK))
            return NULL;
        used = 0;
    }
    in->block->used = used + size;
    return in->block->bytes + used;
}

static bool from_string(Instance *in, napi_value value, jr_bytes *word) {
    if (!in->block && !add_block(in, FIRST_BLOCK))
        return false;
    size_t room = in->block->size - in->block->used, length = 0;
    char *start = in->block->bytes + in->block->used;
    if (room > LONGEST_CHARACTER) {
        if (napi_get_value_string_utf8(in->env, value, start, room, &length) != napi_ok)
            return throw_type(in, "a word cannot be read"), false;
        if (length + LONGEST_CHARACTER < room) {
            in->block->used += length;
            word->data = start;
            word->len = length;
            return true;
        }
    }
    if (napi_get_value_string_utf8(in->env, value, NULL, 0, &length) != napi_ok)
        return throw_type(in, "a word cannot be read"), false;
    if (!add_block(in, length + LONGEST_CHARACTER + 1 > FIRST_BLOCK ? length + LONGEST_CHARACTER + 1 : FIRST_BLOCK))
        return false;
    napi_get_value_string_utf8(in->env, value, in->block->bytes, in->block->size, &length);
    in->block->used = length;
    word->data = in->block->bytes;
    word->len = length;
    return true;
}

static bool from_number(Instance *in, napi_value value, jr_bytes *word) {
    double number = 0;
    napi_get_value_double(in->env, value, &number);
    int64_t whole = number >= -9007199254740992.0 && number <= 9007199254740992.0 ? (int64_t)number : 0;
    if ((double)whole == number) {
        char *text = words_memory(in, 24);
        if (!text)
            return false;
        word->data = text;
        word->len = (size_t)snprintf(text, 24, "%lld", (long long)whole);
        return true;
    }
    if (number != number)
        return throw_type(in, "NaN is not a word of a command"), false;
    if (number - number != 0) { /* the way of servers */
        *word = jr_text(number > 0 ? "inf" : "-inf");
        return true;
    }
    napi_value text;
    return napi_coerce_to_string(in->env, value, &text) == napi_ok && from_string(in, text, word);
}

/* What has bytes; they stay where they are until the call is over. */
static bool from_object(Instance *in, napi_value value, jr_bytes *word) {
    napi_env env = in->env;
    bool is = false;
    void *data = NULL;
    size_t length = 0;
    /* Of typed arrays, DataView and Buffer: the length in bytes. */
    if (napi_is_buffer(env, value, &is) == napi_ok && is) {
        napi_get_buffer_info(env, value, &data, &length);
    } else if (napi_is_arraybuffer(env, value, &is) == napi_ok && is) {
        napi_get_arraybuffer_info(env, value, &data, &length);
    } else {
        return throw_type(in, "a word of a command is a string, a number, a bigint, a Buffer or a typed array"), false;
    }
    word->data = data;
    word->len = length;
    return true;
}

bool word_from(Instance *in, napi_value value, jr_bytes *word) {
    napi_valuetype type;
    if (napi_typeof(in->env, value, &type) != napi_ok)
        return false;
    switch (type) {
    case napi_string:
        return from_string(in, value, word);
    case napi_number:
        return from_number(in, value, word);
    case napi_object:
        return from_object(in, value, word);
    case napi_bigint: {
        napi_value text;
        return napi_coerce_to_string(in->env, value, &text) == napi_ok && from_string(in, text, word);
    }
    default:
        throw_type(in, "a word of a command is a string, a number, a bigint, a Buffer or a typed array");
        return false;
    }
}

bool words_from_array(Instance *in, napi_value array, jr_bytes **words, size_t *count) {
    bool is = false;
    uint32_t length = 0;
    if (napi_is_array(in->env, array, &is) != napi_ok || !is)
        return throw_type(in, "a command is an array of its words"), false;
    napi_get_array_length(in->env, array, &length);
    jr_bytes *list = words_memory(in, length * sizeof *list);
    if (!list)
        return false;
    for (uint32_t i = 0; i < length; i++) {
        napi_handle_scope scope;
        napi_value value;
        if (napi_open_handle_scope(in->env, &scope) != napi_ok)
            return false;
        bool good = napi_get_element(in->env, array, i, &value) == napi_ok && word_from(in, value, &list[i]);
        napi_close_handle_scope(in->env, scope);
        if (!good)
            return false;
    }
    *words = list;
    *count = length;
    return true;
}

bool text_from(Instance *in, napi_value value, const char **text) {
    napi_valuetype type;
    if (napi_typeof(in->env, value, &type) != napi_ok)
        return false;
    *text = NULL;
    if (type == napi_undefined || type == napi_null)
        return true;
    size_t length = 0;
    if (napi_get_value_string_utf8(in->env, value, NULL, 0, &length) != napi_ok)
        return throw_type(in, "a string is expected"), false;
    char *copy = words_memory(in, length + 1);
    if (!copy)
        return false;
    napi_get_value_string_utf8(in->env, value, copy, length + 1, &length);
    if (memchr(copy, 0, length))
        return throw_type(in, "a string without NUL is expected"), false;
    *text = copy;
    return true;
}
