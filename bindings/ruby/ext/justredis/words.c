/* Words of commands: strings, symbols and numbers, in arrays and hashes of any depth, as the bytes that are sent. */
#include "extension.h"

#include <math.h>

VALUE word(VALUE value) {
    if (RB_TYPE_P(value, T_STRING))
        return value;
    if (RB_SYMBOL_P(value))
        return rb_sym2str(value);
    if (RB_INTEGER_TYPE_P(value))
        return rb_obj_as_string(value);
    if (RB_FLOAT_TYPE_P(value)) {
        if (isinf(RFLOAT_VALUE(value)))
            return rb_str_new_cstr(RFLOAT_VALUE(value) < 0 ? "-inf" : "inf");
        return rb_obj_as_string(value);
    }
    VALUE text = rb_check_string_type(value);
    if (NIL_P(text))
        rb_raise(rb_eTypeError, "a word of a command is a String, a Symbol, an Integer or a Float, not %" PRIsVALUE,
                 rb_inspect(value));
    return text;
}

static void add_words(VALUE list, VALUE value, int depth);

static int add_pair(VALUE key, VALUE value, VALUE list) {
    add_words(list, key, 1);
    add_words(list, value, 1);
    return ST_CONTINUE;
}

static void add_words(VALUE list, VALUE value, int depth) {
    if (depth > 100)
        rb_raise(rb_eArgError, "the words of a command are nested too deeply");
    if (RB_TYPE_P(value, T_ARRAY)) {
        for (long i = 0; i < RARRAY_LEN(value); i++)
            add_words(list, RARRAY_AREF(value, i), depth + 1);
    } else if (RB_TYPE_P(value, T_HASH)) {
        rb_hash_foreach(value, add_pair, list);
    } else {
        rb_ary_push(list, word(value));
    }
}

/* An array of nothing but strings: the one that is given, if it is that already. */
static VALUE flat(VALUE list) {
    Check_Type(list, T_ARRAY);
    long plain = 0;
    while (plain < RARRAY_LEN(list) && RB_TYPE_P(RARRAY_AREF(list, plain), T_STRING))
        plain++;
    if (plain == RARRAY_LEN(list))
        return list;
    VALUE words = rb_ary_new_capa(RARRAY_LEN(list));
    add_words(words, list, 0);
    return words;
}

/* From here on no code of the program runs, so that strings and arrays stay as they are. */
static jr_bytes *fill(jr_bytes *args, jr_command *command, VALUE words) {
    command->args = args;
    command->count = (size_t)RARRAY_LEN(words);
    for (size_t i = 0; i < command->count; i++) {
        VALUE text = RARRAY_AREF(words, (long)i);
        args[i].data = RSTRING_PTR(text);
        args[i].len = (size_t)RSTRING_LEN(text);
    }
    return args + command->count;
}

static jr_bytes *space_for(Commands *commands, size_t total) {
    if (total <= WORDS_ON_STACK)
        return commands->few;
    return rb_alloc_tmp_buffer(&commands->buffers[0], (long)(total * sizeof(jr_bytes)));
}

void command_init(Commands *commands, VALUE list) {
    commands->buffers[0] = commands->buffers[1] = Qnil;
    commands->words = flat(list);
    commands->count = 1;
    commands->commands = &commands->one;
    fill(space_for(commands, (size_t)RARRAY_LEN(commands->words)), &commands->one, commands->words);
}

void commands_init(Commands *commands, VALUE list) {
    commands->buffers[0] = commands->buffers[1] = Qnil;
    Check_Type(list, T_ARRAY);
    commands->words = rb_ary_new_capa(RARRAY_LEN(list));
    for (long i = 0; i < RARRAY_LEN(list); i++)
        rb_ary_push(commands->words, flat(RARRAY_AREF(list, i)));
    commands->count = (size_t)RARRAY_LEN(commands->words);
    size_t total = 0;
    for (size_t i = 0; i < commands->count; i++)
        total += (size_t)RARRAY_LEN(RARRAY_AREF(commands->words, (long)i));
    commands->commands = rb_alloc_tmp_buffer(&commands->buffers[1], (long)((commands->count + 1) * sizeof(jr_command)));
    jr_bytes *args = space_for(commands, total);
    for (size_t i = 0; i < commands->count; i++)
        args = fill(args, &commands->commands[i], RARRAY_AREF(commands->words, (long)i));
}
