/* What the files of `stoplog drill` share: cmd_drill.c takes arguments and prints, drill_attacks.c attacks and reads
 * the ledger meanwhile, drill_report.c reads what earlier drills left there. */
#ifndef SL_CLI_DRILL_CALL_H
#define SL_CLI_DRILL_CALL_H

#include "cli/cli.h"
#include "drill/attack.h"
#include "drill/scenario.h"

enum { CANARIES_MAX = 16 };

typedef struct {
    sl_cli *cli;
    sl_attack_target target;
    const char *prompt;
    const char *compartment; /* whose key the probe asks for; NULL: any */
    const char *canaries[CANARIES_MAX];
    size_t canary_count;
    const char *wanted[16];
    size_t wanted_count;
    size_t totals[3]; /* by sl_drill_result */
} drill_call;

/* A shipped scenario. SL_E_NOT_FOUND. */
SL_MUST sl_res sl_drill_scenario_named(sl_view id, sl_arena *arena, sl_scenario *ret);

/* The commands that read what earlier drills left; each returns the exit status. */
int sl_drill_gate_main(sl_cli *cli, int argc, char **argv);
int sl_drill_report_main(sl_cli *cli);
int sl_drill_replay_main(sl_cli *cli, const char *leaf);

/* Leaves that a reader of the site sees now. */
SL_MUST sl_res sl_drill_ledger_size(const drill_call *call, uint64_t *ret_size);
/* Carries the scenario's attack out; leaves from `from` on are the drill's time. */
SL_MUST sl_res sl_drill_attack(const drill_call *call, sl_drill_judge *judge, uint64_t from);
/* Reads on until every fact is decided or the time is over. */
void sl_drill_follow(const drill_call *call, sl_drill_judge *judge, uint64_t from);

#endif
