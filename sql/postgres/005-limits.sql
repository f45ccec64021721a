-- More limits: in submission in SQL, which checks their names. They lie in the payload, so no table changes.
CREATE OR REPLACE FUNCTION payload_limits(at TEXT, body JSONB) RETURNS TEXT LANGUAGE plpgsql AS $$
DECLARE
	v JSONB := body_object(at, body, 'limits');
	names CONSTANT TEXT[] := '{memory,pids,log,disk,inodes,cpu,files,artifacts,artifact_bytes,artifact_depth,log_rate}';
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

UPDATE meta SET value = '5' WHERE name = 'version';
