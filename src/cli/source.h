/* What a build is made from: a .dsc with the files it names, or a folder with an unpacked source package. Its files
 * become the job's inputs; what they must be is checked before anything is submitted. One thread. */
#ifndef SLIPWAY_CLI_SOURCE_H
#define SLIPWAY_CLI_SOURCE_H

struct buf;
struct err;
struct submission;

/* Adds the inputs and appends "name_version" to `name`. A folder becomes one input, source.tar, in which everything
 * lies beneath "source/". */
int source_add(struct submission *s, const char *path, struct buf *name, struct err *e);

#endif
