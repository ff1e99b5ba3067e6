/* HDF5, for Keras models and data sets: a walk over superblock, object headers, groups, attributes and their
 * heaps that reads no data. Reading such a file with the library opens other files where links, storage or
 * virtual data sets say so, loads filter plugins, and expands what a few bytes declare; Keras reads a
 * description of layers from an attribute. Where the walk cannot follow the structure it says so, and never
 * calls the file clean. Addresses and lengths are hostile: each is compared with the file's true size, each
 * place is visited once.
 * Source: HDF5 File Format Specification 3.0; CVE-2026-0897 (declared sizes), CVE-2026-1669 (external). */
#include <stdlib.h>
#include <string.h>

#include "artefact/format_parts.h"

#define PLACES_MAX ((size_t)1 << 20)
#define MESSAGE_BYTES_MAX ((uint64_t)65536)
#define TEXT_BYTES_MAX (16 * ((size_t)1 << 20))
#define HEAP_DEPTH_MAX 16u
/* What a data set may declare beyond the file's own size before it counts as a bomb. */
#define DECLARED_FLOOR ((uint64_t)64 << 20)
#define DECLARED_RATIO 1000u
/* A file whose structure cannot be followed is searched for words up to this size. */
#define SEARCH_BYTES_MAX ((uint64_t)256 << 20)

typedef enum { OBJECT, TREE, SYMBOLS, LINK_HEAP, ATTRIBUTE_HEAP } place_kind;

typedef struct {
    uint64_t address;
    place_kind kind;
} place;

/* What one object header said about a data set. */
typedef struct {
    uint64_t element_bytes;
    uint64_t elements;
    bool has_space;
    bool has_type;
} data_set;

typedef struct {
    sl_scan *scan;
    sl_source *source;
    uint64_t base;
    uint64_t size; /* of the file */
    unsigned address_bytes;
    unsigned length_bytes;
    place *places;
    size_t place_count;
    size_t place_room;
    uint64_t *seen; /* open addressing; 0 is empty */
    size_t seen_room;
    size_t seen_count;
    data_set set;
    bool opaque;
} reader;

static const char signature[] = "\x89HDF\r\n\x1a\n";

/* ---- bytes and places ---- */

static uint64_t number(sl_view v, size_t at, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes && at + i < v.n; i++) {
        value |= (uint64_t)v.p[at + i] << (8 * i);
    }
    return value;
}

static bool undefined(const reader *r, uint64_t address)
{
    return address ==
           (r->address_bytes == 8 ? UINT64_MAX : ((uint64_t)1 << (8 * r->address_bytes)) - 1);
}

static sl_res need(reader *r, uint64_t address, uint64_t n, sl_view *ret_view)
{
    uint64_t at = 0;
    if (__builtin_add_overflow(address, r->base, &at) || at > r->size || n > r->size - at) {
        return sl_fail_at(SL_E_TRUNCATED, "hdf5 address", address);
    }
    if (n > SL_SOURCE_WINDOW_MAX) {
        return sl_fail_at(SL_E_LIMIT, "hdf5 structure", address);
    }
    return sl_source_need(r->source, at, (size_t)n, ret_view);
}

static void opaque(reader *r, uint64_t address, const char *what)
{
    sl_scan_report_str(r->scan, SL_RULE_HDF5_OPAQUE, address, what);
    r->opaque = true;
}

/* Marks a place as seen; false if it was. */
static sl_res mark(reader *r, uint64_t key, bool *ret_fresh)
{
    if (2 * r->seen_count >= r->seen_room) {
        size_t room = r->seen_room == 0 ? 1024 : 2 * r->seen_room;
        uint64_t *table = room > 4 * PLACES_MAX ? NULL : calloc(room, sizeof(*table));
        if (table == NULL) {
            return sl_fail_at(SL_E_LIMIT, "hdf5 objects", PLACES_MAX);
        }
        for (size_t i = 0; i < r->seen_room; i++) {
            size_t slot = (size_t)(r->seen[i] * 0x9E3779B97F4A7C15u) & (room - 1);
            while (r->seen[i] != 0 && table[slot] != 0) {
                slot = (slot + 1) & (room - 1);
            }
            table[slot] = r->seen[i] != 0 ? r->seen[i] : table[slot];
        }
        free(r->seen);
        r->seen = table;
        r->seen_room = room;
    }
    size_t slot = (size_t)(key * 0x9E3779B97F4A7C15u) & (r->seen_room - 1);
    while (r->seen[slot] != 0 && r->seen[slot] != key) {
        slot = (slot + 1) & (r->seen_room - 1);
    }
    *ret_fresh = r->seen[slot] == 0;
    r->seen_count += *ret_fresh ? 1 : 0;
    r->seen[slot] = key;
    return SL_DONE;
}

/* Queues a place that has not been there; undefined addresses are none. */
static sl_res visit(reader *r, uint64_t address, place_kind kind)
{
    bool fresh = false;
    if (undefined(r, address)) {
        return SL_DONE;
    }
    if (address >= r->size) {
        return sl_fail_at(SL_E_TRUNCATED, "hdf5 address", address);
    }
    SL_TRY(mark(r, address * 8 + (uint64_t)kind + 1, &fresh));
    if (!fresh) {
        return SL_DONE;
    }
    if (r->place_count == r->place_room) {
        size_t room = r->place_room == 0 ? 64 : 2 * r->place_room;
        place *grown = reallocarray(r->places, room, sizeof(*grown));
        SL_NEED(grown != NULL, SL_E_MEMORY);
        r->places = grown;
        r->place_room = room;
    }
    r->places[r->place_count++] = (place){ address, kind };
    return sl_scan_spend(r->scan, SL_SPEND_NODES, 1);
}

/* ---- attributes ---- */

static sl_res check_text(reader *r, sl_view text, uint64_t offset)
{
    while (text.n > 0 && (text.p[text.n - 1] == 0 || text.p[text.n - 1] == ' ')) {
        text.n--;
    }
    sl_view trimmed = sl_view_trim(text);
    if (trimmed.n < 2 || (trimmed.p[0] != '{' && trimmed.p[0] != '[')) {
        return SL_DONE;
    }
    if (sl_view_find(trimmed, SL_LIT("class_name"), 0) == SIZE_MAX &&
        sl_view_find(trimmed, SL_LIT("ambda"), 0) == SIZE_MAX) {
        return SL_DONE; /* NetCDF and others keep JSON of their own in attributes */
    }
    return sl_scan_keras_text(r->scan, trimmed, offset);
}

/* The text of a variable-length value: in object `index` of the global heap at `address`. */
static sl_res check_heap_text(reader *r, uint64_t address, uint32_t index)
{
    sl_view v = { 0 };
    SL_TRY(need(r, address, 8 + r->length_bytes, &v));
    uint64_t size = number(v, 8, r->length_bytes);
    if (memcmp(v.p, "GCOL", 4) != 0) {
        return sl_fail_at(SL_E_SYNTAX, "hdf5 global heap", address);
    }
    uint64_t end = 0;
    if (__builtin_add_overflow(address, size, &end)) {
        return sl_fail_at(SL_E_RANGE, "hdf5 global heap", address);
    }
    uint64_t at = address + 8 + r->length_bytes;
    for (unsigned count = 0; count < 65536 && at + 8 + r->length_bytes <= end; count++) {
        SL_TRY(need(r, at, 8 + r->length_bytes, &v));
        uint64_t own = number(v, 0, 2);
        uint64_t bytes = number(v, 8, r->length_bytes);
        at += 8 + r->length_bytes;
        if (own == 0 || bytes > end - at) {
            break;
        }
        if (own == index) {
            SL_OWN(sl_buf, text, sl_buf_free) = { .max = TEXT_BYTES_MAX };
            SL_TRY(need(r, at, 0, &v));
            sl_cursor cursor = sl_cursor_part(r->source, r->base + at, r->base + at + bytes);
            SL_TRY(sl_cursor_copy(&cursor, bytes, &text));
            return check_text(r, sl_buf_view(&text), at);
        }
        uint64_t padded = (bytes + 7) & ~(uint64_t)7;
        if (padded < bytes || padded > end - at) {
            break;
        }
        at += padded;
    }
    return SL_DONE;
}

/* The elements that a dataspace declares; 1 for a scalar. UINT64_MAX if the product overflows. */
static uint64_t space_elements(const reader *r, sl_view v)
{
    if (v.n < 2) {
        return 1;
    }
    size_t at = v.p[0] == 1 ? 8 : 4;
    uint64_t product = v.p[0] == 2 && v.n > 3 && v.p[3] == 2 ? 0 : 1;
    for (unsigned i = 0; i < v.p[1]; i++, at += r->length_bytes) {
        uint64_t one = number(v, at, r->length_bytes);
        if (__builtin_mul_overflow(product, one, &product)) {
            return UINT64_MAX;
        }
    }
    return product;
}

typedef struct {
    sl_view name;
    sl_view type;
    sl_view space;
    size_t data; /* where the value begins */
    size_t end;  /* of the whole message */
    bool shared;
} attribute;

/* Cuts an attribute message into its parts. False if it does not hold together. */
static bool cut_attribute(const reader *r, sl_view v, attribute *ret_attribute)
{
    if (v.n < 9 || v.p[0] < 1 || v.p[0] > 3) {
        return false;
    }
    unsigned version = v.p[0];
    size_t pad = version == 1 ? 7 : 0;
    size_t name = (size_t)number(v, 2, 2);
    size_t type = (size_t)number(v, 4, 2);
    size_t space = (size_t)number(v, 6, 2);
    size_t at = version == 3 ? 9 : 8;
    attribute a = { .shared = version > 1 && (v.p[1] & 3) != 0 };
    size_t type_at = at + ((name + pad) & ~pad);
    size_t space_at = type_at + ((type + pad) & ~pad);
    a.data = space_at + ((space + pad) & ~pad);
    if (a.data > v.n) {
        return false;
    }
    a.name = sl_view_sub(v, at, at + name);
    a.type = sl_view_sub(v, type_at, type_at + type);
    a.space = sl_view_sub(v, space_at, space_at + space);
    uint64_t bytes = type >= 8 ? number(a.type, 4, 4) : 0;
    uint64_t elements = space_elements(r, a.space);
    uint64_t all = 0;
    if (__builtin_mul_overflow(bytes, elements, &all) || all > v.n - a.data) {
        all = v.n - a.data;
    }
    a.end = a.data + (size_t)all;
    *ret_attribute = a;
    return true;
}

static sl_res read_attribute(reader *r, sl_view message, uint64_t address)
{
    attribute a;
    if (!cut_attribute(r, message, &a)) {
        return sl_fail_at(SL_E_SYNTAX, "hdf5 attribute", address);
    }
    if (a.shared || a.type.n < 8) {
        opaque(r, address, "an attribute whose type is kept elsewhere");
        return SL_DONE;
    }
    unsigned class = a.type.p[0] & 15u;
    if (class == 3) {
        return check_text(r, sl_view_sub(message, a.data, a.end), address);
    }
    if (class != 9) {
        return SL_DONE;
    }
    /* Variable length: a length, the address of a heap, an index; for each element. The views of the message
     * do not outlive the reads below. */
    size_t each = 8 + r->address_bytes;
    struct {
        uint64_t heap;
        uint32_t index;
    } values[16];
    size_t count = 0;
    for (size_t at = a.data; at + each <= a.end && count < SL_COUNT_OF(values); at += each) {
        values[count].heap = number(message, at + 4, r->address_bytes);
        values[count].index = (uint32_t)number(message, at + 4 + r->address_bytes, 4);
        count++;
    }
    for (size_t i = 0; i < count; i++) {
        if (values[i].heap != 0 && !undefined(r, values[i].heap)) {
            SL_TRY(check_heap_text(r, values[i].heap, values[i].index));
        }
    }
    return SL_DONE;
}

/* ---- links ---- */

/* A link message; `*ret_used` is its length, so that those of a heap can be read one behind the other. */
static sl_res read_link(reader *r, sl_view v, uint64_t address, size_t *ret_used)
{
    size_t at = 2;
    if (v.n < 4 || v.p[0] != 1) {
        return sl_fail_at(SL_E_SYNTAX, "hdf5 link", address);
    }
    unsigned flags = v.p[1];
    unsigned type = 0;
    if ((flags & 8) != 0) {
        type = v.p[at++];
    }
    at += (flags & 4) != 0 ? 8 : 0;
    at += (flags & 16) != 0 ? 1 : 0;
    uint64_t name = number(v, at, 1u << (flags & 3));
    at += (size_t)1 << (flags & 3);
    if (at > v.n || name > v.n - at) {
        return sl_fail_at(SL_E_TRUNCATED, "hdf5 link", address);
    }
    at += (size_t)name;
    if (type == 0) {
        *ret_used = at + r->address_bytes;
        if (*ret_used > v.n) {
            return sl_fail_at(SL_E_TRUNCATED, "hdf5 link", address);
        }
        return visit(r, number(v, at, r->address_bytes), OBJECT);
    }
    size_t length = (size_t)number(v, at, 2);
    *ret_used = at + 2 + length;
    if (*ret_used > v.n) {
        return sl_fail_at(SL_E_TRUNCATED, "hdf5 link", address);
    }
    if (type == 64) {
        sl_scan_report(r->scan, SL_RULE_HDF5_EXTERNAL, address, sl_view_sub(v, at + 3, *ret_used));
    } else if (type > 1) {
        sl_scan_report(r->scan, SL_RULE_HDF5_PLUGIN, address,
                       SL_LIT("a link of a user's own kind"));
    }
    return SL_DONE;
}

/* ---- messages ---- */

static sl_res read_filters(reader *r, sl_view v, uint64_t address)
{
    if (v.n < 2 || v.p[0] < 1 || v.p[0] > 2) {
        return sl_fail_at(SL_E_SYNTAX, "hdf5 filters", address);
    }
    unsigned version = v.p[0];
    size_t at = version == 1 ? 8 : 2;
    for (unsigned i = 0; i < v.p[1]; i++) {
        uint64_t id = number(v, at, 2);
        bool named = version == 1 || id >= 256;
        size_t name = named ? (size_t)number(v, at + 2, 2) : 0;
        size_t values = at + (named ? 6 : 4);
        size_t count = (size_t)number(v, values, 2);
        if (at + 8 > v.n + (named ? 0 : 2)) {
            return sl_fail_at(SL_E_TRUNCATED, "hdf5 filters", address);
        }
        if (id >= 256) {
            sl_scan_reportf(r->scan, SL_RULE_HDF5_PLUGIN, address, "filter %llu",
                            (unsigned long long)id);
        }
        name = version == 1 ? (name + 7) & ~(size_t)7 : name;
        count += version == 1 ? count & 1 : 0;
        at = values + 2 + name + 4 * count;
    }
    return SL_DONE;
}

static sl_res read_layout(reader *r, sl_view v, uint64_t address)
{
    if (v.n < 3) {
        return sl_fail_at(SL_E_TRUNCATED, "hdf5 layout", address);
    }
    unsigned class = v.p[0] < 3 ? v.p[2] : v.p[1];
    if (class == 3) {
        sl_scan_report_str(r->scan, SL_RULE_HDF5_EXTERNAL, address, "a virtual data set");
    } else if (class > 3) {
        return sl_fail_at(SL_E_SYNTAX, "hdf5 layout", address);
    }
    if (v.p[0] == 3 && class == 1) {
        uint64_t at = number(v, 2, r->address_bytes);
        uint64_t bytes = number(v, 2 + r->address_bytes, r->length_bytes);
        if (!undefined(r, at) && (at > r->size || bytes > r->size - at)) {
            return sl_fail_at(SL_E_TRUNCATED, "hdf5 data", at);
        }
    }
    return SL_DONE;
}

/* Where many links or attributes are kept. */
static sl_res read_info(reader *r, sl_view v, unsigned index_bytes, place_kind kind)
{
    size_t at = 2 + (v.n > 1 && (v.p[1] & 1) != 0 ? index_bytes : 0);
    if (v.n < at + r->address_bytes) {
        return sl_fail(SL_E_TRUNCATED);
    }
    return visit(r, number(v, at, r->address_bytes), kind);
}

static sl_res read_message(reader *r, unsigned type, unsigned flags, sl_view v, uint64_t address)
{
    size_t used = 0;
    bool judged = type == 6 || type == 7 || type == 8 || type == 11 || type == 12;
    if ((flags & 2) != 0 && judged) {
        opaque(r, address, "a message that is kept elsewhere");
        return SL_DONE;
    }
    switch (type) {
    case 1: /* dataspace */
        r->set.elements = space_elements(r, v);
        r->set.has_space = true;
        return SL_DONE;
    case 2:
        return read_info(r, v, 8, LINK_HEAP);
    case 3: /* datatype */
        r->set.element_bytes = number(v, 4, 4);
        r->set.has_type = (flags & 2) == 0;
        return SL_DONE;
    case 6:
        return read_link(r, v, address, &used);
    case 7:
        sl_scan_report_str(r->scan, SL_RULE_HDF5_EXTERNAL, address, "data kept in other files");
        return SL_DONE;
    case 8:
        return read_layout(r, v, address);
    case 11:
        return read_filters(r, v, address);
    case 12:
        return read_attribute(r, v, address);
    case 15: /* shared message table */
        opaque(r, address, "messages shared between objects");
        return SL_DONE;
    case 17: /* symbol table */
        if (v.n < 2 * (size_t)r->address_bytes) {
            return sl_fail_at(SL_E_TRUNCATED, "hdf5 symbol table", address);
        }
        return visit(r, number(v, 0, r->address_bytes), TREE);
    case 20: /* driver */
        sl_scan_report_str(r->scan, SL_RULE_HDF5_EXTERNAL, address, "a driver of several files");
        return SL_DONE;
    case 21:
        return read_info(r, v, 2, ATTRIBUTE_HEAP);
    default:
        return SL_DONE;
    }
}

static void check_declared(reader *r, uint64_t address)
{
    uint64_t bytes = 0;
    if (!r->set.has_space || !r->set.has_type) {
        return;
    }
    bool overflow = __builtin_mul_overflow(r->set.elements, r->set.element_bytes, &bytes);
    uint64_t most = r->size > UINT64_MAX / DECLARED_RATIO ? UINT64_MAX : r->size * DECLARED_RATIO;
    if (overflow || (bytes > DECLARED_FLOOR && bytes > most)) {
        sl_scan_reportf(r->scan, SL_RULE_HDF5_DECLARED, address, "%llu elements of %llu bytes",
                        (unsigned long long)r->set.elements,
                        (unsigned long long)r->set.element_bytes);
    }
}

/* ---- object headers ---- */

#define BLOCKS_MAX 256u

typedef struct {
    uint64_t address;
    uint64_t bytes;
} block;

typedef struct {
    block blocks[BLOCKS_MAX];
    unsigned count;
    unsigned version;
    bool ordered; /* messages of version 2 may carry the order of their creation */
} header;

/* The messages of one block of a header. */
static sl_res read_block(reader *r, header *h, unsigned which)
{
    uint64_t at = h->blocks[which].address;
    uint64_t end = at + h->blocks[which].bytes;
    uint64_t head = h->version == 1 ? 8 : 4 + (h->ordered ? 2 : 0);
    while (end - at >= head) {
        sl_view v = { 0 };
        SL_TRY(need(r, at, head, &v));
        unsigned type = (unsigned)number(v, 0, h->version == 1 ? 2 : 1);
        uint64_t bytes = number(v, h->version == 1 ? 2 : 1, 2);
        unsigned flags = v.p[h->version == 1 ? 4 : 3];
        at += head;
        if (bytes > end - at) {
            return sl_fail_at(SL_E_TRUNCATED, "hdf5 message", at);
        }
        SL_TRY(sl_scan_spend(r->scan, SL_SPEND_NODES, 1));
        SL_TRY(need(r, at, bytes, &v));
        if (type == 16) {
            if (h->count == BLOCKS_MAX || bytes < r->address_bytes + r->length_bytes) {
                return sl_fail_at(SL_E_LIMIT, "hdf5 header blocks", at);
            }
            block *next = &h->blocks[h->count++];
            next->address = number(v, 0, r->address_bytes);
            next->bytes = number(v, r->address_bytes, r->length_bytes);
            SL_TRY(need(r, next->address, 0, &v));
            if (next->bytes > r->size) {
                return sl_fail_at(SL_E_TRUNCATED, "hdf5 header block", at);
            }
        } else if (type != 0) {
            SL_TRY(read_message(r, type, flags, v, at));
        }
        at += bytes;
    }
    return SL_DONE;
}

static sl_res open_header(reader *r, uint64_t address, header *h)
{
    sl_view v = { 0 };
    SL_TRY(need(r, address, 16, &v));
    h->count = 1;
    if (v.p[0] == 1) {
        h->version = 1;
        h->blocks[0] = (block){ address + 16, number(v, 8, 4) };
        return need(r, address + 16, 0, &v);
    }
    if (memcmp(v.p, "OHDR", 4) != 0 || v.p[4] != 2) {
        return sl_fail_at(SL_E_SYNTAX, "hdf5 object header", address);
    }
    unsigned flags = v.p[5];
    uint64_t at = address + 6 + ((flags & 32) != 0 ? 16 : 0) + ((flags & 16) != 0 ? 4 : 0);
    unsigned width = 1u << (flags & 3);
    SL_TRY(need(r, at, width, &v));
    h->version = 2;
    h->ordered = (flags & 4) != 0;
    h->blocks[0] = (block){ at + width, number(v, 0, width) };
    return need(r, at + width, 0, &v);
}

static sl_res read_object(reader *r, uint64_t address)
{
    header *h = calloc(1, sizeof(*h));
    SL_NEED(h != NULL, SL_E_MEMORY);
    r->set = (data_set){ 0 };
    sl_res done = open_header(r, address, h);
    for (unsigned i = 0; sl_ok(done) && i < h->count; i++) {
        if (h->blocks[i].bytes > r->size) {
            done = sl_fail_at(SL_E_TRUNCATED, "hdf5 header block", address);
            break;
        }
        if (i > 0 && h->version == 2) { /* "OCHK" before, a checksum behind */
            if (h->blocks[i].bytes < 8) {
                done = sl_fail_at(SL_E_TRUNCATED, "hdf5 header block", address);
                break;
            }
            h->blocks[i].address += 4;
            h->blocks[i].bytes -= 8;
        }
        done = read_block(r, h, i);
    }
    free(h);
    if (sl_ok(done)) {
        check_declared(r, address);
    }
    return done;
}

/* ---- groups of the first version ---- */

static sl_res read_tree(reader *r, uint64_t address)
{
    sl_view v = { 0 };
    size_t head = 8 + 2 * (size_t)r->address_bytes;
    SL_TRY(need(r, address, head, &v));
    if (memcmp(v.p, "TREE", 4) != 0 || v.p[4] != 0) {
        return sl_fail_at(SL_E_SYNTAX, "hdf5 tree", address);
    }
    bool leaf = v.p[5] == 0;
    uint64_t right = number(v, 8 + r->address_bytes, r->address_bytes);
    uint64_t count = number(v, 6, 2);
    size_t each = r->length_bytes + r->address_bytes;
    SL_TRY(need(r, address + head, count * each, &v));
    sl_res done = SL_DONE;
    for (uint64_t i = 0; sl_ok(done) && i < count; i++) {
        uint64_t child = number(v, (size_t)i * each + r->length_bytes, r->address_bytes);
        done = visit(r, child, leaf ? SYMBOLS : TREE);
    }
    return sl_ok(done) ? visit(r, right, TREE) : done;
}

static sl_res read_symbols(reader *r, uint64_t address)
{
    sl_view v = { 0 };
    SL_TRY(need(r, address, 8, &v));
    if (memcmp(v.p, "SNOD", 4) != 0) {
        return sl_fail_at(SL_E_SYNTAX, "hdf5 symbols", address);
    }
    uint64_t count = number(v, 6, 2);
    size_t each = 2 * (size_t)r->address_bytes + 24;
    SL_TRY(need(r, address + 8, count * each, &v));
    for (uint64_t i = 0; i < count; i++) {
        size_t at = (size_t)i * each + r->address_bytes;
        if (number(v, at + r->address_bytes, 4) != 2) { /* 2: a soft link, within the file */
            SL_TRY(visit(r, number(v, at, r->address_bytes), OBJECT));
        }
    }
    return SL_DONE;
}

/* ---- fractal heaps: links or attributes that were too many for the header ---- */

typedef struct {
    unsigned width;
    unsigned direct_rows;
    unsigned offset_bytes;
    uint64_t start;
    bool sums; /* direct blocks carry a checksum */
    place_kind kind;
} heap;

static unsigned log2_of(uint64_t value)
{
    return value == 0 ? 0 : 63u - (unsigned)__builtin_clzll(value);
}

static uint64_t row_bytes(const heap *h, unsigned row)
{
    return row < 2 ? h->start : row - 1 >= 63 ? UINT64_MAX : h->start << (row - 1);
}

/* Objects stand one behind the other; what follows them must be zeros, else this walk has lost its way. */
static sl_res read_direct(reader *r, const heap *h, uint64_t address, uint64_t bytes)
{
    SL_OWN(sl_buf, copy, sl_buf_free) = { .max = SL_SOURCE_WINDOW_MAX };
    sl_view v = { 0 };
    size_t at = 5 + r->address_bytes + h->offset_bytes + (h->sums ? 4 : 0);
    if (bytes > SL_SOURCE_WINDOW_MAX || bytes < at) {
        opaque(r, address, "a heap of large blocks");
        return SL_DONE;
    }
    SL_TRY(need(r, address, bytes, &v));
    if (memcmp(v.p, "FHDB", 4) != 0) {
        return sl_fail_at(SL_E_SYNTAX, "hdf5 heap block", address);
    }
    SL_TRY(sl_buf_add(&copy, v));
    while (at < copy.n && copy.p[at] != 0) {
        sl_view rest = sl_view_sub(sl_buf_view(&copy), at, copy.n);
        size_t used = 0;
        attribute a;
        if (h->kind == LINK_HEAP) {
            SL_TRY(read_link(r, rest, address + at, &used));
        } else if (cut_attribute(r, rest, &a) && a.end > 0) {
            used = a.end;
            SL_TRY(read_attribute(r, sl_view_sub(rest, 0, used), address + at));
        } else {
            return sl_fail_at(SL_E_SYNTAX, "hdf5 attribute", address + at);
        }
        at += used;
    }
    for (; at < copy.n; at++) {
        if (copy.p[at] != 0) {
            opaque(r, address + at, "a heap with gaps");
            return SL_DONE;
        }
    }
    return SL_DONE;
}

/* The direct blocks below an indirect one; its own indirect blocks are few levels deep. */
static sl_res read_indirect(reader *r, const heap *h, uint64_t address, unsigned rows)
{
    struct {
        uint64_t address;
        unsigned rows;
    } stack[HEAP_DEPTH_MAX * 16];
    size_t depth = 1;
    stack[0].address = address;
    stack[0].rows = rows;
    while (depth > 0) {
        depth--;
        uint64_t at = stack[depth].address;
        unsigned own_rows = stack[depth].rows;
        sl_view v = { 0 };
        bool fresh = false;
        SL_TRY(mark(r, at * 8 + 7, &fresh));
        size_t head = 5 + r->address_bytes + h->offset_bytes;
        size_t count = (size_t)own_rows * h->width;
        SL_TRY(sl_scan_spend(r->scan, SL_SPEND_NODES, count));
        SL_TRY(need(r, at, head, &v));
        if (!fresh || memcmp(v.p, "FHIB", 4) != 0) {
            return sl_fail_at(SL_E_SYNTAX, "hdf5 heap block", at);
        }
        for (size_t i = 0; i < count; i++) {
            unsigned row = (unsigned)(i / h->width);
            SL_TRY(need(r, at + head + i * r->address_bytes, r->address_bytes, &v));
            uint64_t child = number(v, 0, r->address_bytes);
            if (undefined(r, child)) {
                continue;
            }
            if (row < h->direct_rows) {
                SL_TRY(read_direct(r, h, child, row_bytes(h, row)));
                continue;
            }
            if (depth == SL_COUNT_OF(stack)) {
                return sl_fail_at(SL_E_DEPTH, "hdf5 heap", at);
            }
            stack[depth].address = child;
            stack[depth++].rows = row > log2_of(h->width) ? row - log2_of(h->width) : 1;
        }
    }
    return SL_DONE;
}

static sl_res read_heap(reader *r, uint64_t address, place_kind kind)
{
    sl_view v = { 0 };
    const unsigned a = r->address_bytes;
    const unsigned l = r->length_bytes;
    size_t table = 14 + 2 * (size_t)a + 10 * (size_t)l;
    SL_TRY(need(r, address, table + 8 + 2 * (size_t)l + a, &v));
    if (memcmp(v.p, "FRHP", 4) != 0) {
        return sl_fail_at(SL_E_SYNTAX, "hdf5 heap", address);
    }
    heap h = { .kind = kind, .sums = (v.p[9] & 2) != 0 };
    uint64_t filters = number(v, 7, 2);
    uint64_t huge = number(v, 14 + 2 * (size_t)a + 7 * (size_t)l, l);
    h.width = (unsigned)number(v, table, 2);
    h.start = number(v, table + 2, l);
    uint64_t direct_max = number(v, table + 2 + l, l);
    unsigned bits = (unsigned)number(v, table + 2 + 2 * (size_t)l, 2);
    uint64_t root = number(v, table + 6 + 2 * (size_t)l, a);
    unsigned rows = (unsigned)number(v, table + 6 + 2 * (size_t)l + a, 2);
    h.offset_bytes = (bits + 7) / 8;
    if (h.width == 0 || h.start == 0 || direct_max < h.start || bits > 64 || rows > 64) {
        return sl_fail_at(SL_E_SYNTAX, "hdf5 heap", address);
    }
    h.direct_rows = log2_of(direct_max) - log2_of(h.start) + 2;
    if (filters != 0 || huge != 0) {
        opaque(r, address, filters != 0 ? "a compressed heap" : "a heap with large objects");
        return SL_DONE;
    }
    if (undefined(r, root)) {
        return SL_DONE;
    }
    return rows == 0 ? read_direct(r, &h, root, h.start) : read_indirect(r, &h, root, rows);
}

/* ---- the file ---- */

static sl_res read_superblock(reader *r, uint64_t *ret_root)
{
    sl_view v = { 0 };
    sl_view all = { 0 };
    SL_TRY(sl_source_at(r->source, r->base, 128, &all));
    v = all;
    if (v.n < 16) {
        return sl_fail_at(SL_E_TRUNCATED, "hdf5 superblock", r->base);
    }
    unsigned version = v.p[8];
    r->address_bytes = v.p[version < 2 ? 13 : 9];
    r->length_bytes = v.p[version < 2 ? 14 : 10];
    bool widths = (r->address_bytes == 4 || r->address_bytes == 8 || r->address_bytes == 2) &&
                  (r->length_bytes == 4 || r->length_bytes == 8 || r->length_bytes == 2);
    if (version > 3 || !widths) {
        return sl_fail_at(SL_E_VERSION, "hdf5 superblock", r->base);
    }
    const unsigned a = r->address_bytes;
    size_t at = version == 0 ? 24 : version == 1 ? 28 : 12;
    uint64_t base = number(v, at, a);
    uint64_t extra = number(v, at + a, a);
    uint64_t end = number(v, at + 2 * (size_t)a, a);
    uint64_t driver = number(v, at + 3 * (size_t)a, a);
    *ret_root = version < 2 ? number(v, at + 5 * (size_t)a, a) : driver;
    if (base != r->base && base != 0) {
        sl_scan_report_str(r->scan, SL_RULE_HDF5_LAYOUT, r->base, "another base address");
    }
    if (base == 0 && r->base != 0) { /* addresses count from the file's start */
        r->base = 0;
    }
    uint64_t last = 0;
    if (__builtin_add_overflow(end, r->base, &last) || last > r->size) {
        return sl_fail_at(SL_E_TRUNCATED, "hdf5 end of file", end);
    }
    if (last < r->size) {
        sl_scan_reportf(r->scan, SL_RULE_HDF5_LAYOUT, last, "%llu bytes behind the end",
                        (unsigned long long)(r->size - last));
    }
    if (version < 2 && !undefined(r, driver)) {
        sl_scan_report_str(r->scan, SL_RULE_HDF5_EXTERNAL, r->base, "a driver of several files");
    }
    return version >= 2 ? visit(r, extra, OBJECT) : SL_DONE;
}

static sl_res read_place(reader *r, const place *p)
{
    switch (p->kind) {
    case OBJECT:
        return read_object(r, p->address);
    case TREE:
        return read_tree(r, p->address);
    case SYMBOLS:
        return read_symbols(r, p->address);
    case LINK_HEAP:
    case ATTRIBUTE_HEAP:
        return read_heap(r, p->address, p->kind);
    }
    return sl_fail(SL_E_BUG);
}

static sl_res walk(reader *r)
{
    uint64_t root = 0;
    SL_TRY(read_superblock(r, &root));
    SL_TRY(visit(r, root, OBJECT));
    while (r->place_count > 0) {
        place next = r->places[--r->place_count];
        SL_TRY(read_place(r, &next));
    }
    return SL_DONE;
}

/* The last resort: words of code in a file whose structure could not be followed. */
static sl_res search(reader *r)
{
    uint64_t end = r->size < SEARCH_BYTES_MAX ? r->size : SEARCH_BYTES_MAX;
    const uint64_t step = SL_SOURCE_WINDOW_MAX - 64;
    for (uint64_t at = 0; at < end; at += step) {
        sl_view v = { 0 };
        SL_TRY(sl_source_at(r->source, at, SL_SOURCE_WINDOW_MAX, &v));
        static const char *const words[] = { "__lambda__", "\"Lambda\"",
                                             "function_type\": \"lambda" };
        for (size_t i = 0; i < SL_COUNT_OF(words); i++) {
            size_t hit = sl_view_find(v, sl_view_str(words[i]), 0);
            if (hit != SIZE_MAX) {
                sl_scan_report(r->scan, SL_RULE_KERAS_LAMBDA, at + hit, sl_view_str(words[i]));
                return SL_DONE;
            }
        }
    }
    return SL_DONE;
}

/* The superblock stands at 0 or behind a user block of 512 bytes times a power of two. */
static bool find_superblock(sl_source *source, uint64_t *ret_at)
{
    for (uint64_t at = 0; at < sl_source_size(source); at = at == 0 ? 512 : 2 * at) {
        sl_view v = { 0 };
        if (sl_ok(sl_source_at(source, at, 8, &v)) && v.n == 8 && memcmp(v.p, signature, 8) == 0) {
            *ret_at = at;
            return true;
        }
    }
    return false;
}

sl_identity sl_identify_hdf5(const sl_probe *probe)
{
    uint64_t at = 0;
    if (probe->head.n < 8 || !find_superblock(probe->source, &at)) {
        return SL_IDENTIFY_NO;
    }
    return SL_IDENTIFY_YES;
}

/* MATLAB and Julia put a line of text before the file; anything else there is a second file. */
static sl_res check_user_block(reader *r)
{
    sl_view v = { 0 };
    size_t n = r->base < SL_SOURCE_WINDOW_MAX ? (size_t)r->base : SL_SOURCE_WINDOW_MAX;
    SL_TRY(sl_source_at(r->source, 0, n, &v));
    if (sl_view_starts(v, SL_LIT("MATLAB 7.3 MAT-file")) && r->base == 512) {
        return SL_DONE;
    }
    if (sl_view_starts(v, SL_LIT("HDF5-based Julia Data Format")) && r->base == 512) {
        sl_scan_report_str(r->scan, SL_RULE_HDF5_OPAQUE, 0,
                           "Julia's objects: types are looked up by name");
        return SL_DONE;
    }
    sl_scan_report(r->scan, SL_RULE_HDF5_USER_BLOCK, 0, sl_view_sub(v, 0, 64));
    return SL_DONE;
}

/* The signature before nothing but zeros: no reader takes it, and nothing can hide in it. */
static bool empty(sl_source *source)
{
    sl_view v = { 0 };
    if (sl_source_size(source) > 4096 || !sl_ok(sl_source_at(source, 0, 4096, &v))) {
        return false;
    }
    for (size_t i = 8; i < v.n; i++) {
        if (v.p[i] != 0) {
            return false;
        }
    }
    return v.n > 8 && memcmp(v.p, signature, 8) == 0;
}

sl_res sl_scan_hdf5(sl_scan *scan, sl_source *source)
{
    if (empty(source)) {
        sl_scan_report_str(scan, SL_RULE_HDF5_EMPTY, 8, "zeros");
        return SL_DONE;
    }
    reader r = { .scan = scan, .source = source, .size = sl_source_size(source) };
    if (!find_superblock(source, &r.base)) {
        return sl_fail_at(SL_E_SYNTAX, "hdf5 signature", 0);
    }
    if (r.base > 0) {
        SL_TRY(check_user_block(&r));
    }
    sl_res done = walk(&r);
    if (!sl_ok(done) || r.opaque) {
        const sl_detail kept = *sl_detail_get();
        sl_res searched = search(&r);
        if (!sl_ok(done)) {
            done = sl_fail_at((sl_code)done.code, kept.field, kept.offset);
        } else {
            done = searched;
        }
    }
    free(r.places);
    free(r.seen);
    return done;
}
