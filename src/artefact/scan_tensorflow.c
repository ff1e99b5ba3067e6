/* TensorFlow graphs: SavedModel, a bare GraphDef, and the metadata that Keras keeps beside them. A graph runs
 * when it is called, and some operators read and write files or call back into Python; those are named
 * wherever they stand, in the graph or in a function of its library. What every export holds (saving and
 * restoring, assertions, decoding) is not.
 * Source: the descriptors of saved_model.proto, meta_graph.proto, graph.proto, saved_metadata.proto. */
#include <string.h>

#include "artefact/format_parts.h"
#include "artefact/protobuf.h"

enum {
    SAVED_MODEL,
    META_GRAPH,
    META_INFO,
    OP_LIST,
    OP_DEF,
    GRAPH,
    LIBRARY,
    FUNCTION,
    NODE,
    NODE_ATTR,
    ATTR,
    ATTR_LIST,
    ASSET,
    OBJECT_GRAPH,
    OBJECT,
    USER_OBJECT,
    METADATA,
    METADATA_NODE,
};

static const sl_protobuf_child children[] = {
    { SAVED_MODEL, 2, META_GRAPH },  { META_GRAPH, 1, META_INFO },
    { META_GRAPH, 2, GRAPH },        { META_GRAPH, 6, ASSET },
    { META_GRAPH, 7, OBJECT_GRAPH }, { META_INFO, 2, OP_LIST },
    { OP_LIST, 1, OP_DEF },          { GRAPH, 1, NODE },
    { GRAPH, 2, LIBRARY },           { LIBRARY, 1, FUNCTION },
    { FUNCTION, 3, NODE },           { NODE, 5, NODE_ATTR },
    { NODE_ATTR, 2, ATTR },          { ATTR, 1, ATTR_LIST },
    { OBJECT_GRAPH, 1, OBJECT },     { OBJECT, 4, USER_OBJECT },
    { METADATA, 1, METADATA_NODE },
};

#define OP_BYTES_MAX ((size_t)128)
#define PATH_BYTES_MAX ((size_t)4096)
#define METADATA_BYTES_MAX (16 * ((size_t)1 << 20))

typedef struct {
    sl_scan *scan;
    sl_source *source;
} reader;

/* Calls into Python or the host, or writes where it wants. */
static const char ops_critical[] =
    " PyFunc PyFuncStateless EagerPyFunc WriteFile XlaHostCompute _XlaHostComputeMlir DebugIdentityV2"
    " DebugIdentityV3 DebugIdentity DebugNanCount DebugNumericSummary DebugNumericSummaryV2"
    " XlaCustomCall XlaCustomCallV2 RemoteFusedGraphExecute RpcCall TryRpc Rpc ";

/* Reads files of its choosing, or keeps state outside of the model. */
static const char ops_high[] =
    " ReadFile MatchingFiles MatchingFilesDataset LoadAndRemapMatrix ImportEvent LoadDataset LoadDatasetV2"
    " SaveDataset SaveDatasetV2 TextLineDataset TextLineDatasetV2 TFRecordDataset TFRecordDatasetV2"
    " FixedLengthRecordDataset FixedLengthRecordDatasetV2 CSVDataset CSVDatasetV2 ExperimentalCSVDataset"
    " SSTableDataset RecordIODataset LMDBDataset ExperimentalLMDBDataset SqlDataset ExperimentalSqlDataset"
    " SnapshotDataset SnapshotDatasetV2 SnapshotDatasetReader CacheDataset CacheDatasetV2"
    " DatasetToTFRecord DatasetToTFRecordV2 ExperimentalDatasetToTFRecord DataServiceDataset"
    " DataServiceDatasetV2 DataServiceDatasetV3 DataServiceDatasetV4 RegisterDataset RegisterDatasetV2"
    " ReaderRead ReaderReadV2 ReaderReadUpTo ReaderReadUpToV2 WholeFileReader WholeFileReaderV2"
    " TextLineReader TextLineReaderV2 TFRecordReader TFRecordReaderV2 FixedLengthRecordReader"
    " FixedLengthRecordReaderV2 LMDBReader RecordInput GenerateVocabRemapping CreateSummaryFileWriter"
    " CreateSummaryDbWriter WriteGraphSummary WriteRawProtoSummary BigQueryReader RemoteCall ";

/* Shows or sends what passes through it; or holds a compiled engine that nobody can read. */
static const char ops_medium[] =
    " PrintV2 Print TRTEngineOp TPUCompile _TPUCompileMlir DecodeProtoV2 "
    "EncodeProto WriteSummary WriteScalarSummary ";

void sl_scan_tensorflow_op(sl_scan *scan, sl_view op, uint64_t offset)
{
    if (sl_word_listed(ops_critical, op)) {
        sl_scan_report(scan, SL_RULE_TENSORFLOW_CALL, offset, op);
    } else if (sl_word_listed(ops_high, op)) {
        sl_scan_report(scan, SL_RULE_TENSORFLOW_FILE, offset, op);
    } else if (sl_word_listed(ops_medium, op)) {
        sl_scan_report(scan, SL_RULE_TENSORFLOW_OUTPUT, offset, op);
    }
}

static sl_res check_op(reader *r, const sl_protobuf_value *v)
{
    sl_view op = { 0 };
    if (v->wire != SL_WIRE_BYTES || v->value > OP_BYTES_MAX) {
        sl_scan_report_str(r->scan, SL_RULE_TENSORFLOW_FILE, v->offset,
                           "an operator's name of more than 128 bytes");
        return SL_DONE;
    }
    SL_TRY(sl_source_need(r->source, v->offset, (size_t)v->value, &op));
    sl_scan_tensorflow_op(r->scan, op, v->offset);
    return SL_DONE;
}

static sl_res check_asset(reader *r, const sl_protobuf_value *v)
{
    sl_view path = { 0 };
    if (v->value > PATH_BYTES_MAX) {
        sl_scan_report_str(r->scan, SL_RULE_TENSORFLOW_FILE, v->offset, "a path of kilobytes");
        return SL_DONE;
    }
    SL_TRY(sl_source_need(r->source, v->offset, (size_t)v->value, &path));
    if (sl_view_find(path, SL_LIT("://"), 0) != SIZE_MAX) {
        sl_scan_report(r->scan, SL_RULE_TENSORFLOW_FILE, v->offset, path);
        return SL_DONE;
    }
    (void)sl_scan_path(r->scan, path, v->offset);
    return SL_DONE;
}

/* Text attributes that open something: where Print writes, whom DebugIdentity tells. */
static sl_res check_attribute(reader *r, const sl_protobuf_value *v)
{
    static const char *const places[] = { "file://", "grpc://", "http://", "https://",
                                          "gs://",   "s3://",   "hdfs://" };
    sl_view text = { 0 };
    if (v->wire != SL_WIRE_BYTES || v->value < 7 || v->value > PATH_BYTES_MAX) {
        return SL_DONE;
    }
    SL_TRY(sl_source_need(r->source, v->offset, (size_t)v->value, &text));
    for (size_t i = 0; i < SL_COUNT_OF(places); i++) {
        if (sl_view_starts(text, sl_view_str(places[i]))) {
            sl_scan_report(r->scan, SL_RULE_TENSORFLOW_PLACE, v->offset, text);
        }
    }
    return SL_DONE;
}

static sl_res check_metadata(reader *r, const sl_protobuf_value *v)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = METADATA_BYTES_MAX };
    sl_cursor cursor = sl_cursor_part(r->source, v->offset, v->offset + v->value);
    if (v->wire != SL_WIRE_BYTES || v->value < 2) {
        return SL_DONE;
    }
    SL_TRY(sl_cursor_copy(&cursor, v->value, &text));
    if (text.p[0] != '{') {
        return SL_DONE;
    }
    return sl_scan_keras_text(r->scan, sl_buf_view(&text), v->offset);
}

static sl_res begin(void *context, unsigned message, unsigned depth, uint64_t offset)
{
    (void)context;
    (void)message;
    (void)depth;
    (void)offset;
    return SL_DONE;
}

static sl_res value(void *context, unsigned message, unsigned depth, const sl_protobuf_value *v)
{
    reader *r = context;
    (void)depth;
    switch (message) {
    case NODE:
        return v->field == 2 ? check_op(r, v) : SL_DONE;
    case OP_DEF:
        return v->field == 1 ? check_op(r, v) : SL_DONE;
    case ASSET:
        return v->field == 2 ? check_asset(r, v) : SL_DONE;
    case ATTR:
    case ATTR_LIST:
        return v->field == 2 ? check_attribute(r, v) : SL_DONE;
    case USER_OBJECT:
        return v->field == 3 ? check_metadata(r, v) : SL_DONE;
    case METADATA_NODE:
        return v->field == 4 ? check_metadata(r, v) : SL_DONE;
    default:
        return SL_DONE;
    }
}

static sl_res end(void *context, unsigned message, unsigned depth)
{
    (void)context;
    (void)message;
    (void)depth;
    return SL_DONE;
}

static sl_res walk(sl_scan *scan, sl_source *source, unsigned root)
{
    static const sl_protobuf_schema schema = { children, SL_COUNT_OF(children), begin, value, end };
    reader r = { scan, source };
    return sl_protobuf_walk(scan, source, &schema, root, &r);
}

/* ---- what they look like ---- */

typedef struct {
    sl_source *source;
    unsigned good;
    unsigned bad;
} looks;

static bool printable(const looks *l, const sl_protobuf_value *v)
{
    sl_view text = { 0 };
    if (v->wire != SL_WIRE_BYTES || v->value > PATH_BYTES_MAX ||
        !sl_ok(sl_source_need(l->source, v->offset, (size_t)v->value, &text))) {
        return false;
    }
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < 0x20 || text.p[i] == 0x7F) {
            return false;
        }
    }
    return true;
}

/* A node has a name, an operator and inputs, all text. */
static bool see_node(void *context, const sl_protobuf_value *v)
{
    looks *l = context;
    if (v->field <= 4) {
        l->good |= 1u << v->field;
        return printable(l, v);
    }
    return v->field <= 7 && v->wire == SL_WIRE_BYTES;
}

static bool see_graph(void *context, const sl_protobuf_value *v)
{
    looks *l = context;
    if (v->field == 1 && v->wire == SL_WIRE_BYTES) {
        looks node = { l->source, 0, 0 };
        bool first = l->good == 0;
        l->good++;
        return !first || (sl_protobuf_looks(l->source, v->offset, v->offset + v->value, 1000,
                                            see_node, &node) &&
                          (node.good & 6u) == 6u);
    }
    return (v->field == 3 && v->wire == SL_WIRE_VARINT) ||
           ((v->field == 2 || v->field == 4 || v->field == 5) && v->wire == SL_WIRE_BYTES);
}

static bool see_meta(void *context, const sl_protobuf_value *v)
{
    looks *l = context;
    l->good++;
    return v->field >= 1 && v->field <= 8 && v->wire == SL_WIRE_BYTES;
}

static bool see_saved(void *context, const sl_protobuf_value *v)
{
    looks *l = context;
    if (v->field == 1) {
        return v->wire == SL_WIRE_VARINT && v->value < 1000;
    }
    looks meta = { l->source, 0, 0 };
    l->good++;
    return v->field == 2 && v->wire == SL_WIRE_BYTES &&
           sl_protobuf_looks(l->source, v->offset, v->offset + v->value, 1000, see_meta, &meta) &&
           meta.good > 0;
}

static bool see_metadata_node(void *context, const sl_protobuf_value *v)
{
    looks *l = context;
    l->good |= v->field <= 5 ? 1u << v->field : 0;
    return (v->field == 2 && v->wire == SL_WIRE_VARINT) ||
           (v->field >= 3 && v->field <= 5 && v->wire == SL_WIRE_BYTES) || v->field == 1;
}

static bool see_metadata(void *context, const sl_protobuf_value *v)
{
    looks *l = context;
    looks node = { l->source, 0, 0 };
    l->good++;
    return v->field == 1 && v->wire == SL_WIRE_BYTES &&
           sl_protobuf_looks(l->source, v->offset, v->offset + v->value, 100, see_metadata_node,
                             &node) &&
           (node.good & 0x18u) == 0x18u;
}

static sl_identity looks_like(const sl_probe *probe, uint8_t first,
                              bool (*see)(void *, const sl_protobuf_value *))
{
    looks l = { probe->source, 0, 0 };
    if (probe->head.n < 4 ||
        (probe->head.p[0] != first && probe->head.p[0] != 0x12 && probe->head.p[0] != 0x22)) {
        return SL_IDENTIFY_NO;
    }
    bool good = sl_protobuf_looks(probe->source, 0, probe->size, 4096, see, &l) && l.good > 0;
    return good ? SL_IDENTIFY_YES : SL_IDENTIFY_NO;
}

sl_identity sl_identify_savedmodel(const sl_probe *probe)
{
    return looks_like(probe, 0x08, see_saved);
}

sl_res sl_scan_savedmodel(sl_scan *scan, sl_source *source)
{
    return walk(scan, source, SAVED_MODEL);
}

sl_identity sl_identify_graphdef(const sl_probe *probe)
{
    return looks_like(probe, 0x0A, see_graph);
}

sl_res sl_scan_graphdef(sl_scan *scan, sl_source *source)
{
    return walk(scan, source, GRAPH);
}

sl_identity sl_identify_keras_metadata(const sl_probe *probe)
{
    return looks_like(probe, 0x0A, see_metadata);
}

sl_res sl_scan_keras_metadata(sl_scan *scan, sl_source *source)
{
    return walk(scan, source, METADATA);
}

/* ---- SentencePiece vocabularies: the same encoding, nothing to run ---- */

static bool see_piece(void *context, const sl_protobuf_value *v)
{
    looks *l = context;
    l->good |= v->field <= 3 ? 1u << v->field : 0;
    return (v->field == 1 && v->wire == SL_WIRE_BYTES) ||
           (v->field == 2 && v->wire == SL_WIRE_32) || (v->field == 3 && v->wire == SL_WIRE_VARINT);
}

static bool see_vocabulary(void *context, const sl_protobuf_value *v)
{
    looks *l = context;
    looks piece = { l->source, 0, 0 };
    if (v->field != 1) {
        return v->field <= 5 && v->wire == SL_WIRE_BYTES;
    }
    bool first = l->good++ == 0;
    return v->wire == SL_WIRE_BYTES &&
           (!first ||
            (sl_protobuf_looks(l->source, v->offset, v->offset + v->value, 16, see_piece, &piece) &&
             (piece.good & 6u) == 6u));
}

sl_identity sl_identify_sentencepiece(const sl_probe *probe)
{
    return looks_like(probe, 0x0A, see_vocabulary);
}

/* Every field to the end must be one of a vocabulary. */
sl_res sl_scan_sentencepiece(sl_scan *scan, sl_source *source)
{
    sl_cursor cursor = sl_cursor_over(source);
    while (sl_cursor_left(&cursor) > 0) {
        sl_protobuf_value v;
        uint64_t at = cursor.at;
        SL_TRY(sl_scan_spend(scan, SL_SPEND_NODES, 1));
        SL_TRY(sl_protobuf_next(&cursor, &v));
        if (v.field > 5 || v.wire != SL_WIRE_BYTES) {
            return sl_fail_at(SL_E_SYNTAX, "sentencepiece field", at);
        }
    }
    return SL_DONE;
}

/* ---- fingerprint.pb of a SavedModel: a handful of hashes ---- */

static bool see_fingerprint(void *context, const sl_protobuf_value *v)
{
    looks *l = context;
    l->good++;
    return (v->field <= 5 && v->wire == SL_WIRE_VARINT) ||
           (v->field >= 6 && v->field <= 7 && v->wire == SL_WIRE_BYTES && v->value < 64);
}

sl_identity sl_identify_fingerprint(const sl_probe *probe)
{
    looks l = { probe->source, 0, 0 };
    bool small = probe->size >= 16 && probe->size <= 256 && probe->head.p[0] == 0x08;
    return small && sl_protobuf_looks(probe->source, 0, probe->size, 64, see_fingerprint, &l) &&
                   l.good >= 4
               ? SL_IDENTIFY_YES
               : SL_IDENTIFY_NO;
}

sl_res sl_scan_fingerprint(sl_scan *scan, sl_source *source)
{
    (void)source;
    return sl_scan_spend(scan, SL_SPEND_NODES, 1);
}
