/* Text encodings of bytes: hex and base64 (RFC 4648), strict both ways. */
#ifndef SL_BASE_ENCODE_H
#define SL_BASE_ENCODE_H

#include "base/bytes.h"

/* The value of a hex digit of either case, or -1. */
int sl_hex_digit(uint8_t c);
/* Lower-case hex, two digits a byte. */
SL_MUST sl_res sl_hex_add(sl_buf *out, sl_view bytes);
/* Either case; exactly `n` bytes into `ret_bytes`, else SL_E_SYNTAX or SL_E_TRUNCATED. */
SL_MUST sl_res sl_hex_decode(sl_view text, uint8_t *ret_bytes, size_t n);

/* Standard alphabet with padding. */
SL_MUST sl_res sl_base64_add(sl_buf *out, sl_view bytes);
/* URL alphabet without padding. */
SL_MUST sl_res sl_base64url_add(sl_buf *out, sl_view bytes);
/* Canonical input only: right padding, zero trailing bits, no white space. */
SL_MUST sl_res sl_base64_decode(sl_view text, sl_buf *out);
SL_MUST sl_res sl_base64url_decode(sl_view text, sl_buf *out);

#endif
