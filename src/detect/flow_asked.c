/* What the user asks for and confirms (flow_asked.h): verbs in the names of tools and the words by which
 * people ask for them, sums of money, last digits, recipients. It decides nothing; the rules of flow.h do. */
#include "detect/flow_asked.h"

#include "detect/words.h"

#define TAIL_DIGITS_MIN 4U
#define DIGITS_MAX 64U
#define NAMED_BYTES_MIN 4U
#define WHOLE_DIGITS_MAX 9U
#define MARK_BYTES_MAX 12U
#define LABEL_BYTES_MAX ((size_t)28)

/* Verbs in tools' names, each with the folded words by which people ask for it: English, then German,
 * Spanish, French, Italian, Portuguese, Dutch, Polish and Russian ones. */
static const struct {
    const char *verb;
    const char *words;
} ASKING[] = {
    { "send",
      "send forward reply notify share respond answer email mail message tell text write "
      "sende senden schick schicke schicken verschicke maile antworte schreib schreibe sag "
      "envia enviar envie manda mandar responde escribe envoie envoyer envoyez reponds ecris "
      "invia inviare rispondi scrivi stuur sturen verstuur mail wyslij napisz odpisz "
      "отправь пошли напиши ответь перешли" },
    { "forward", "forward send share pass weiterleiten leite reenvia reenviar transfere transferer "
                 "inoltra encaminhe stuur przeslij przekaz перешли" },
    { "reply", "reply answer respond send antworte antworten responde responder reponds repondre "
               "rispondi responda antwoord odpowiedz odpisz ответь" },
    { "pay",
      "pay transfer settle wire zahle zahl zahlen bezahle bezahl bezahlen uberweise uberweisen "
      "begleiche paga pagar pague abona abonar paie payer payez regle regler pagare betaal "
      "betalen zaplac zaplaci oplac оплати заплати оплатить" },
    { "transfer",
      "transfer pay move wire send uberweise uberweisen transfiere transferir transferer "
      "vire virer trasferisci bonifica transfira maak przelej переведи" },
    { "wire", "wire pay transfer send uberweise uberweisen" },
    { "settle", "settle pay begleiche bezahle liquida regle" },
    { "refund", "refund reimburse return erstatte reembolsa rembourse rimborsa terugbetaal" },
    { "delete",
      "delete remove clear erase drop clean losche loschen entferne borra borrar elimina "
      "eliminar supprime supprimer efface cancella exclua apague verwijder wis usun skasuj "
      "удали сотри" },
    { "remove",
      "remove delete clear drop entferne losche quita elimina retire rimuovi verwijder usun "
      "удали" },
    { "create",
      "create add make schedule book set write draft enter plan erstelle anlegen lege trag "
      "trage mach crea crear anade haz creer ajoute fais aggiungi crie adicione faca maak "
      "voeg utworz dodaj zrob создай добавь" },
    { "add",
      "add create insert append put include enter invite fuge trag trage anade agrega ajoute "
      "aggiungi adicione voeg dodaj добавь" },
    { "update",
      "update change edit set correct modify move reschedule andere aktualisiere korrigiere "
      "verschiebe actualiza cambia corrige modifie change deplace aggiorna sposta atualize "
      "mude wijzig verplaats zmien popraw измени обнови перенеси" },
    { "schedule", "schedule book plan arrange set add plane vereinbare programa agenda planifie "
                  "programma marque plan zaplanuj umow запланируй" },
    { "reserve", "reserve book order reserviere buche reserva reservar reserver prenota reservez "
                 "reserveer zarezerwuj забронируй" },
    { "book",
      "book reserve order schedule buche buch reserva reservar reserve reserver prenota boek "
      "zarezerwuj забронируй" },
    { "invite", "invite add ask lade einladen invita invite invita convide nodig zapros пригласи" },
    { "cancel", "cancel remove stop delete storniere absagen sage stornier cancela anula annule "
                "annuler annulla cancele annuleer anuluj odwolaj отмени" },
    { "upload",
      "upload save store put post lade hochladen sube televerse carica envie upload wgraj "
      "загрузи" },
    { "post", "post publish share announce poste veroffentliche publica publie pubblica publique "
              "plaats opublikuj опубликуй" },
    { "write",
      "write save store draft note create schreib schreibe notiere escribe anota ecris note "
      "scrivi escreva schrijf napisz zapisz напиши запиши" },
    { "run",
      "run execute start launch test starte fuhre ejecuta lance execute esegui avvia execute "
      "voer uruchom запусти" },
    { "execute",
      "execute run start launch starte fuhre ejecuta lance esegui voer wykonaj выполни" },
    { "fetch",
      "fetch open load visit download browse page website look offne lade seite abre pagina "
      "ouvre page apri open otworz strone открой" },
    { "browse",
      "browse open visit look website page offne seite abre pagina ouvre apri otworz открой" },
    { "open",
      "open visit read look show page website offne zeige lies abre lee ouvre lis apri leggi "
      "otworz открой" },
    { "download",
      "download get fetch save lade herunterladen descarga telecharge scarica baixe pobierz "
      "скачай" },
    { "order",
      "order buy purchase bestelle kaufe pide compra encarga commande achete ordina compra "
      "bestel koop zamow kup закажи купи" },
    { "grant", "grant give allow share gib erlaube da permite donne autorise geef daj дай" },
    { "set",
      "set change update setze stelle stell pon cambia mets regle imposta zet ustaw установи" },
    { "approve",
      "approve accept confirm release genehmige bestatige aprueba confirma approuve confirme "
      "approva aprove keur zatwierdz подтверди" },
};

/* What people call the paper that they want to be paid. */
static const char PAPERS[] =
    "bill bills invoice invoices rechnung rechnungen factura facturas recibo facture factures fattura "
    "fatture bolletta fatura conta boleto rekening nota factuur rachunek rachunki fakture faktura "
    "fakturu faktury счет рахунок fatura faturayi tagihan";
static const char NEGATIONS[] =
    "not don never no nicht kein keine keinen nunca jamas ne pas jamais non mai nao niet geen nie "
    "nooit не никогда inte aldrig";
/* Numbers behind these are nobody's account; matched at the beginning of a word. */
static const char LABELS[] =
    "tel telefon telephone phone fax mobil invoice rechnung customer kunden client cliente vat ust "
    "steuer factura facture fattura order bestell isbn";
static const char AMOUNT_KEYS[] =
    "amount sum total value betrag summe importe montant valor importo bedrag kwota price";
static const char CURRENCIES[] =
    "eur euro euros usd dollar dollars dolares chf franken francs gbp pound pounds pln zl kr sek rub "
    "reais reales";

typedef enum { SAID_TRUSTED, SAID_BY_USER } said_by;

/* Is this word (all of it, if it splits) one that trusted texts hold, or that the user typed? */
static bool is_said(const sl_flow_index *index, sl_view word, said_by who)
{
    sl_flow_items items = { 0 };
    bool said = sl_ok(sl_flow_split(word, &items)) && items.n > 0;
    for (size_t i = 0; i < items.n && said && items.items[i].kind == SL_FLOW_WORDS; i++) {
        const sl_flow_entry *e = sl_flow_index_find(index, sl_flow_word_hash(&items.items[i]));
        said = e != NULL && (who == SAID_BY_USER ? e->by_user : (e->trust & SL_FLOW_TRUSTED) != 0);
    }
    free(items.items);
    return said;
}

static bool any_is_said(const sl_flow_index *index, const char *words, said_by who)
{
    sl_view rest = sl_view_str(words);
    while (rest.n != 0) {
        sl_view word;
        (void)sl_view_cut(rest, ' ', &word, &rest);
        if (word.n != 0 && is_said(index, word, who)) {
            return true;
        }
    }
    return false;
}

/* ---- the tool's name ----------------------------------------------------------------------- */

/* The next word of a tool's name: send_email, sendEmail, mail.send. */
static sl_view name_word(sl_view name, size_t *at)
{
    while (*at < name.n && !sl_is_word(name.p[*at])) {
        ++*at;
    }
    size_t from = *at;
    while (*at < name.n && sl_is_word(name.p[*at])) {
        bool hump = *at > from && name.p[*at] >= 'A' && name.p[*at] <= 'Z' &&
                    !(name.p[*at - 1] >= 'A' && name.p[*at - 1] <= 'Z');
        if (hump) {
            break;
        }
        ++*at;
    }
    return sl_view_sub(name, from, *at);
}

static bool is_verb(sl_view word, size_t *ret_at)
{
    for (size_t i = 0; i < SL_COUNT_OF(ASKING); i++) {
        if (sl_view_eq_nocase(word, sl_view_str(ASKING[i].verb))) {
            *ret_at = i;
            return true;
        }
    }
    return false;
}

static bool is_named_by_data(const sl_flow_index *index, sl_view word, sl_flow_entry *ret)
{
    sl_flow_items one = { 0 };
    bool named = false;
    if (sl_ok(sl_flow_split(word, &one)) && one.n == 1) {
        const sl_flow_entry *e = sl_flow_index_find(index, sl_flow_word_hash(&one.items[0]));
        named =
            e != NULL && (e->trust & (SL_FLOW_TRUSTED | SL_FLOW_UNTRUSTED)) == SL_FLOW_UNTRUSTED;
        *ret = named ? *e : *ret;
    }
    free(one.items);
    return named;
}

sl_flow_asking sl_flow_look_at_name(const sl_flow_index *index, sl_view tool)
{
    sl_flow_asking a = { 0 };
    size_t words = 0;
    size_t named = 0;
    bool verbs = false;
    bool asked_verb = false;
    bool asked_word = false;
    for (size_t at = 0; at < tool.n;) {
        size_t verb = 0;
        sl_view word = name_word(tool, &at);
        if (word.n < 3) {
            continue;
        }
        words++;
        if (is_verb(word, &verb)) {
            verbs = true;
            asked_verb = asked_verb || any_is_said(index, ASKING[verb].words, SAID_TRUSTED);
            a.commanded = a.commanded || any_is_said(index, ASKING[verb].words, SAID_BY_USER);
        }
        asked_word = asked_word || is_said(index, word, SAID_TRUSTED);
        named += is_named_by_data(index, word, &a.named);
    }
    /* "MainframeShutdown" may be written so in the text, too. */
    named += words > 1 && is_named_by_data(index, tool, &a.named) ? words : 0;
    a.asked = verbs ? asked_verb : asked_word;
    a.named_by_data = named > 0 && (named >= 2 || words == 1);
    return a;
}

/* ---- words of lists ------------------------------------------------------------------------ */

static bool begins_one_of(sl_view word, const char *list)
{
    sl_view rest = sl_view_str(list);
    while (rest.n != 0) {
        sl_view one;
        (void)sl_view_cut(rest, ' ', &one, &rest);
        if (one.n <= word.n && sl_view_eq_nocase(sl_view_sub(word, 0, one.n), one)) {
            return true;
        }
    }
    return false;
}

static bool is_one_of(sl_view word, const char *list)
{
    sl_view rest = sl_view_str(list);
    while (rest.n != 0) {
        sl_view one;
        (void)sl_view_cut(rest, ' ', &one, &rest);
        if (sl_view_eq_nocase(word, one)) {
            return true;
        }
    }
    return false;
}

/* Asked about every word of the user; nearly all are told from their first letter. */
bool sl_flow_is_negation(sl_view word)
{
    bool may_be = word.n >= 2 && word.n <= 16 &&
                  (word.p[0] >= 0x80 || memchr("ndkpjmia", sl_lower(word.p[0]), 8) != NULL);
    return may_be && is_one_of(word, NEGATIONS);
}

/* ---- sums of money ------------------------------------------------------------------------- */

static bool joins_sum(uint8_t b)
{
    return b == '.' || b == ',' || b == '\'';
}

/* "84", "84.2", "84,20", "1.084,20", "1'084.20": one or two digits behind the last sign are decimals. */
static bool read_sum(sl_view text, uint64_t *ret)
{
    uint64_t whole = 0;
    uint64_t rest = 0;
    size_t digits = 0;
    size_t last = SIZE_MAX;
    for (size_t i = 0; i < text.n; i++) {
        last = joins_sum(text.p[i]) ? i : last;
    }
    size_t decimals = last == SIZE_MAX ? 0 : text.n - last - 1;
    bool has_rest = decimals == 1 || decimals == 2;
    for (size_t i = 0; i < text.n; i++) {
        if (sl_is_digit(text.p[i]) && has_rest && i > last) {
            rest = rest * 10 + (uint64_t)(text.p[i] - '0');
        } else if (sl_is_digit(text.p[i])) {
            whole = whole * 10 + (uint64_t)(text.p[i] - '0');
            digits++;
        } else if (!joins_sum(text.p[i])) {
            return false;
        }
        if (digits > WHOLE_DIGITS_MAX) {
            return false;
        }
    }
    *ret = whole * 100 + (decimals == 1 ? rest * 10 : rest);
    return digits > 0;
}

static bool is_sign_of_money(sl_view v, size_t at)
{
    sl_view rest = sl_view_sub(v, at, v.n);
    return sl_view_starts(rest, SL_LIT("$")) || sl_view_starts(rest, SL_LIT("\xE2\x82\xAC")) ||
           sl_view_starts(rest, SL_LIT("\xC2\xA3"));
}

/* Is money what stands at [from, to)? A sign or a word of a currency beside it, or two decimals, say so. */
static bool is_money(sl_view v, size_t from, size_t to)
{
    size_t at = to;
    while (at < v.n && v.p[at] == ' ' && at - to < 2) {
        at++;
    }
    size_t end = at;
    while (end < v.n && end - at < MARK_BYTES_MAX && sl_is_word(v.p[end])) {
        end++;
    }
    size_t before = from;
    while (before > 0 && v.p[before - 1] == ' ' && from - before < 2) {
        before--;
    }
    size_t begin = before;
    while (begin > 0 && before - begin < MARK_BYTES_MAX && sl_is_word(v.p[begin - 1])) {
        begin--;
    }
    bool decimals = to - from > 3 && joins_sum(v.p[to - 3]);
    bool signs = is_sign_of_money(v, at) || (before >= 1 && is_sign_of_money(v, before - 1)) ||
                 (before >= 2 && is_sign_of_money(v, before - 2)) ||
                 (before >= 3 && is_sign_of_money(v, before - 3));
    return decimals || signs || is_one_of(sl_view_sub(v, at, end), CURRENCIES) ||
           is_one_of(sl_view_sub(v, begin, before), CURRENCIES);
}

void sl_flow_amounts_take(sl_flow_amounts *amounts, sl_view folded)
{
    for (size_t i = 0; i < folded.n;) {
        if (!sl_is_digit(folded.p[i])) {
            i++;
            continue;
        }
        size_t end = i;
        uint64_t sum = 0;
        while (end < folded.n &&
               (sl_is_digit(folded.p[end]) || (joins_sum(folded.p[end]) && end + 1 < folded.n &&
                                               sl_is_digit(folded.p[end + 1])))) {
            end++;
        }
        bool money = is_money(folded, i, end) && read_sum(sl_view_sub(folded, i, end), &sum);
        if (money && amounts->n < SL_FLOW_AMOUNTS_MAX) {
            amounts->items[amounts->n++] = sum;
        }
        i = end;
    }
}

static bool has_amount(const sl_flow_amounts *amounts, uint64_t sum)
{
    for (size_t i = 0; i < amounts->n; i++) {
        if (amounts->items[i] == sum) {
            return true;
        }
    }
    return false;
}

static bool is_amount_key(sl_view key)
{
    for (size_t at = 0; at < key.n;) {
        if (is_one_of(name_word(key, &at), AMOUNT_KEYS)) {
            return true;
        }
    }
    return false;
}

/* ---- what is on offer ---------------------------------------------------------------------- */

static bool is_labelled(sl_view folded, size_t number)
{
    size_t low = number > LABEL_BYTES_MAX ? number - LABEL_BYTES_MAX : 0;
    size_t at = number;
    for (size_t words = 0; words < 2; words++) {
        while (at > low && !sl_is_word(folded.p[at - 1])) {
            if (folded.p[at - 1] == '\n' || folded.p[at - 1] == ';') {
                return false;
            }
            at--;
        }
        size_t end = at;
        while (at > low && sl_is_word(folded.p[at - 1])) {
            at--;
        }
        if (begins_one_of(sl_view_sub(folded, at, end), LABELS)) {
            return true;
        }
    }
    return false;
}

void sl_flow_offer(sl_flow_offers *offers, sl_view folded, const sl_flow_item *number)
{
    for (size_t i = 0; i < offers->n; i++) {
        if (offers->hashes[i] == number->hash) {
            return;
        }
    }
    if (is_labelled(folded, number->start)) {
        return;
    }
    if (offers->n == SL_FLOW_OFFERS_MAX) {
        offers->more = true;
        return;
    }
    offers->hashes[offers->n++] = number->hash;
}

/* Another number that untrusted text alone gives makes the user's word too little to tell which. */
static bool has_rival(const sl_flow_index *index, const sl_flow_offers *offers, uint64_t hash)
{
    bool rival = offers->more;
    for (size_t i = 0; i < offers->n && !rival; i++) {
        const sl_flow_entry *e = sl_flow_index_find(index, offers->hashes[i]);
        rival = offers->hashes[i] != hash && e != NULL && (e->trust & SL_FLOW_TRUSTED) == 0;
    }
    return rival;
}

/* ---- what the user confirmed --------------------------------------------------------------- */

/* A word of an argument that the user typed and that an untrusted text holds names its recipient there. */
static sl_res take_named(const sl_flow_index *index, sl_view argument, sl_flow_grant *grant)
{
    SL_OWN(sl_fold_work, work, sl_fold_work_free) = { 0 };
    sl_flow_items items = { 0 };
    sl_folded folded;
    SL_TRY(sl_fold(argument, false, &work, &folded, NULL));
    sl_res r = sl_flow_split(folded.text, &items);
    for (size_t i = 0; i < items.n && grant->named_n < SL_FLOW_NAMED_MAX; i++) {
        const sl_flow_item *word = &items.items[i];
        const sl_flow_entry *e = sl_flow_index_find(index, sl_flow_word_hash(word));
        bool names = word->kind == SL_FLOW_WORDS && word->end - word->start >= NAMED_BYTES_MIN &&
                     !sl_is_digit(folded.text.p[word->start]) && e != NULL && e->by_user &&
                     (e->trust & SL_FLOW_UNTRUSTED) != 0;
        if (names) {
            grant->named[grant->named_n++] = e->message;
        }
    }
    free(items.items);
    return r;
}

/* One argument: a sum has to be one that the user typed, if he typed any; a text may name the recipient. */
static sl_res look_at_argument(const sl_flow_index *index, const sl_flow_amounts *amounts,
                               sl_view key, sl_view text, bool *any, bool *wrong,
                               sl_flow_grant *grant)
{
    uint64_t sum = 0;
    if (read_sum(text, &sum)) {
        bool fits = has_amount(amounts, sum);
        *any = *any || fits;
        *wrong = *wrong || (!fits && is_amount_key(key));
        return SL_DONE;
    }
    return take_named(index, text, grant);
}

sl_res sl_flow_grant_of(const sl_flow_index *index, const sl_flow_amounts *amounts,
                        const sl_flow_asking *asking, const sl_json_doc *arguments,
                        sl_flow_grant *ret_grant)
{
    SL_OWN(sl_buf, key, sl_buf_free) = { .max = SL_FLOW_TEXT_MAX };
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_FLOW_TEXT_MAX };
    sl_flow_grant g = { .commanded = asking->commanded };
    bool any = false;
    bool wrong = false;
    size_t count = arguments == NULL || !g.commanded ? 0 : arguments->count;
    for (size_t i = 0; i < count; i++) {
        const sl_json_node *node = &arguments->nodes[i];
        bool is_key = node->kind == SL_JSON_KEY;
        sl_buf_clear(is_key ? &key : &text);
        if (is_key || node->kind == SL_JSON_STRING) {
            SL_TRY(sl_json_add_text(node, is_key ? &key : &text));
        } else if (node->kind == SL_JSON_NUMBER) {
            SL_TRY(sl_buf_add(&text, node->raw));
        }
        if (!is_key && text.n != 0) {
            SL_TRY(look_at_argument(index, amounts, sl_buf_view(&key), sl_buf_view(&text), &any,
                                    &wrong, &g));
        }
    }
    g.amount_agrees = amounts->n == 0 || (any && !wrong);
    g.pointed = (amounts->n > 0 && g.amount_agrees) || any_is_said(index, PAPERS, SAID_BY_USER);
    *ret_grant = g;
    return SL_DONE;
}

/* The last four digits or more, as the user would read them from a card; a year is no such thing. */
static bool is_tail_said(const sl_flow_index *index, sl_view number)
{
    uint8_t digits[DIGITS_MAX];
    size_t n = 0;
    for (size_t i = 0; i < number.n && n < DIGITS_MAX; i++) {
        if (sl_is_digit(number.p[i])) {
            digits[n++] = number.p[i];
        }
    }
    for (size_t k = TAIL_DIGITS_MIN; k < n; k++) {
        sl_view tail = sl_view_of(digits + n - k, k);
        bool year =
            k == 4 && (sl_view_starts(tail, SL_LIT("19")) || sl_view_starts(tail, SL_LIT("20")));
        if (!year && is_said(index, tail, SAID_BY_USER)) {
            return true;
        }
    }
    return false;
}

static bool is_number_confirmed(const sl_flow_index *index, const sl_flow_offers *offers,
                                const sl_flow_grant *grant, sl_view number, uint64_t hash)
{
    const sl_flow_entry *e = sl_flow_index_find(index, hash);
    bool pointed = grant->pointed;
    for (size_t i = 0; i < grant->named_n && e != NULL; i++) {
        pointed = pointed || grant->named[i] == e->message;
    }
    return grant->amount_agrees &&
           (is_tail_said(index, number) || (pointed && !has_rival(index, offers, hash)));
}

/* "anna at the clinic" confirms anna@clinic.example: all words but the last, which says nothing. */
static bool is_address_confirmed(const sl_flow_index *index, sl_view address)
{
    static const char ANYBODYS[] = "com org net co edu gov info www mail";
    size_t said = 0;
    size_t last = address.n;
    while (last > 0 && address.p[last - 1] != '.') {
        last--;
    }
    for (size_t at = 0; at + 1 < last;) {
        sl_view word = name_word(sl_view_sub(address, 0, last), &at);
        if (word.n == 0 || is_one_of(word, ANYBODYS)) {
            continue;
        }
        if (!is_said(index, word, SAID_BY_USER)) {
            return false;
        }
        said++;
    }
    return said >= 2;
}

bool sl_flow_is_confirmed(const sl_flow_index *index, const sl_flow_offers *offers,
                          const sl_flow_grant *grant, sl_view folded, const sl_flow_item *item)
{
    sl_view text = sl_view_sub(folded, item->start, item->end);
    if (!grant->commanded) {
        return false;
    }
    return item->kind == SL_FLOW_NUMBER
               ? is_number_confirmed(index, offers, grant, text, item->hash)
               : item->kind == SL_FLOW_EMAIL && is_address_confirmed(index, text);
}
