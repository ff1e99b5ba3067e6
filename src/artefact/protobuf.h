/* Protocol buffers without generated code: a walk over the fields of a message and of those inside it that
 * a schema names. Nothing is held but a stack of ends; strings and blobs are told by their place, so a
 * file of gigabytes is skipped through. No recursion. Source: the encoding guide of protobuf.dev. */
#ifndef SL_ARTEFACT_PROTOBUF_H
#define SL_ARTEFACT_PROTOBUF_H

#include "artefact/scan.h"

/* Readers stop at a depth of 100. */
#define SL_PROTOBUF_DEPTH_MAX 100u

enum { SL_WIRE_VARINT = 0, SL_WIRE_64 = 1, SL_WIRE_BYTES = 2, SL_WIRE_32 = 5 };

typedef struct {
    uint32_t field;
    uint8_t wire;
    uint64_t value;  /* a number, or the length of bytes */
    uint64_t offset; /* of the value or of the first of the bytes */
} sl_protobuf_value;

/* A field that holds a message. */
typedef struct {
    uint8_t message; /* in which */
    uint32_t field;
    uint8_t child; /* which */
} sl_protobuf_child;

/* `depth` counts from 0 for the root. What these return other than SL_DONE ends the walk. */
typedef struct {
    const sl_protobuf_child *children;
    size_t child_count;
    sl_res (*begin)(void *context, unsigned message, unsigned depth, uint64_t offset);
    sl_res (*value)(void *context, unsigned message, unsigned depth,
                    const sl_protobuf_value *value);
    sl_res (*end)(void *context, unsigned message, unsigned depth);
} sl_protobuf_schema;

/* Walks the whole source as a message of type `root`. SL_E_TRUNCATED, SL_E_SYNTAX (a group, field 0, a
 * message that is no bytes), SL_E_DEPTH, SL_E_LIMIT (nodes). */
SL_MUST sl_res sl_protobuf_walk(sl_scan *scan, sl_source *source, const sl_protobuf_schema *schema,
                                unsigned root, void *context);

/* The next field of the cursor's range; bytes are skipped. */
SL_MUST sl_res sl_protobuf_next(sl_cursor *cursor, sl_protobuf_value *ret_value);

/* For identifiers: are these bytes, to their end, fields? At most `count` of them are read; calls `see` for
 * each, which returns false to say no. */
bool sl_protobuf_looks(sl_source *source, uint64_t from, uint64_t to, size_t count,
                       bool (*see)(void *context, const sl_protobuf_value *value), void *context);

#endif
