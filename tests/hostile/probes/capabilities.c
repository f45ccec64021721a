#include <linux/capability.h>
#include <sys/prctl.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "looks for capabilities that reach beyond the sandbox",
	.must = "none: not to administer, trace, load, mount or reboot; a build has none at all",
	.is_controlled = true,
};

void probe_run(void)
{
	static const int never[] = { CAP_SYS_ADMIN, CAP_SYS_MODULE,  CAP_SYS_RAWIO, CAP_SYS_PTRACE,
				     CAP_SYS_BOOT,  CAP_SYS_TIME,    CAP_NET_ADMIN, CAP_NET_RAW,
				     CAP_SYSLOG,    CAP_MAC_ADMIN,   CAP_BPF,	    CAP_PERFMON,
				     CAP_SYS_NICE,  CAP_SYS_RESOURCE };
	for (unsigned i = 0; i < sizeof never / sizeof *never; i++)
		if (prctl(PR_CAPBSET_READ, never[i], 0, 0, 0) == 1)
			broken("capability %d can be had", never[i]);
}
