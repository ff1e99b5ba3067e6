/* Memory shared by the processes of the door (see shared.h). It must never wait for another process. */
#include "doors/ask/shared.h"

#include "base/random.h"
#include "base/secret.h"

sl_res sl_ask_shared_key(sl_ask_shared *shared, uint8_t ret_key[32])
{
    uint64_t drawn[SL_ASK_PSEUDONYM_KEY_WORDS];
    SL_TRY(sl_random_bytes(drawn, sizeof drawn));
    for (size_t i = 0; i < SL_ASK_PSEUDONYM_KEY_WORDS; i++) {
        uint64_t seen = 0;
        uint64_t mine = drawn[i] == 0 ? 1 : drawn[i];
        (void)atomic_compare_exchange_strong(&shared->pseudonym_key[i], &seen, mine);
        sl_put_le64(ret_key + 8 * i, seen == 0 ? mine : seen);
    }
    sl_wipe(drawn, sizeof drawn);
    return SL_DONE;
}
