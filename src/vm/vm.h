/* Attempts in QEMU guests. Empty so far: this header says where they will fit.
 *
 * A guest is a third driver of src/run, beside native.c and chroot.c: one more `struct driver` (run/driver_priv.h) whose
 *   prepare     makes a throw-away disk over the target's image and starts QEMU in a sandbox of src/sandbox
 *   start_step  hands a step to the agent in the guest, over a virtio-serial channel; its output comes back there
 *   inspect     asks the agent what out/ holds; collected files come as one bounded stream, because the host never mounts
 *               a guest's disk
 *   clean       kills QEMU and throws the disk away
 * The attempt's machine, log, limits and outcome stay as they are. Until then run_start() refuses ISOLATION_VM with
 * ERR_UNSUPPORTED and run_isolations() does not offer it. */
#ifndef SLIPWAY_VM_VM_H
#define SLIPWAY_VM_VM_H
#endif
