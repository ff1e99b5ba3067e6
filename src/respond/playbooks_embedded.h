/* The playbooks that the program carries: data/playbooks. */
#ifndef SL_RESPOND_PLAYBOOKS_EMBEDDED_H
#define SL_RESPOND_PLAYBOOKS_EMBEDDED_H

#include "base/embedded.h"

extern const sl_embedded_file sl_respond_playbooks[];
extern const size_t sl_respond_playbooks_count;

#endif
