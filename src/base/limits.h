/* Every limit with its reason. A limit is met with SL_E_LIMIT, never with a crash or a cut. */
#ifndef SL_BASE_LIMITS_H
#define SL_BASE_LIMITS_H

#define SL_KIB ((size_t)1024)
#define SL_MIB (SL_KIB * 1024)

/* A leaf is framed with a 16-bit length in tlog-tiles entry bundles. */
#define SL_LEAF_BYTES_MAX ((size_t)65535)

/* Deeper JSON has no use in the protocols that we read; the lexer keeps one bit a level. */
#define SL_JSON_DEPTH_MAX ((size_t)64)
/* Nodes of one document tree: 32 bytes each, so at most 32 MiB beside the text. */
#define SL_JSON_NODES_MAX ((size_t)1 << 20)
/* A name of an object member. */
#define SL_JSON_KEY_BYTES_MAX ((size_t)1024)

/* A request body of the ask door: long contexts fit, a hundred megabytes do not. */
#define SL_ASK_BODY_BYTES_MAX (16 * SL_MIB)
/* Findings of texts that a process of the ask door remembers: 200,000 of them. */
#define SL_ASK_RECALL_BYTES_MAX (8 * SL_MIB)

/* Configuration and policy files are written by hand. */
#define SL_CONFIG_BYTES_MAX (4 * SL_MIB)

/* YAML nests little where people write it by hand; duplicates are found by a linear search, so the
 * keys of one map are few; the nodes of the largest file stay below 16 MiB. */
#define SL_YAML_DEPTH_MAX ((size_t)32)
#define SL_YAML_MAP_KEYS_MAX ((size_t)1024)
#define SL_YAML_NODES_MAX ((size_t)131072)
#define SL_YAML_KEY_BYTES_MAX ((size_t)256)

/* A message between processes: larger things travel as descriptors. A SEQPACKET message must fit
 * the socket's send buffer (212,992 bytes by default on Linux). */
#define SL_IPC_BYTES_MAX (128 * SL_KIB)

/* A record (row, JSON line) held whole while it is read; a JSON document, which is one piece, larger
 * ones travel as JSON lines; cells of one record; and what a reader takes in at a time. */
#define SL_RECORD_BYTES_MAX (16 * SL_MIB)
#define SL_DOCUMENT_BYTES_MAX (64 * SL_MIB)
#define SL_RECORD_CELLS_MAX ((size_t)1 << 20)
#define SL_READER_PIECE_BYTES (256 * SL_KIB)

/* One sealed object: its chunk tree (32 bytes for each 16 KiB) is held whole while it is open. */
#define SL_OBJECT_BYTES_MAX ((uint64_t)8 << 30)
#define SL_MANIFEST_BYTES_MAX (64 * SL_KIB)

/* Names of compartments, objects, principals, upstreams. */
#define SL_NAME_BYTES_MAX ((size_t)64)

/* An SCGI head: nginx caps a client's headers at 32 KiB by default; its own variables come on top. */
#define SL_SCGI_HEAD_BYTES_MAX (64 * SL_KIB)
/* Headers of one request, nginx's own variables included. */
#define SL_SCGI_HEADERS_MAX ((size_t)128)

#endif
