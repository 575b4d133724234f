/* Replies of the library as objects of Ruby. */
#include "extension.h"

static VALUE convert_text(const jr_reply *reply, int encoding) {
    VALUE text = rb_str_new(reply->bytes, (long)reply->length);
    rb_enc_associate_index(text, encoding);
    return text;
}

static VALUE convert_items(const jr_reply *reply, int encoding) {
    VALUE array = rb_ary_new_capa((long)reply->length);
    for (size_t i = 0; i < reply->length; i++)
        rb_ary_push(array, convert(&reply->items[i], encoding));
    return array;
}

static VALUE convert_map(const jr_reply *reply, int encoding) {
    VALUE hash = rb_hash_new();
    for (size_t i = 0; i + 1 < reply->length; i += 2) {
        VALUE key = convert(&reply->items[i], encoding);
        /* A hash would make a copy of a string that may change. */
        if (RB_TYPE_P(key, T_STRING))
            rb_str_freeze(key);
        rb_hash_aset(hash, key, convert(&reply->items[i + 1], encoding));
    }
    return hash;
}

VALUE convert(const jr_reply *reply, int encoding) {
    switch (reply->kind) {
    case JR_STRING:
    case JR_STATUS:
    case JR_VERB:
        return convert_text(reply, encoding);
    case JR_INTEGER:
        return LL2NUM(reply->integer);
    case JR_ARRAY:
    case JR_SET:
    case JR_PUSH:
        return convert_items(reply, encoding);
    case JR_MAP:
    case JR_ATTR:
        return convert_map(reply, encoding);
    case JR_DOUBLE:
        return DBL2NUM(reply->number);
    case JR_BOOL:
        return reply->integer ? Qtrue : Qfalse;
    case JR_BIGNUM:
        return rb_cstr2inum(reply->bytes, 10);
    case JR_ERROR:
        return new_error((jr_status)reply->integer, reply->flags, reply->bytes, reply->length);
    default:
        return Qnil;
    }
}
