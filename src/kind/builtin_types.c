/* The build types of the source tree (types/), built in by src/kind/meson.build. */
#include "kind/build_type_priv.h"

extern const struct embed_file type_deb[];
extern const struct embed_file type_recipe[];
extern const struct embed_file type_target_create[];
extern const struct embed_file type_target_update[];

const struct builtin_type builtin_types[] = {
	{ "deb", type_deb },
	{ "recipe", type_recipe },
	{ "target-create", type_target_create },
	{ "target-update", type_target_update },
	{ NULL, NULL },
};
