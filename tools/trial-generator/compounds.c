/* The compound table: structures by grammar. A scaffold has open places `{1}`, `{2}`; each is filled
 * with a substituent that begins with the atom it is bound by. Ring numbers 1 to 3 belong to
 * scaffolds, 4 and 5 to substituents, so that no filling can close a foreign ring. */
#include "trial.h"

static const struct {
    const char *series, *smiles;
} scaffolds[] = {
    { "A", "c1nc({1})c2c(n1)[nH]cc2{2}" }, { "A", "c1nc(N{1})c2cc[nH]c2n1" },
    { "B", "O=C(N{1})c1ccc({2})nc1" },     { "B", "O=C({1})Nc1ccc2c({2})n[nH]c2c1" },
    { "C", "c1cc({1})c2ncnc(N{2})c2c1" },  { "C", "COc1cc2ncnc(N{1})c2cc1O{2}" },
    { "D", "CN(C{1})C(=O)c1csc({2})n1" },
};

static const char *const substituents[] = {
    "C",
    "CC",
    "C(C)C",
    "CCO",
    "CCN4CCOCC4",
    "C4CC4",
    "c4ccccc4",
    "c4ccc(F)cc4",
    "c4cc(Cl)ccc4",
    "c4ccncc4",
    "C4CCNCC4",
    "CC(F)(F)F",
    "C4CCN(C)CC4",
    "Cc4ccc(C#N)cc4",
    "CCS(C)(=O)=O",
    "c4cn(C)nc4",
    "C4CCCC4",
    "CCCN(C)C",
};

static const table_column columns[] = {
    { "COMPOUND", "Compound number", false },
    { "SERIES", "Chemical series", false },
    { "SMILES", "Structure", false },
    { "IC50NM", "Potency, nM", true },
    { "SELFOLD", "Selectivity, fold", true },
    { "CLINT", "Clearance, uL/min/mg", true },
    { "BATCH", "Batch", false },
    { "STATUS", "Status", false },
};

static SL_MUST sl_res write_structure(sl_prng *prng, const char *scaffold, sl_buf *out)
{
    sl_view rest = sl_view_str(scaffold);
    sl_view part;
    while (sl_view_cut(rest, '{', &part, &rest)) {
        SL_TRY(sl_buf_add(out, part));
        SL_TRY(sl_buf_add_str(out, substituents[sl_prng_below(prng, SL_COUNT_OF(substituents))]));
        rest = sl_view_sub(rest, 2, rest.n); /* the place's number and its brace */
    }
    return sl_buf_add(out, part);
}

SL_MUST sl_res trial_make_compounds(trial *t, sl_prng *prng, size_t count)
{
    t->compounds = (table){ .name = "COMPOUND",
                            .label = "Compound table",
                            .columns = columns,
                            .column_count = SL_COUNT_OF(columns) };
    for (size_t i = 0; i < count; i++) {
        size_t kind = sl_prng_below(prng, SL_COUNT_OF(scaffolds));
        SL_OWN(sl_buf, smiles, sl_buf_free) = { .max = 200 };
        SL_TRY(write_structure(prng, scaffolds[kind].smiles, &smiles));
        double ic50 = 0.8 + sl_prng_unit(prng) * sl_prng_unit(prng) * 900;
        const char *status = i == 41 ? "clinical" : ic50 < 20 ? "lead" : "tested";
        SL_TRY(table_row(&t->compounds));
        SL_TRY(table_text(&t->compounds, &t->arena, "STP-%04zu", 4086 + i));
        SL_TRY(table_text(&t->compounds, &t->arena, "%s", scaffolds[kind].series));
        SL_TRY(table_text(&t->compounds, &t->arena, "%.*s", SL_FMT(sl_buf_view(&smiles))));
        table_number(&t->compounds, (double)(int64_t)(ic50 * 10) / 10);
        table_number(&t->compounds, (double)(10 + sl_prng_below(prng, 400)));
        table_number(&t->compounds, (double)(5 + sl_prng_below(prng, 180)));
        SL_TRY(
            table_text(&t->compounds, &t->arena, "B%05u", (unsigned)sl_prng_below(prng, 100000)));
        SL_TRY(table_text(&t->compounds, &t->arena, "%s", status));
    }
    return SL_DONE;
}
