/* What formats share: texts that occur inside of several of them. Each call reports what it finds at
 * `offset` of the present artefact and fails only where the scan itself cannot go on. */
#ifndef SL_ARTEFACT_FORMAT_PARTS_H
#define SL_ARTEFACT_FORMAT_PARTS_H

#include "artefact/scan.h"
#include "base/json.h"

/* A chat template (GGUF, tokenizer_config.json, *.jinja). */
SL_MUST sl_res sl_scan_template_text(sl_scan *scan, sl_view text, uint64_t offset);

/* A Keras model description as JSON text, or as a tree that was read already. */
SL_MUST sl_res sl_scan_keras_text(sl_scan *scan, sl_view text, uint64_t offset);
void sl_scan_keras_tree(sl_scan *scan, const sl_json_doc *doc, sl_arena *arena, uint64_t offset);
bool sl_scan_is_keras(const sl_json_doc *doc);

/* Python source: shapes that nobody writes in good faith. `imported`: the file runs by being imported, so
 * that a program started at its margin is one. */
void sl_scan_code_shapes(sl_scan *scan, sl_view text, bool imported, uint64_t offset);

/* A Jupyter notebook. */
SL_MUST sl_res sl_scan_notebook_tree(sl_scan *scan, const sl_json_doc *doc);
bool sl_scan_is_notebook(const sl_json_doc *doc);

/* An operator of TensorFlow by its name. */
void sl_scan_tensorflow_op(sl_scan *scan, sl_view op, uint64_t offset);

/* The schema of a skops archive. */
void sl_scan_skops_tree(sl_scan *scan, const sl_json_doc *doc, sl_arena *arena);
bool sl_scan_is_skops(const sl_json_doc *doc);

/* A gradient-boosted model as XGBoost writes it in JSON: indices within their tables. */
void sl_scan_xgboost_tree(sl_scan *scan, const sl_json_doc *doc);

/* The whole of a source in memory: SL_E_LIMIT beyond `max` bytes. */
SL_MUST sl_res sl_scan_load(sl_source *source, size_t max, sl_buf *ret_bytes);

/* Is `word` one of the blank-separated words of `list`, which begins and ends with a blank? */
bool sl_word_listed(const char *list, sl_view word);

/* Does `text` hold `words` in any case of letters? */
bool sl_text_holds(sl_view text, const char *words);

#endif
