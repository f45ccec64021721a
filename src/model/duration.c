#include "model/duration.h"

#include <math.h>
#include <string.h>

#define PRIOR_VAR 0.16	    /* of the logarithm, of the imagined run */
#define BEYOND_Z 3.0	    /* so far out nothing is left of what was known */
#define BEYOND_DEVIATION .7 /* of the logarithm, from there on */
#define LOW_U .1
#define HIGH_U .9

struct duration duration_of(int64_t ms)
{
	double x = ms < 1 ? 1 : ms > INT32_MAX ? (double)INT32_MAX : (double)ms;
	return (struct duration){ .n = 1, .log_mean = log(x), .mean_ms = x };
}

/* The two together, with the weights a and b. */
static void merge(double *mean, double *var, double a, double mean_b, double var_b, double b)
{
	double delta = mean_b - *mean, sum = a + b;
	*var = (a * *var + b * var_b + delta * delta * a * b / sum) / sum;
	*mean += delta * b / sum;
}

void duration_add(struct duration *d, const struct duration *newer, int keep)
{
	double weight = keep && d->n >= keep ? keep - 1 : (double)d->n, more = (double)newer->n;
	if (!newer->n)
		return;
	merge(&d->log_mean, &d->log_var, weight, newer->log_mean, newer->log_var, more);
	merge(&d->mean_ms, &d->var_ms, weight, newer->mean_ms, newer->var_ms, more);
	d->n += newer->n;
}

/* The inverse of the normal distribution function: P. J. Acklam's rational approximation, relative error below 1.2e-9. */
static double normal_tail(double p)
{
	double q = sqrt(-2 * log(p));
	return (((((-7.784894002430293e-03 * q - 3.223964580411365e-01) * q - 2.400758277161838e+00) * q -
		  2.549732539343734e+00) *
			 q +
		 4.374664141464968e+00) *
			q +
		2.938163982698783e+00) /
	       ((((7.784695709041462e-03 * q + 3.224671290700398e-01) * q + 2.445134137142996e+00) * q +
		 3.754408661907416e+00) *
			q +
		1);
}

static double normal_inverse(double p)
{
	if (p < .02425)
		return normal_tail(p);
	if (p > 1 - .02425)
		return -normal_tail(1 - p);
	double q = p - .5, r = q * q;
	return (((((-3.969683028665376e+01 * r + 2.209460984245205e+02) * r - 2.759285104469687e+02) * r +
		  1.383577518672690e+02) *
			 r -
		 3.066479806614716e+01) *
			r +
		2.506628277459239e+00) *
	       q /
	       (((((-5.447609879822406e+01 * r + 1.615858368580409e+02) * r - 1.556989798598866e+02) * r +
		  6.680131188771972e+01) *
			 r -
		 1.328068155288572e+01) *
			r +
		1);
}

/* Of the logarithm of the next run: the spread with the imagined run, and that the mean itself is not known better than from n
 * runs. */
static double deviation(const struct duration *d)
{
	double n = d->n > DURATION_KEEP ? DURATION_KEEP : (double)d->n;
	return sqrt((n * d->log_var + PRIOR_VAR) / (n + 1) * (1 + 1 / n));
}

double duration_quantile(const struct duration *d, double elapsed_ms, double u)
{
	double s = deviation(d), mean = d->log_mean, left = 1;
	if (elapsed_ms >= 1) {
		double z = (log(elapsed_ms) - mean) / s;
		if (z > BEYOND_Z) {
			mean = log(elapsed_ms);
			s = fmax(s, BEYOND_DEVIATION);
			z = 0;
		}
		left = erfc(z / M_SQRT2) / 2;
	}
	/* By the tail that is left: near 1 there are no digits for it. */
	double x = exp(mean - s * normal_inverse(left * (1 - u)));
	return fmin(fmax(x, elapsed_ms), INT32_MAX * 16.0);
}

struct span duration_span(const struct duration *d, int64_t elapsed_ms)
{
	double at = (double)elapsed_ms;
	return (struct span){ (int64_t)duration_quantile(d, at, LOW_U), (int64_t)duration_quantile(d, at, .5),
			      (int64_t)ceil(duration_quantile(d, at, HIGH_U)) };
}

void duration_name(enum job_kind kind, const char *name, char out[JOB_NAME_MAX + 1])
{
	size_t n = kind == KIND_BUILD ? strcspn(name, "_") : strlen(name);
	n = n > JOB_NAME_MAX ? JOB_NAME_MAX : n;
	memcpy(out, name, n);
	out[n] = '\0';
}
