#include <fcntl.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "writes what the machine's firmware keeps",
	.must = "refused, or not there",
};

void probe_run(void)
{
	no_open("/sys/firmware/efi/efivars", O_RDWR);
	no_open("/proc/acpi/wakeup", O_RDWR);
	no_open("/proc/scsi/scsi", O_RDWR);
}
