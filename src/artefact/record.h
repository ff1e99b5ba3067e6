/* Records: one interface over every data format that the doors can look into.
 * A reader is fed a file in pieces of any size and hands over one record at a time: named cells
 * (a table's row, the leaves of a JSON object) or passages of text, always as valid UTF-8, each
 * with its place in the file. It does no I/O, keeps no more than one record, and never repairs:
 * what cannot be read for certain is an error with an offset, because a file that two programs
 * read differently is a way round a door. Design: README.md beside this file. */
#ifndef SL_ARTEFACT_RECORD_H
#define SL_ARTEFACT_RECORD_H

#include "base/bytes.h"

typedef enum {
    SL_FORMAT_BINARY, /* opaque: sealed, but no door that must inspect lets it through */
    SL_FORMAT_TEXT,
    SL_FORMAT_MARKDOWN,
    SL_FORMAT_CSV, /* comma, semicolon or bar: found in the first line */
    SL_FORMAT_TSV,
    SL_FORMAT_NDJSON, /* one object a line: FHIR bulk data, Dataset-JSON, anything else */
    SL_FORMAT_JSON, /* one document: a FHIR bundle or resource, Dataset-JSON, an array of objects */
    SL_FORMAT_XPT,  /* SAS transport file, version 5 or 8 */
    SL_FORMAT_SAS7BDAT,
    SL_FORMAT_COUNT
} sl_format;

typedef enum {
    SL_ENCODING_NONE, /* not text, or no single encoding explains every byte */
    SL_ENCODING_UTF8,
    SL_ENCODING_WINDOWS_1252,
    SL_ENCODING_COUNT
} sl_encoding;

/* "csv", "fhir"... and "utf-8", "windows-1252": the words used in leaves and output. */
const char *sl_format_name(sl_format format);
const char *sl_encoding_name(sl_encoding encoding);

/* Which encoding explains all bytes of a file? Feed it whole, in any pieces. */
typedef struct {
    uint64_t bytes;
    uint64_t multibyte; /* well-formed UTF-8 sequences of two bytes or more */
    uint64_t stray;     /* bytes that no UTF-8 sequence explains */
    bool nul;           /* a zero byte: not text */
    bool control;       /* a control byte that no text needs */
    bool undefined;     /* a byte that Windows-1252 leaves undefined */
    uint8_t tail[4];    /* a sequence cut by the end of a piece */
    size_t tail_count;
} sl_encoding_scan;

void sl_encoding_feed(sl_encoding_scan *scan, sl_view piece);
/* After the last piece. Windows-1252 is the answer only if the file is not UTF-8, every byte has a
 * meaning in it, and well-formed UTF-8 sequences do not outnumber the bytes that contradict UTF-8
 * (such a file mixes encodings: NONE). */
sl_encoding sl_encoding_decide(const sl_encoding_scan *scan);

/* The format by content first and by the file's name second. `head`: the first bytes, at best
 * 64 KiB; `name`: file name without its folder. Never fails: what it does not know is BINARY. */
sl_format sl_format_detect(sl_view head, sl_view name, sl_encoding encoding);

/* How a cell's bytes in the file become its value. */
typedef enum {
    SL_CELL_PLAIN,
    SL_CELL_QUOTED, /* the inside of CSV quotes: "" stands for " */
    SL_CELL_JSON,   /* the inside of a JSON string */
    SL_CELL_DERIVED /* no byte-to-byte relation (a SAS number): the offset is the record's */
} sl_cell_code;

typedef struct {
    sl_view name;  /* column, or the path of a JSON leaf ("name.family"); empty: text, or surplus */
    sl_view value; /* valid UTF-8 */
    sl_view raw;   /* the same cell as it stands in the file */
    uint64_t offset; /* of raw in the file, in bytes */
    size_t column;   /* 0-based position in the record */
    sl_cell_code code;
    sl_encoding encoding;
    bool number; /* a JSON or SAS number, true, false: never a name or a text */
} sl_cell;

typedef struct {
    uint64_t number; /* 0-based: the row, the resource, the document */
    uint64_t part;   /* 0-based passage of a text document; 0 elsewhere */
    uint64_t offset; /* in the file */
    size_t length;   /* bytes in the file */
    sl_view id;      /* what the data itself calls it ("Patient/7a"), or empty */
    const sl_cell *cells;
    size_t cell_count;
} sl_record;

/* Where in the file the value's byte `at` comes from: the offset of the file's bytes that encode
 * the character holding it. `at` == value.n gives the end. For DERIVED cells: the cell's offset. */
uint64_t sl_cell_origin(const sl_cell *cell, size_t at);

/* Who receives. All views die when the call returns. An error from it stops the reader and comes
 * back from the feed. `header` comes at most once, before the records: the names of a table's
 * columns, a bundle's or data set's own members. They can identify people too, so look at them. It
 * may be NULL. */
typedef struct {
    void *ctx;
    sl_res (*header)(void *ctx, const sl_cell *cells, size_t count);
    sl_res (*record)(void *ctx, const sl_record *record);
} sl_record_sink;

typedef struct {
    sl_format format;
    sl_encoding encoding;
    uint8_t delimiter; /* of CSV; 0: find it in the first line */
} sl_reader_options;

typedef struct {
    uint64_t bytes;
    uint64_t records; /* rows, resources, documents; a table's header is none */
    uint64_t cells;
    uint64_t ragged; /* rows with fewer or more cells than columns */
    uint64_t blank;  /* empty lines passed over */
    bool headerless; /* the first row is data; columns are called "1", "2", ... */
    bool fhir;       /* every JSON record was a FHIR resource, and there was one */
} sl_reader_stats;

typedef struct sl_reader sl_reader;

/* The sink is copied, its ctx borrowed. XPT and SAS7BDAT need the whole file and a library and are
 * read in record_sas.h: SL_E_UNSUPPORTED here. */
SL_MUST sl_res sl_reader_new(const sl_reader_options *options, sl_record_sink sink,
                             sl_reader **ret_reader);
/* Errors: SL_E_SYNTAX, SL_E_UTF8, SL_E_LIMIT (a record or a document too large)..., with the file's
 * byte offset in the detail; after one, the reader only repeats it. */
SL_MUST sl_res sl_reader_feed(sl_reader *reader, sl_view piece);
/* The end of the file: the last record, and errors that only an end shows. `ret_stats` may be NULL. */
SL_MUST sl_res sl_reader_finish(sl_reader *reader, sl_reader_stats *ret_stats);
/* Fit for SL_OWN(sl_reader *, r, sl_reader_free). */
void sl_reader_free(sl_reader **reader);

#endif
