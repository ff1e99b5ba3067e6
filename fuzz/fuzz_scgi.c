/* Fuzz target: the SCGI parser. Whatever is accepted must obey the promises of scgi.h, and a prefix of
 * an accepted request must ask for more or be refused, never be accepted as another request. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/scgi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    sl_view in = sl_view_of(data, n);
    sl_scgi_request request;
    if (!sl_ok(sl_scgi_head(in, 1000, &request))) {
        return 0;
    }
    assert(request.header_count >= 2 && request.header_count <= SL_SCGI_HEADERS_MAX);
    assert(request.body_offset <= n && request.content_length <= 1000);
    for (size_t i = 0; i < request.header_count; i++) {
        sl_view name = request.headers[i].name;
        assert(name.n != 0 && name.p > data && name.p + name.n < data + request.body_offset);
        for (size_t j = 0; j < i; j++) {
            assert(!sl_view_eq(name, request.headers[j].name));
        }
    }
    sl_scgi_request earlier;
    assert(!sl_ok(sl_scgi_head(sl_view_of(data, request.body_offset - 1), 1000, &earlier)));
    sl_view body = { NULL, 0 };
    if (sl_ok(sl_scgi_body(in, &request, &body))) {
        assert(body.n == request.content_length && request.body_offset + body.n == n);
    }
    return 0;
}
