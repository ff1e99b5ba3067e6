/* The walk over protocol buffers (protobuf.h). It must end for any bytes: every step goes forward, and no
 * length is believed before it is compared with what is left of the message around it. */
#include "artefact/protobuf.h"

sl_res sl_protobuf_next(sl_cursor *cursor, sl_protobuf_value *ret_value)
{
    uint64_t tag = 0;
    uint64_t at = cursor->at;
    sl_protobuf_value v = { 0 };
    uint32_t small = 0;
    SL_TRY(sl_cursor_varint(cursor, &tag));
    if (tag > UINT32_MAX || tag >> 3 == 0) {
        return sl_fail_at(SL_E_SYNTAX, "protobuf tag", at);
    }
    v.field = (uint32_t)(tag >> 3);
    v.wire = (uint8_t)(tag & 7);
    v.offset = cursor->at;
    switch (v.wire) {
    case SL_WIRE_VARINT:
        SL_TRY(sl_cursor_varint(cursor, &v.value));
        break;
    case SL_WIRE_64:
        SL_TRY(sl_cursor_u64le(cursor, &v.value));
        break;
    case SL_WIRE_32:
        SL_TRY(sl_cursor_u32le(cursor, &small));
        v.value = small;
        break;
    case SL_WIRE_BYTES:
        SL_TRY(sl_cursor_varint(cursor, &v.value));
        v.offset = cursor->at;
        SL_TRY(sl_cursor_skip(cursor, v.value));
        break;
    default:
        return sl_fail_at(SL_E_SYNTAX, "protobuf wire type", at);
    }
    *ret_value = v;
    return SL_DONE;
}

static const sl_protobuf_child *child_of(const sl_protobuf_schema *schema, unsigned message,
                                         uint32_t field)
{
    for (size_t i = 0; i < schema->child_count; i++) {
        if (schema->children[i].message == message && schema->children[i].field == field) {
            return &schema->children[i];
        }
    }
    return NULL;
}

sl_res sl_protobuf_walk(sl_scan *scan, sl_source *source, const sl_protobuf_schema *schema,
                        unsigned root, void *context)
{
    struct {
        uint64_t end;
        unsigned message;
    } stack[SL_PROTOBUF_DEPTH_MAX];
    sl_cursor cursor = sl_cursor_over(source);
    unsigned depth = 0;
    stack[0].end = cursor.end;
    stack[0].message = root;
    SL_TRY(schema->begin(context, root, 0, 0));
    for (;;) {
        if (cursor.at >= stack[depth].end) {
            SL_TRY(schema->end(context, stack[depth].message, depth));
            if (depth == 0) {
                return SL_DONE;
            }
            cursor.end = stack[--depth].end;
            continue;
        }
        sl_protobuf_value v;
        SL_TRY(sl_scan_spend(scan, SL_SPEND_NODES, 1));
        SL_TRY(sl_protobuf_next(&cursor, &v));
        const sl_protobuf_child *child = child_of(schema, stack[depth].message, v.field);
        if (child == NULL) {
            SL_TRY(schema->value(context, stack[depth].message, depth, &v));
            continue;
        }
        if (v.wire != SL_WIRE_BYTES) {
            return sl_fail_at(SL_E_SYNTAX, "protobuf message", v.offset);
        }
        if (depth + 1 == SL_PROTOBUF_DEPTH_MAX) {
            return sl_fail_at(SL_E_DEPTH, "protobuf depth", v.offset);
        }
        depth++;
        stack[depth].end = v.offset + v.value;
        stack[depth].message = child->child;
        cursor.at = v.offset;
        cursor.end = stack[depth].end;
        SL_TRY(schema->begin(context, child->child, depth, v.offset));
    }
}

bool sl_protobuf_looks(sl_source *source, uint64_t from, uint64_t to, size_t count,
                       bool (*see)(void *context, const sl_protobuf_value *value), void *context)
{
    sl_cursor cursor = sl_cursor_part(source, from, to);
    for (size_t i = 0; i < count && sl_cursor_left(&cursor) > 0; i++) {
        sl_protobuf_value v;
        if (!sl_ok(sl_protobuf_next(&cursor, &v)) || !see(context, &v)) {
            return false;
        }
    }
    return true;
}
