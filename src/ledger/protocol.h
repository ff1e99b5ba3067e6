/* What a link to `ledgerd` carries (base/ipc.h); numbers are little-endian.
 *
 *   APPEND   id = number of the first event; body = events as in an entry bundle (length, be16; bytes)
 *   APPEND_SOON  the same, of what nobody waits for: durable within SL_LEDGER_SOON_MS, with others where it can
 *   ACK      first event number u64, last u64, index of the first u64: durable and signed
 *   NACK     first event number u64, last u64, sl_code u32: not taken, nothing of them is there
 *   READ     cursor u64, bytes u32: leaves from the cursor on, when there are any
 *   LEAVES   index of the first u64, size of the ledger u64, count u32, leaves as in a bundle
 *   RECEIPT  index u64; the answer SL_IPC_OK carries a tlog-proof@v1
 *   STATE    empty; SL_IPC_OK carries time in ms u64, then the signed checkpoint
 *
 * Every process with a link may send these; which events it may write is in data/events. The courier
 * alone has another table, of STATE and
 *
 *   GROWTH     size u64; SL_IPC_OK carries count u32, that many hashes (the proof that the tree of
 *              that size is the beginning of the committed one), then the signed checkpoint
 *   WITNESSED  what a witness said: its number in config.yml u32, sl_code u32, the size it had seen u64,
 *              then the checkpoint with its cosignature when the code is 0
 */
#ifndef SL_LEDGER_PROTOCOL_H
#define SL_LEDGER_PROTOCOL_H

#include "base/ipc.h"

enum {
    SL_LEDGER_APPEND = SL_IPC_TYPE_FIRST_FREE,
    SL_LEDGER_ACK,
    SL_LEDGER_NACK,
    SL_LEDGER_READ,
    SL_LEDGER_LEAVES,
    SL_LEDGER_RECEIPT,
    SL_LEDGER_STATE,
    SL_LEDGER_GROWTH,
    SL_LEDGER_WITNESSED,
    SL_LEDGER_APPEND_SOON,
};

enum {
    SL_LEDGER_SOON_MS = 5, /* how long such an event may wait for the sync of one that cannot */
    SL_LEDGER_ACK_BYTES = 24,
    SL_LEDGER_NACK_BYTES = 20,
    SL_LEDGER_READ_BYTES = 12,
    SL_LEDGER_LEAVES_HEADER_BYTES = 20,
    SL_LEDGER_WITNESSED_HEADER_BYTES = 16,
};

#endif
