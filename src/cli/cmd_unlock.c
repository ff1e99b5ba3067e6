/* `stoplog unlock`: gives the vault its passphrase after a start. */
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "cli/admin.h"

#define USAGE "unlock [--passphrase-file FILE]"

/* Reads a passphrase from the terminal without showing it. */
static sl_res ask_terminal(sl_buf *ret)
{
    struct termios shown;
    bool terminal = tcgetattr(STDIN_FILENO, &shown) == 0;
    if (terminal) {
        struct termios hidden = shown;
        hidden.c_lflag &= ~(tcflag_t)ECHO;
        (void)fprintf(stderr, "passphrase of the vault: ");
        if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) != 0) {
            return sl_fail_os(SL_E_IO, "terminal");
        }
    }
    sl_res r = sl_passphrase_read("-", ret);
    if (terminal) {
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
        (void)fprintf(stderr, "\n");
    }
    return r;
}

int sl_cmd_unlock(sl_cli *cli, int argc, char **argv)
{
    SL_OWN(sl_admin, admin, sl_admin_close) = { 0 };
    SL_OWN(sl_buf, passphrase, sl_passphrase_free) = { .max = SL_UNLOCK_BYTES_MAX };
    SL_OWN(sl_buf, answer, sl_buf_free) = { .max = SL_IPC_BYTES_MAX };
    bool file = argc == 3 && strcmp(argv[1], "--passphrase-file") == 0;
    if (argc != 1 && !file) {
        return sl_cli_usage(cli, USAGE);
    }
    sl_res r = sl_admin_open(cli, &admin);
    if (sl_ok(r)) {
        r = file ? sl_passphrase_read(argv[2], &passphrase) : ask_terminal(&passphrase);
    }
    r = sl_ok(r) ? sl_admin_ask(&admin, SL_ADMIN_UNLOCK, sl_buf_view(&passphrase), &answer) : r;
    r = sl_ok(r) ? sl_cli_line(cli->json ? SL_LIT("{\"summary\":{\"unlocked\":true}}")
                                         : SL_LIT("the vault is unlocked"))
                 : r;
    return sl_ok(r) ? 0 : sl_cli_fail(cli, "unlock", r);
}
