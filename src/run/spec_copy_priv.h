/* A deep copy of a spec, whose strings belong to the caller of run_start(). */
#ifndef SLIPWAY_RUN_SPEC_COPY_PRIV_H
#define SLIPWAY_RUN_SPEC_COPY_PRIV_H

struct arena;
struct err;
struct spec;

/* Also checks what the runner relies on: at least one step, each with a program. */
int spec_copy(struct spec *to, const struct spec *from, struct arena *a, struct err *e);

#endif
