-- Jobs submitted in SQL, in a transaction of the application's own: docs/SUBMIT.md tells its users. What a body may say
-- is what model/submit.c, kind/command.c and store/submit.c say, in the same order and in the same words; a test gives
-- one table of bodies to both and compares what comes of them.

-- `at` begins each refusal: "line 3: " in a batch, else nothing.
CREATE FUNCTION refuse_body(at TEXT, said TEXT, code TEXT DEFAULT '22023') RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION USING MESSAGE = at || said, ERRCODE = code;
END $$;

-- ---- fields of JSON. A field that is null is one that is not there.

CREATE FUNCTION body_field(body JSONB, key TEXT) RETURNS JSONB LANGUAGE sql IMMUTABLE AS $$
	SELECT nullif(body -> key, 'null')
$$;

CREATE FUNCTION body_check_fields(at TEXT, body JSONB, allowed TEXT[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	key TEXT;
BEGIN
	IF jsonb_typeof(body) <> 'object' THEN
		PERFORM refuse_body(at, 'must be an object');
	END IF;
	FOR key IN SELECT jsonb_object_keys(body) LOOP
		IF key <> ALL (allowed) THEN
			PERFORM refuse_body(at, format('unknown field "%s"', left(key, 60)));
		END IF;
	END LOOP;
END $$;

CREATE FUNCTION body_object(at TEXT, body JSONB, key TEXT) RETURNS JSONB LANGUAGE plpgsql AS $$
DECLARE
	v JSONB := body_field(body, key);
BEGIN
	IF jsonb_typeof(v) <> 'object' THEN
		PERFORM refuse_body(at, key || ': must be an object');
	END IF;
	RETURN v;
END $$;

CREATE FUNCTION body_text(at TEXT, body JSONB, key TEXT, dflt TEXT) RETURNS TEXT LANGUAGE plpgsql AS $$
DECLARE
	v JSONB := body_field(body, key);
BEGIN
	IF v IS NULL THEN
		RETURN dflt;
	END IF;
	IF jsonb_typeof(v) <> 'string' THEN
		PERFORM refuse_body(at, key || ': must be a string');
	END IF;
	RETURN v #>> '{}';
END $$;

-- Numbers with a part after the point, be it .0, are no whole numbers.
CREATE FUNCTION body_int(at TEXT, body JSONB, key TEXT, low BIGINT, high BIGINT, dflt BIGINT) RETURNS BIGINT
LANGUAGE plpgsql AS $$
DECLARE
	v JSONB := body_field(body, key);
BEGIN
	IF v IS NULL THEN
		RETURN dflt;
	END IF;
	IF jsonb_typeof(v) = 'number' THEN
		IF scale(v::numeric) = 0 AND v::numeric BETWEEN low AND high THEN
			RETURN v::numeric;
		END IF;
	END IF;
	PERFORM refuse_body(at, format('%s: must be a whole number between %s and %s', key, low, high));
END $$;

-- Seconds, as milliseconds; halves away from zero.
CREATE FUNCTION body_seconds(at TEXT, body JSONB, key TEXT) RETURNS BIGINT LANGUAGE plpgsql AS $$
DECLARE
	v JSONB := body_field(body, key);
	ms DOUBLE PRECISION;
BEGIN
	IF v IS NULL THEN
		RETURN 0;
	END IF;
	IF jsonb_typeof(v) = 'number' THEN
		IF v::numeric BETWEEN 0 AND 32000000000 THEN
			IF scale(v::numeric) = 0 THEN
				RETURN v::numeric * 1000;
			END IF;
			ms := v::double precision * 1000;
			RETURN floor(ms) + CASE WHEN ms - floor(ms) >= 0.5 THEN 1 ELSE 0 END;
		END IF;
	END IF;
	PERFORM refuse_body(at, key || ': must be a number of seconds, not negative');
END $$;

CREATE FUNCTION body_words(at TEXT, body JSONB, key TEXT) RETURNS TEXT[] LANGUAGE plpgsql AS $$
DECLARE
	v JSONB := body_field(body, key);
	n BIGINT;
	words TEXT[];
BEGIN
	IF v IS NULL THEN
		RETURN '{}';
	END IF;
	IF jsonb_typeof(v) <> 'array' THEN
		PERFORM refuse_body(at, key || ': must be an array');
	END IF;
	SELECT min(i) INTO n FROM jsonb_array_elements(v) WITH ORDINALITY AS x (item, i)
		WHERE jsonb_typeof(item) <> 'string';
	IF n IS NOT NULL THEN
		PERFORM refuse_body(at, format('%s: number %s: must be a string', key, n));
	END IF;
	SELECT coalesce(array_agg(item #>> '{}' ORDER BY i), '{}') INTO words
		FROM jsonb_array_elements(v) WITH ORDINALITY AS x (item, i);
	RETURN words;
END $$;

-- ---- texts

CREATE FUNCTION is_line(said TEXT, most BIGINT) RETURNS BOOLEAN LANGUAGE sql IMMUTABLE AS $$
	SELECT octet_length(said) <= most AND said !~ '[\u0001-\u001f\u007f]'
$$;

CREATE FUNCTION is_safe_path(path TEXT) RETURNS BOOLEAN LANGUAGE sql IMMUTABLE AS $$
	SELECT is_line(path, 1024) AND NOT EXISTS (SELECT 1 FROM string_to_array(path, '/') AS x (parts), unnest(parts) AS part
		WHERE part IN ('', '.', '..') OR octet_length(part) > 255) AND path <> ''
$$;

CREATE FUNCTION body_line(at TEXT, body JSONB, key TEXT, most BIGINT) RETURNS TEXT LANGUAGE plpgsql AS $$
DECLARE
	said TEXT := body_text(at, body, key, '');
BEGIN
	IF NOT is_line(said, most) THEN
		PERFORM refuse_body(at, format('%s: must be at most %s bytes without control characters', key, most));
	END IF;
	RETURN said;
END $$;

CREATE FUNCTION body_target(at TEXT, body JSONB, key TEXT) RETURNS TEXT LANGUAGE plpgsql AS $$
DECLARE
	said TEXT := body_text(at, body, key, '');
BEGIN
	IF said <> '' AND (said !~ '^[a-z0-9][a-z0-9.+-]*$' OR length(said) > 100) THEN
		PERFORM refuse_body(at, key || $m$: must be lower-case letters, digits, '.', '+' and '-', at most 100$m$);
	END IF;
	RETURN said;
END $$;

-- As text/json_write.c writes it.
CREATE FUNCTION json_quote(said TEXT) RETURNS TEXT LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE WHEN said !~ '[\u0008\u000c\u007f]' THEN to_json(said)::text
		ELSE '"' || (SELECT string_agg(CASE c WHEN E'\b' THEN '\u0008' WHEN E'\f' THEN '\u000c' WHEN E'\u007f' THEN '\u007f'
			ELSE (SELECT substr(q, 2, length(q) - 2) FROM to_json(c) AS j, CAST(j AS TEXT) AS q) END, '' ORDER BY i)
			FROM regexp_split_to_table(said, '') WITH ORDINALITY AS x (c, i)) || '"' END
$$;

CREATE FUNCTION json_seconds(ms BIGINT) RETURNS TEXT LANGUAGE sql IMMUTABLE AS $$
	SELECT (ms / 1000)::text || CASE WHEN ms % 1000 = 0 THEN '' ELSE '.' || rtrim(lpad((ms % 1000)::text, 3, '0'), '0') END
$$;

-- Milliseconds of "2026-01-02T03:04:05Z"; NULL: it is no such time.
CREATE FUNCTION parse_time(said TEXT) RETURNS BIGINT LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
	m TEXT[] := regexp_match(said, '^([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})'
		'(?:\.([0-9]+))?(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))$');
	year INT := m[1];
	month INT := m[2];
	day INT := m[3];
	s BIGINT;
BEGIN
	IF m IS NULL OR year = 0 OR month NOT BETWEEN 1 AND 12 OR day NOT BETWEEN 1 AND 31 OR m[4] > '23' OR m[5] > '59'
		OR m[6] > '60' OR m[9] > '23' OR m[10] > '59' THEN
		RETURN NULL;
	END IF;
	IF day > extract(day FROM make_date(year, month, 1) + interval '1 month' - interval '1 day') THEN
		RETURN NULL;
	END IF;
	s := (make_date(year, month, day) - DATE '1970-01-01')::bigint * 86400 + m[4]::int * 3600 + m[5]::int * 60 + m[6]::int;
	IF m[8] IS NOT NULL THEN
		s := s - CASE m[8] WHEN '-' THEN -60 ELSE 60 END * (m[9]::int * 60 + m[10]::int);
	END IF;
	RETURN s * 1000 + coalesce(rpad(left(m[7], 3), 3, '0'), '0')::int;
END $$;

-- ---- parts of a body

CREATE FUNCTION body_run_at(at TEXT, body JSONB) RETURNS BIGINT LANGUAGE plpgsql AS $$
DECLARE
	said TEXT := body_text(at, body, 'run_at', NULL);
	ms BIGINT := parse_time(said);
BEGIN
	IF said IS NOT NULL AND (ms IS NULL OR ms < 0) THEN
		PERFORM refuse_body(at, 'run_at: must be a time like 2026-01-02T03:04:05Z');
	END IF;
	RETURN coalesce(ms, 0);
END $$;

CREATE FUNCTION body_bool(at TEXT, body JSONB, key TEXT) RETURNS BOOLEAN LANGUAGE plpgsql AS $$
DECLARE
	v JSONB := body_field(body, key);
BEGIN
	IF jsonb_typeof(v) <> 'boolean' THEN
		PERFORM refuse_body(at, key || ': must be true or false');
	END IF;
	RETURN coalesce(v::boolean, false);
END $$;

CREATE FUNCTION body_tags(at TEXT, body JSONB) RETURNS TEXT LANGUAGE plpgsql AS $$
DECLARE
	words TEXT[] := body_words(at, body, 'tags');
BEGIN
	FOR i IN 1 .. cardinality(words) LOOP
		IF i > 32 THEN
			PERFORM refuse_body(at, 'tags: at most 32');
		END IF;
		IF words[i] !~ '^[A-Za-z0-9][A-Za-z0-9._+-]*$' OR length(words[i]) > 64 THEN
			PERFORM refuse_body(at, format($m$tags: number %s: must be letters, digits, '.', '_', '+' and '-', at most 64$m$, i));
		END IF;
	END LOOP;
	RETURN (SELECT coalesce(string_agg(tag, ',' ORDER BY tag COLLATE "C"), '') FROM (SELECT DISTINCT unnest(words)) AS x (tag));
END $$;

-- A need: the number of a job, or -n for line n of the batch.
CREATE FUNCTION body_need(at TEXT, item JSONB, line BIGINT) RETURNS BIGINT LANGUAGE plpgsql AS $$
DECLARE
	said TEXT := item #>> '{}';
	n NUMERIC;
BEGIN
	IF jsonb_typeof(item) = 'number' THEN
		IF scale(item::numeric) = 0 AND item::numeric BETWEEN 1 AND 9223372036854775807 THEN
			RETURN item::numeric;
		END IF;
	END IF;
	IF jsonb_typeof(item) <> 'string' OR left(said, 1) <> '#' THEN
		PERFORM refuse_body(at, 'must be the number of a job, or "#n" for a line of the batch');
	END IF;
	IF line = 0 THEN
		PERFORM refuse_body(at, '"#n" names a line of a batch; this is not a batch');
	END IF;
	said := substr(said, 2);
	IF said !~ '^[0-9]{1,30}$' OR said::numeric > 9223372036854775807 THEN
		PERFORM refuse_body(at, format('line: "%s" is not a number', left(said, 40)));
	END IF;
	n := said;
	IF n NOT BETWEEN 1 AND 1000000 THEN
		PERFORM refuse_body(at, format('line: %s is not between 1 and 1000000', n));
	END IF;
	IF n = line THEN
		PERFORM refuse_body(at, 'a job cannot need itself');
	END IF;
	RETURN -n;
END $$;

CREATE FUNCTION body_needs(at TEXT, body JSONB, line BIGINT) RETURNS BIGINT[] LANGUAGE plpgsql AS $$
DECLARE
	v JSONB := body_field(body, 'needs');
	needs BIGINT[];
BEGIN
	IF v IS NULL THEN
		RETURN '{}';
	END IF;
	IF jsonb_typeof(v) <> 'array' THEN
		PERFORM refuse_body(at, 'needs: must be an array');
	END IF;
	IF jsonb_array_length(v) > 10000 THEN
		PERFORM refuse_body(at, 'needs: at most 10000');
	END IF;
	SELECT array_agg(body_need(format('%sneeds: number %s: ', at, i), item, line) ORDER BY i) INTO needs
		FROM jsonb_array_elements(v) WITH ORDINALITY AS x (item, i);
	RETURN ARRAY(SELECT DISTINCT unnest(needs) AS n ORDER BY n);
END $$;

CREATE FUNCTION check_words(at TEXT, key TEXT, words TEXT[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. cardinality(words) LOOP
		IF i > 10000 THEN
			PERFORM refuse_body(at, key || ': at most 10000');
		END IF;
		IF octet_length(words[i]) > 131071 THEN
			PERFORM refuse_body(at, format('%s: number %s: longer than 131071 bytes', key, i));
		END IF;
	END LOOP;
END $$;

-- The members of a payload, each as its text or NULL.
CREATE FUNCTION payload_words(key TEXT, words TEXT[]) RETURNS TEXT LANGUAGE sql IMMUTABLE AS $$
	SELECT format('"%s":[%s]', key, string_agg(json_quote(word), ',' ORDER BY i))
		FROM unnest(words) WITH ORDINALITY AS x (word, i) HAVING count(*) > 0
$$;

CREATE FUNCTION payload_env(at TEXT, body JSONB) RETURNS TEXT LANGUAGE plpgsql AS $$
DECLARE
	v JSONB := body_object(at, body, 'env');
	name TEXT;
	value JSONB;
	members TEXT[] := '{}';
BEGIN
	IF v IS NULL THEN
		RETURN NULL;
	END IF;
	SELECT min(k) INTO name FROM jsonb_each(v) AS x (k, item) WHERE jsonb_typeof(item) <> 'string';
	IF name IS NOT NULL THEN
		PERFORM refuse_body(at, format('env: %s: must be a string', left(name, 60)));
	END IF;
	IF (SELECT count(*) FROM jsonb_object_keys(v)) > 10000 THEN
		PERFORM refuse_body(at, 'env: at most 10000');
	END IF;
	FOR name, value IN SELECT k, item FROM jsonb_each(v) AS x (k, item) ORDER BY k COLLATE "C" LOOP
		IF name !~ '^[A-Za-z_][A-Za-z0-9_]*$' OR length(name) > 200 THEN
			PERFORM refuse_body(at, format($m$env: a name must be letters, digits and '_', not "%s"$m$,
				CASE WHEN is_line(name, octet_length(name)) THEN left(name, 40) ELSE '?' END));
		END IF;
		IF starts_with(name, 'SLIPWAY_') THEN
			PERFORM refuse_body(at, format($m$env: %s: names that begin with SLIPWAY_ are Slipway's$m$, name));
		END IF;
		IF octet_length(name) + 1 + octet_length(value #>> '{}') > 131071 THEN
			PERFORM refuse_body(at, format('env: %s: longer than 131071 bytes', name));
		END IF;
		members := members || format('"%s":%s', name, json_quote(value #>> '{}'));
	END LOOP;
	RETURN '"env":{' || nullif(array_to_string(members, ','), '') || '}';
END $$;

CREATE FUNCTION payload_input(at TEXT, item JSONB) RETURNS TEXT LANGUAGE plpgsql AS $$
DECLARE
	name TEXT;
	sha256 TEXT;
	size BIGINT;
	mode TEXT;
BEGIN
	PERFORM body_check_fields(at, item, '{name,sha256,size,mode}');
	name := body_text(at, item, 'name', NULL);
	sha256 := body_text(at, item, 'sha256', '');
	size := body_int(at, item, 'size', 0, 9007199254740991, -1);
	mode := body_text(at, item, 'mode', '0644');
	IF name IS NULL THEN
		PERFORM refuse_body(at, 'name: missing');
	ELSIF sha256 !~ '^[0-9a-f]{64}$' THEN
		PERFORM refuse_body(at, 'sha256: must be 64 lower-case hexadecimal digits');
	ELSIF size < 0 THEN
		PERFORM refuse_body(at, 'size: missing');
	ELSIF mode NOT IN ('0644', '0755') THEN
		PERFORM refuse_body(at, 'mode: must be "0644" or "0755"');
	END IF;
	RETURN format('{"name":%s,"sha256":"%s","size":%s%s}', json_quote(name), sha256, size,
		CASE mode WHEN '0755' THEN ',"mode":"0755"' ELSE '' END);
END $$;

CREATE FUNCTION payload_inputs(at TEXT, body JSONB) RETURNS TEXT LANGUAGE plpgsql AS $$
DECLARE
	v JSONB := body_field(body, 'inputs');
	members TEXT;
	names TEXT[];
	name TEXT;
BEGIN
	IF jsonb_typeof(v) <> 'array' THEN
		PERFORM refuse_body(at, 'inputs: must be an array');
	END IF;
	SELECT string_agg(payload_input(format('%sinputs: number %s: ', at, i), item), ',' ORDER BY i),
		array_agg(item ->> 'name' ORDER BY i) INTO members, names
		FROM jsonb_array_elements(v) WITH ORDINALITY AS x (item, i);
	IF cardinality(names) > 10000 THEN
		PERFORM refuse_body(at, 'inputs: at most 10000');
	END IF;
	FOR i IN 1 .. coalesce(cardinality(names), 0) LOOP
		name := names[i];
		IF NOT is_safe_path(name) THEN
			PERFORM refuse_body(at, format('inputs: number %s: name: must be a relative path without ".."', i));
		ELSIF split_part(name, '/', 1) IN ('out', '.type', 'result.json') THEN
			PERFORM refuse_body(at, format($m$inputs: number %s: the name "%s" is Slipway's$m$, i, left(name, 60)));
		ELSIF array_position(names, name) < i THEN
			PERFORM refuse_body(at, format('inputs: "%s" is there twice', left(name, 60)));
		END IF;
	END LOOP;
	RETURN '"inputs":[' || members || ']';
END $$;

CREATE FUNCTION payload_limits(at TEXT, body JSONB) RETURNS TEXT LANGUAGE plpgsql AS $$
DECLARE
	v JSONB := body_object(at, body, 'limits');
	names CONSTANT TEXT[] := '{memory,pids,log,disk,cpu,files,artifacts,artifact_bytes}';
	name TEXT;
	n BIGINT;
	members TEXT[] := '{}';
BEGIN
	IF v IS NULL THEN
		RETURN NULL;
	END IF;
	PERFORM body_check_fields(at || 'limits: ', v, names);
	FOREACH name IN ARRAY names LOOP
		n := CASE name WHEN 'cpu' THEN body_seconds(at || 'limits: ', v, name)
			ELSE body_int(at || 'limits: ', v, name, 0, 9007199254740991, 0) END;
		IF n > 0 THEN
			members := members || format('"%s":%s', name, CASE name WHEN 'cpu' THEN json_seconds(n) ELSE n::text END);
		END IF;
	END LOOP;
	RETURN '"limits":{' || nullif(array_to_string(members, ','), '') || '}';
END $$;

CREATE FUNCTION payload_collect(at TEXT, body JSONB) RETURNS TEXT LANGUAGE plpgsql AS $$
DECLARE
	globs TEXT[] := body_words(at, body, 'collect');
BEGIN
	PERFORM check_words(at, 'collect', globs);
	FOR i IN 1 .. cardinality(globs) LOOP
		IF NOT is_safe_path(globs[i]) THEN
			PERFORM refuse_body(at, format('collect: number %s: must be a pattern for files under SLIPWAY_OUT', i));
		END IF;
	END LOOP;
	RETURN payload_words('collect', globs);
END $$;

-- ---- a body, checked and with its defaults

CREATE TYPE job_new AS (
	kind BIGINT, name TEXT, owner TEXT, priority BIGINT, run_at BIGINT, timeout BIGINT, silence BIGINT, max_attempts BIGINT,
	retry_delay BIGINT, isolation BIGINT, arch TEXT, tags TEXT, target TEXT, dedupe TEXT, is_suspended BOOLEAN,
	needs BIGINT[], payload TEXT
);

-- Kinds other than command need what only a server has: build types, recipes' texts, images.
CREATE FUNCTION body_check_kind(at TEXT, body JSONB) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	kind TEXT := body_text(at, body, 'kind', 'command');
	own TEXT;
BEGIN
	IF kind IN ('build', 'recipe', 'import', 'target') THEN
		PERFORM refuse_body(at, format('kind: jobs of kind %s are submitted to a server, not in SQL', kind), '0A000');
	ELSIF kind <> 'command' THEN
		PERFORM refuse_body(at, format('kind: there is no kind "%s"', left(kind, 40)));
	END IF;
	FOREACH own IN ARRAY '{build,recipe,import,make}'::text[] LOOP
		IF body ? own THEN
			PERFORM refuse_body(at, format('%s: is for jobs of kind %s only', own, CASE own WHEN 'make' THEN 'target' ELSE own END));
		END IF;
	END LOOP;
END $$;

CREATE FUNCTION body_schedule(at TEXT, body JSONB, n job_new) RETURNS job_new LANGUAGE plpgsql AS $$
BEGIN
	n.priority := body_int(at, body, 'priority', -1000, 1000, 0);
	n.max_attempts := body_int(at, body, 'max_attempts', 1, 1000, 1);
	n.timeout := body_seconds(at, body, 'timeout');
	n.silence := body_seconds(at, body, 'silence');
	n.retry_delay := body_seconds(at, body, 'retry_delay');
	n.is_suspended := body_bool(at, body, 'suspended');
	n.run_at := body_run_at(at, body);
	n.owner := body_line(at, body, 'owner', 100);
	n.dedupe := body_line(at, body, 'dedupe', 200);
	IF n.retry_delay > 86400000 THEN
		PERFORM refuse_body(at, 'retry_delay: must be at most 86400 seconds');
	END IF;
	RETURN n;
END $$;

CREATE FUNCTION body_requirements(at TEXT, body JSONB, n job_new) RETURNS job_new LANGUAGE plpgsql AS $$
DECLARE
	name TEXT;
BEGIN
	n.target := body_target(at, body, 'target');
	n.arch := body_target(at, body, 'arch');
	name := body_text(at, body, 'isolation', CASE n.target WHEN '' THEN 'none' ELSE 'chroot' END);
	n.tags := body_tags(at, body);
	n.isolation := array_position('{none,chroot,vm}', name) - 1;
	IF n.isolation IS NULL THEN
		PERFORM refuse_body(at, 'isolation: must be none, chroot or vm');
	END IF;
	RETURN n;
END $$;

CREATE FUNCTION body_payload(at TEXT, body JSONB, n job_new) RETURNS job_new LANGUAGE plpgsql AS $$
DECLARE
	argv TEXT[] := body_words(at, body, 'argv');
	members TEXT[];
BEGIN
	PERFORM check_words(at, 'argv', argv);
	members := members || payload_words('argv', argv);
	members := members || payload_env(at, body);
	members := members || payload_inputs(at, body);
	members := members || payload_collect(at, body);
	members := members || payload_limits(at, body);
	IF coalesce(argv[1], '') = '' THEN
		PERFORM refuse_body(at, 'argv: missing');
	END IF;
	n.payload := '{' || array_to_string(members, ',') || '}';
	n.name := body_line(at, body, 'name', 200);
	IF n.name = '' THEN
		n.name := left(substring(argv[1] FROM '[^/]*$'), 200);
		WHILE octet_length(n.name) > 200 LOOP
			n.name := left(n.name, -1);
		END LOOP;
		n.name := regexp_replace(n.name, '[\u0001-\u001f\u007f]', '?', 'g');
	END IF;
	RETURN n;
END $$;

CREATE FUNCTION body_decode(at TEXT, body JSONB, line BIGINT) RETURNS job_new LANGUAGE plpgsql AS $$
DECLARE
	n job_new;
BEGIN
	PERFORM body_check_fields(at, body, '{argv,kind,name,priority,needs,run_at,timeout,silence,env,inputs,limits,collect,'
		'max_attempts,retry_delay,target,isolation,arch,tags,dedupe,owner,suspended,build,recipe,import,make}');
	PERFORM body_check_kind(at, body);
	n.kind := 1;
	n := body_schedule(at, body, n);
	n := body_requirements(at, body, n);
	n.needs := body_needs(at, body, line);
	RETURN body_payload(at, body, n);
END $$;

-- What a command without a target may say of it.
CREATE FUNCTION body_check_native(at TEXT, n job_new) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF n.target = '' AND n.isolation <> 0 THEN
		PERFORM refuse_body(at, format('isolation: %s needs a target', CASE n.isolation WHEN 1 THEN 'chroot' ELSE 'vm' END));
	END IF;
END $$;

-- And one with a target, whose architecture becomes the job's.
CREATE FUNCTION body_check_target(at TEXT, n job_new) RETURNS job_new LANGUAGE plpgsql AS $$
DECLARE
	its_arch TEXT := (SELECT arch FROM target WHERE target.name = n.target AND state <> 'removed');
BEGIN
	IF n.target = '' THEN
		RETURN n;
	END IF;
	IF its_arch IS NULL THEN
		PERFORM refuse_body(at, 'there is no target ' || n.target, 'P0002');
	ELSIF n.isolation = 0 THEN
		PERFORM refuse_body(at, 'target: needs isolation chroot or vm');
	ELSIF n.arch NOT IN ('', its_arch) THEN
		PERFORM refuse_body(at, format('arch: target %s is for %s', n.target, its_arch));
	END IF;
	n.arch := its_arch;
	RETURN n;
END $$;

-- ---- rows

CREATE FUNCTION string_number(said TEXT) RETURNS BIGINT LANGUAGE plpgsql AS $$
DECLARE
	n BIGINT := (SELECT id FROM string WHERE text = said);
BEGIN
	IF n IS NULL AND said <> '' THEN
		INSERT INTO string (text) VALUES (said) ON CONFLICT (text) DO UPDATE SET text = EXCLUDED.text RETURNING id INTO n;
	END IF;
	RETURN n;
END $$;

CREATE FUNCTION lane_number(n job_new) RETURNS BIGINT LANGUAGE plpgsql AS $$
DECLARE
	number BIGINT := (SELECT id FROM lane WHERE kind = n.kind AND isolation = n.isolation AND arch = n.arch AND tags = n.tags);
BEGIN
	IF number IS NULL THEN
		INSERT INTO lane (kind, isolation, arch, tags) VALUES (n.kind, n.isolation, n.arch, n.tags)
			ON CONFLICT (kind, isolation, arch, tags) DO UPDATE SET kind = EXCLUDED.kind RETURNING id INTO number;
	END IF;
	RETURN number;
END $$;

-- The lane of most jobs: whoever is the first with a lane makes others wait until he has committed.
INSERT INTO lane (kind, isolation, arch, tags) VALUES (1, 0, '', '') ON CONFLICT DO NOTHING;

-- To a part that no open transaction holds: this one may stay open long, and servers must not wait for it.
CREATE FUNCTION tally_add(of_kind BIGINT, of_state BIGINT, added BIGINT) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	free BIGINT;
BEGIN
	IF added = 0 THEN
		RETURN;
	END IF;
	SELECT part INTO free FROM tally WHERE kind = of_kind AND state = of_state AND part >= 16
		ORDER BY part LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED;
	INSERT INTO tally (kind, state, part, n)
		VALUES (of_kind, of_state, coalesce(free, 16 + floor(random() * 1e15)::bigint), added)
		ON CONFLICT (kind, state, part) DO UPDATE SET n = tally.n + EXCLUDED.n;
END $$;

CREATE FUNCTION add_event(of_job BIGINT, number BIGINT, ms BIGINT, actor TEXT, was BIGINT, becomes BIGINT, why BIGINT, said TEXT)
RETURNS void LANGUAGE sql AS $$
	INSERT INTO event (job, n, at, actor, from_state, to_state, reason, detail)
		VALUES (of_job, number, ms, string_number(actor), was, becomes, why, said)
$$;

CREATE FUNCTION add_job(number BIGINT, n job_new, left_needs BIGINT, is_needed BOOLEAN, of_chain BIGINT, ms BIGINT,
	actor TEXT) RETURNS BIGINT LANGUAGE plpgsql AS $$
DECLARE
	state BIGINT := CASE WHEN n.is_suspended THEN 7 WHEN left_needs > 0 THEN 1 WHEN n.run_at > ms THEN 2 ELSE 3 END;
	is_beside BOOLEAN := octet_length(n.payload) > 1024;
BEGIN
	INSERT INTO job (id, kind, state, reason, lane, worker, attempt, max_attempts, failures, losses, retry_delay, run_at,
		started, finished, lease_until, is_cancel_asked, needs_left, is_needed, events, exit_code, signal, artifacts, priority,
		owner, target, chain, created, timeout, silence, name, dedupe, progress, payload, result)
		VALUES (number, n.kind, state, 0, lane_number(n), NULL, 0, n.max_attempts, 0, 0, n.retry_delay, n.run_at,
		0, 0, 0, 0, left_needs, is_needed::int, 1, -1, 0, 0, n.priority,
		string_number(n.owner), string_number(n.target), of_chain, ms, n.timeout, n.silence, n.name, nullif(n.dedupe, ''),
		NULL, CASE WHEN NOT is_beside THEN n.payload END, NULL);
	IF is_beside THEN
		INSERT INTO payload (job, body) VALUES (number, n.payload);
	END IF;
	INSERT INTO input (job, sha256) SELECT DISTINCT number, item ->> 'sha256'
		FROM jsonb_array_elements(n.payload::jsonb -> 'inputs') AS item;
	PERFORM add_event(number, 1, ms, actor, 0, state, 0, NULL);
	RETURN state;
END $$;

-- ---- a batch

-- The lines, each after those of the batch it needs. needs[from_need[i]] up to before needs[from_need[i + 1]] are line
-- i's; `lines` says which line has the number `first` and those after it. 0 at the end: all could be; else a line of a circle.
CREATE FUNCTION order_lines(len INT, from_need INT[], needs BIGINT[], first BIGINT, lines INT[]) RETURNS INT[]
LANGUAGE plpgsql AS $$
DECLARE
	missing INT[] := array_fill(0, ARRAY[len + 1]);
	heads INT[] := array_fill(0, ARRAY[len + 1]); -- of a list a line: who waits for it
	next INT[] := array_fill(0, ARRAY[cardinality(needs) + 1]);
	waits INT[] := array_fill(0, ARRAY[cardinality(needs) + 1]);
	ready INT[] := '{}';
	done INT := 0;
	at INT;
	k INT;
BEGIN
	FOR i IN 1 .. len LOOP
		FOR e IN from_need[i] .. from_need[i + 1] - 1 LOOP
			CONTINUE WHEN needs[e] < first;
			k := lines[needs[e] - first + 1];
			waits[e] := i;
			next[e] := heads[k];
			heads[k] := e;
			missing[i] := missing[i] + 1;
		END LOOP;
	END LOOP;
	FOR i IN 1 .. len LOOP
		IF missing[i] = 0 THEN
			ready := ready || i;
		END IF;
	END LOOP;
	WHILE done < cardinality(ready) LOOP
		done := done + 1;
		k := heads[ready[done]];
		WHILE k > 0 LOOP
			missing[waits[k]] := missing[waits[k]] - 1;
			IF missing[waits[k]] = 0 THEN
				ready := ready || waits[k];
			END IF;
			k := next[k];
		END LOOP;
	END LOOP;
	IF done = len THEN
		RETURN ready || 0;
	END IF;
	-- From one that could not be, to one that it needs and that could not either, until what waits for the circle is behind.
	at := 1;
	WHILE missing[at] = 0 LOOP
		at := at + 1;
	END LOOP;
	FOR i IN 1 .. len LOOP
		FOR e IN from_need[at] .. from_need[at + 1] - 1 LOOP
			CONTINUE WHEN needs[e] < first;
			k := lines[needs[e] - first + 1];
			IF k <> at AND missing[k] > 0 THEN
				at := k;
				EXIT;
			END IF;
		END LOOP;
	END LOOP;
	RETURN ready || at;
END $$;

-- The numbers of the jobs, in the order of the lines. `who` submits.
CREATE FUNCTION submit_lines(news job_new[], who TEXT) RETURNS BIGINT[] LANGUAGE plpgsql AS $$
DECLARE
	len CONSTANT INT := cardinality(news);
	actor CONSTANT TEXT := 'owner:' || who;
	n job_new;
	same INT[]; -- the first line with the same dedupe key; its own number without one
	ids BIGINT[] := array_fill(0::bigint, ARRAY[len]);
	is_new BOOLEAN[] := array_fill(false, ARRAY[len]);
	lines INT[] := '{}'; -- of the new ones
	first BIGINT := 9223372036854775807;
	from_need INT[] := array_fill(1, ARRAY[len + 1]);
	needs BIGINT[] := '{}';
	own BIGINT[];
	has_order BOOLEAN := false;
	ordered INT[];
	chains BIGINT[] := array_fill(0::bigint, ARRAY[len]);
	left_needs INT[] := array_fill(0, ARRAY[len]);
	is_needed BOOLEAN[] := array_fill(false, ARRAY[len]);
	is_doomed BOOLEAN[] := array_fill(false, ARRAY[len]);
	of_state BIGINT;
	of_chain BIGINT;
	ms BIGINT; -- now
	tallies INT[] := array_fill(0, ARRAY[10]);
	i INT;
	k INT;
	need BIGINT;
BEGIN
	SELECT array_agg(m ORDER BY line) INTO same FROM (SELECT line, CASE x.dedupe WHEN '' THEN line
		ELSE min(line) OVER (PARTITION BY x.dedupe) END::int AS m
		FROM unnest(news) WITH ORDINALITY AS x (kind, name, owner, priority, run_at, timeout, silence, max_attempts, retry_delay,
		isolation, arch, tags, target, dedupe, is_suspended, needs, payload, line)) AS y;
	FOR i IN 1 .. len LOOP
		n := news[i];
		CONTINUE WHEN same[i] <> i;
		IF n.dedupe <> '' THEN
			ids[i] := coalesce((SELECT id FROM job WHERE dedupe IS NOT NULL AND state < 8 AND dedupe = n.dedupe), 0);
			CONTINUE WHEN ids[i] > 0;
		END IF;
		is_new[i] := true;
		lines := lines || i;
	END LOOP;
	IF cardinality(lines) > 0 THEN
		first := take_ids(cardinality(lines));
	END IF;
	FOR i IN 1 .. cardinality(lines) LOOP
		ids[lines[i]] := first + i - 1;
	END LOOP;
	FOR i IN 1 .. len LOOP
		ids[i] := ids[same[i]];
	END LOOP;

	-- References become numbers, each once.
	FOR i IN 1 .. len LOOP
		n := news[i];
		from_need[i + 1] := from_need[i];
		CONTINUE WHEN NOT is_new[i] OR cardinality(n.needs) = 0;
		own := '{}';
		FOREACH need IN ARRAY n.needs LOOP
			IF need < -len THEN
				PERFORM refuse_body(line_at(len, i), format('needs #%s, but there are %s lines', -need, len));
			ELSIF need < 0 THEN
				need := ids[-need];
			ELSIF need >= first THEN
				PERFORM refuse_body(line_at(len, i), format('needs job %s, which does not exist', need));
			END IF;
			IF need = ids[i] THEN
				PERFORM refuse_body(line_at(len, i), 'needs itself');
			END IF;
			has_order := has_order OR need >= first;
			own := own || need;
		END LOOP;
		own := ARRAY(SELECT DISTINCT unnest(own) AS x ORDER BY x);
		needs := needs || own;
		from_need[i + 1] := from_need[i] + cardinality(own);
	END LOOP;
	IF has_order THEN
		ordered := order_lines(len, from_need, needs, first, lines);
		i := ordered[cardinality(ordered)];
		IF i > 0 THEN
			PERFORM refuse_body(line_at(len, i), 'needs itself by way of others');
		END IF;
	ELSE
		ordered := lines || 0;
	END IF;

	-- What each need means: does it still wait, will it fail, which chain is it in?
	FOREACH i IN ARRAY ordered LOOP
		CONTINUE WHEN i = 0 OR NOT is_new[i];
		n := news[i];
		chains[i] := ids[i];
		FOR e IN from_need[i] .. from_need[i + 1] - 1 LOOP
			need := needs[e];
			IF need >= first THEN
				k := lines[need - first + 1];
				is_needed[k] := true;
				left_needs[i] := left_needs[i] + 1;
				is_doomed[i] := is_doomed[i] OR is_doomed[k];
				of_chain := chains[k];
			ELSE
				SELECT state, chain INTO of_state, of_chain FROM job WHERE id = need FOR NO KEY UPDATE;
				IF NOT FOUND THEN
					PERFORM refuse_body(line_at(len, i), format('needs job %s, which does not exist', need));
				END IF;
				left_needs[i] := left_needs[i] + (of_state <> 8)::int;
				is_doomed[i] := is_doomed[i] OR of_state IN (9, 10);
				UPDATE job SET is_needed = 1 WHERE id = need AND job.is_needed = 0;
			END IF;
			IF need = (CASE WHEN n.needs[1] < 0 THEN ids[-n.needs[1]] ELSE n.needs[1] END) THEN
				chains[i] := of_chain;
			END IF;
		END LOOP;
	END LOOP;

	ms := floor(extract(epoch FROM clock_timestamp()) * 1000);
	FOREACH i IN ARRAY lines LOOP
		of_state := add_job(ids[i], news[i], left_needs[i], is_needed[i], chains[i], ms, actor);
		IF is_doomed[i] THEN
			UPDATE job SET state = 9, reason = 13, finished = ms, events = 2 WHERE id = ids[i];
			PERFORM add_event(ids[i], 2, ms, actor, of_state, 9, 13, 'a job it needs has failed');
			of_state := 9;
		END IF;
		tallies[of_state] := tallies[of_state] + 1;
		INSERT INTO need (job, needs) SELECT ids[i], unnest(needs[from_need[i] : from_need[i + 1] - 1]);
	END LOOP;
	FOR s IN 1 .. 10 LOOP
		PERFORM tally_add(1, s, tallies[s]);
	END LOOP;
	RETURN ids;
END $$;

CREATE FUNCTION line_at(len INT, line INT) RETURNS TEXT LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE WHEN len > 1 THEN format('line %s: ', line) ELSE '' END
$$;

-- A dedupe key that another transaction was the first to use: once that one has ended, its job is the answer.
CREATE FUNCTION submit_deduped(news job_new[], who TEXT) RETURNS BIGINT[] LANGUAGE plpgsql AS $$
DECLARE
	broken TEXT;
BEGIN
	LOOP
		BEGIN
			RETURN submit_lines(news, who);
		EXCEPTION WHEN unique_violation THEN
			GET STACKED DIAGNOSTICS broken = CONSTRAINT_NAME;
			IF broken <> 'job_dedupe' THEN
				RAISE;
			ELSIF current_setting('transaction_isolation') <> 'read committed' THEN
				PERFORM refuse_body('', 'dedupe: another transaction has just used the same key', '40001');
			END IF;
		END;
	END LOOP;
END $$;

-- The role that acts in this session. A function that runs with its owner's rights cannot change it.
CREATE FUNCTION submitter() RETURNS TEXT LANGUAGE sql STABLE AS $$
	SELECT CASE current_setting('role') WHEN 'none' THEN session_user ELSE current_setting('role') END
$$;

CREATE FUNCTION submit_bodies(bodies JSONB, is_batch BOOLEAN) RETURNS BIGINT[] LANGUAGE plpgsql AS $$
DECLARE
	who TEXT := submitter();
	-- Of the role that owns all this, as whose members the function may act.
	is_admin BOOLEAN := pg_has_role(who, current_user, 'MEMBER');
	news job_new[] := '{}';
	n job_new;
	has_keys BOOLEAN := false;
	body JSONB;
	line INT := 0;
	at TEXT := '';
BEGIN
	FOR body IN SELECT jsonb_array_elements(bodies) LOOP
		line := line + 1;
		IF is_batch THEN
			at := format('line %s: ', line);
		END IF;
		n := body_decode(at, body, CASE WHEN is_batch THEN line ELSE 0 END);
		IF n.owner = '' THEN
			n.owner := who;
		ELSIF n.owner <> who AND NOT is_admin THEN
			PERFORM refuse_body(at, format('%s may not submit for %s', who, n.owner), '42501');
		END IF;
		PERFORM body_check_native(at, n);
		has_keys := has_keys OR n.dedupe <> '';
		news := news || n;
	END LOOP;
	FOR line IN 1 .. cardinality(news) LOOP
		IF (news[line]).target <> '' THEN
			news[line] := body_check_target(CASE WHEN is_batch THEN format('line %s: ', line) ELSE '' END, news[line]);
		END IF;
	END LOOP;
	IF has_keys THEN
		RETURN submit_deduped(news, who);
	END IF;
	RETURN submit_lines(news, who);
END $$;

-- ---- what applications call. They run as the schema's owner, so that their callers need no right on a table; the planner
-- has no choice in them, as in all that writes.

CREATE FUNCTION submit(body JSONB) RETURNS BIGINT LANGUAGE plpgsql SECURITY DEFINER
SET search_path = slipway, pg_temp SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off
AS $$
BEGIN
	IF body IS NULL THEN
		PERFORM refuse_body('', 'body: missing');
	ELSIF octet_length(body::text) > 1048576 THEN
		PERFORM refuse_body('', 'the body is longer than 1048576 bytes', '54000');
	END IF;
	RETURN (submit_bodies(jsonb_build_array(body), false))[1];
END $$;

CREATE FUNCTION submit_batch(bodies JSONB) RETURNS BIGINT[] LANGUAGE plpgsql SECURITY DEFINER
SET search_path = slipway, pg_temp SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off
AS $$
BEGIN
	IF bodies IS NULL OR jsonb_typeof(bodies) <> 'array' THEN
		PERFORM refuse_body('', 'the batch must be an array of bodies');
	ELSIF jsonb_array_length(bodies) = 0 THEN
		PERFORM refuse_body('', 'the batch is empty');
	ELSIF jsonb_array_length(bodies) > 1000000 THEN
		PERFORM refuse_body('', 'more than 1000000 jobs in one batch', '54000');
	END IF;
	RETURN submit_bodies(bodies, true);
END $$;

-- Nobody may call anything here who was not told that he may.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA slipway FROM PUBLIC;

UPDATE meta SET value = '2' WHERE name = 'version';
