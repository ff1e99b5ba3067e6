/* The text of a PDF through poppler's pdftotext, when it is installed: a child without network, with
 * little memory and time, that reads the file from a pipe's end and writes text. */
#ifndef SL_CLI_PDF_H
#define SL_CLI_PDF_H

#include "base/bytes.h"

/* Appends UTF-8 text. SL_E_UNSUPPORTED: pdftotext is not installed. SL_E_SYNTAX: it could not read the
 * file. SL_E_LIMIT: more text than `out` may hold. */
SL_MUST sl_res sl_pdf_text(sl_view pdf, sl_buf *out);

#endif
