/* What attacker code tries from inside a process: each attack says whether it got what it wanted. The
 * same code runs confined and unconfined; only the latter may succeed. */
#ifndef SL_TESTS_HOST_ATTACKS_H
#define SL_TESTS_HOST_ATTACKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What the attacker knows beforehand: things outside that a confined process must not reach. */
typedef struct {
    pid_t victim;       /* a process of the same user */
    uint64_t secret_at; /* address of 8 secret bytes in it */
    int victim_fd;      /* a descriptor of it worth stealing */
    char file[128];     /* a file that this user may read and write */
    char socket[96];    /* a listening Unix socket that this user may connect to */
    char abstract[64];  /* name of an abstract one */
    uint16_t tcp_port;  /* a listening TCP port on 127.0.0.1 */
    uint16_t udp_port;
    int shm;                /* a System V segment */
    uint8_t program[65536]; /* a whole executable */
    size_t program_n;
} attack_world;

#define ATTACK_SECRET UINT64_C(0x5ec2e75ec2e75ec2)

typedef struct {
    const char *name;
    bool (*run)(const attack_world *world);
    bool root_only;      /* an ordinary user cannot do it even unconfined */
    uint32_t allowed_by; /* SL_MAY_ flags with which it is the process's own work */
    bool execs;          /* success is that another program runs */
} attack;

extern const attack attacks[];
extern const size_t attack_count;

#endif
