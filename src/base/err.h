/* Errors: one fixed-size value of the caller's.
 *
 * Every function that can fail takes a `struct err *` as its last argument and gives 0 or -1. The value owns
 * nothing, so it cannot leak, may live on any stack and may cross a pipe as bytes. The function that meets
 * the failure sets it; callers on the way up add what they were doing (err_wrap). Only the top logs it.
 * A job that fails is an outcome, not an error.
 *
 * Any thread may use its own value; a value is not shared between threads without a lock.
 * `e` may be NULL everywhere: the caller then does not want the text.
 */
#ifndef SLIPWAY_BASE_ERR_H
#define SLIPWAY_BASE_ERR_H

#include <stdbool.h>

enum err_code {
	ERR_NONE,
	ERR_USAGE,	 /* the command line is wrong */
	ERR_INVALID,	 /* a request or a file is not what it must be */
	ERR_NOT_FOUND,	 /* the thing named does not exist */
	ERR_CONFLICT,	 /* the thing is in a state that does not allow this */
	ERR_STALE,	 /* the attempt has lost its lease: nothing was changed */
	ERR_DENIED,	 /* not allowed */
	ERR_CREDENTIAL,	 /* the caller's credential is none that is known */
	ERR_TOO_LARGE,	 /* over a limit */
	ERR_UNSUPPORTED, /* this machine or version cannot do it */
	ERR_BUSY,	 /* somebody else holds it; later it may go */
	ERR_UNREACHABLE, /* no server answers */
	ERR_NOMEM,
	ERR_SYSTEM,    /* a system call failed: see sys */
	ERR_CORRUPT,   /* stored data is damaged; nothing was touched */
	ERR_UNCERTAIN, /* the fate of a commit is unknown: only what may be repeated may be retried */
	ERR_INTERNAL,  /* a defect of ours */
};

struct err {
	enum err_code code;
	int sys; /* errno, or 0 */
	char text[504];
};

/* What a code means to the outside. One row each; the table is the only place that knows. */
struct err_info {
	enum err_code code;
	const char *name; /* in JSON: "not_found" */
	int http_status;
	int exit_status; /* of the command line, DESIGN's 0-4 */
	bool is_retryable;
};

#define ERR_INIT ((struct err){ .code = ERR_NONE })

/* Set the error; a formatted text that does not fit is cut. Always gives -1, so that `return err_set(…)` reads well. */
int err_set(struct err *e, enum err_code code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The same from errno: code is chosen by it, ": strerror" is appended. */
int err_sys(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Put what the caller was doing in front: "start job 7: open /x: No such file or directory". Gives -1. */
int err_wrap(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* All three give -1 in a form that compilers and checkers see, so that they know which way a caller goes. */
static inline int err_minus_one(int same)
{
	(void)same;
	return -1;
}
#define err_set(...) err_minus_one(err_set(__VA_ARGS__))
#define err_sys(...) err_minus_one(err_sys(__VA_ARGS__))
#define err_wrap(...) err_minus_one(err_wrap(__VA_ARGS__))

void err_clear(struct err *e);
/* Never NULL: an unknown code gives the row of ERR_INTERNAL. */
const struct err_info *err_info_get(enum err_code code);
/* The code of a name as it stands in JSON; ERR_INTERNAL if there is no such name. */
enum err_code err_code_parse(const char *name);

#endif
