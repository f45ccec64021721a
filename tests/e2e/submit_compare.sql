-- What the two ways made of the same bodies (table `said`): a line for each difference.
SET search_path = slipway, public;

-- The last letter of a dedupe key tells the ways apart.
-- Jobs by the body and the line that made them first; those that were there keep their numbers.
CREATE TEMP TABLE made AS SELECT way, id, min(n * 1000000::bigint + line) AS place FROM said, unnest(ids) WITH ORDINALITY AS x (id, line)
	WHERE id > 5 GROUP BY way, id;
CREATE INDEX ON made (id);
CREATE TEMP VIEW named AS SELECT id, 'made at ' || place AS name FROM made UNION ALL SELECT id, 'job ' || id FROM generate_series(1, 5) AS id;

CREATE TEMP VIEW row_of AS SELECT m.way, m.place, m.id, to_jsonb(j) - '{id,chain,created,finished,lane,owner,target,payload}'::text[]
	|| jsonb_build_object('chain', (SELECT name FROM named WHERE named.id = j.chain), 'finished', j.finished > 0,
	'is_young', j.created > extract(epoch FROM now()) * 1000 - 3600000, 'lane', (SELECT to_jsonb(l) - 'id' FROM lane l WHERE l.id = j.lane),
	'owner', (SELECT text FROM string WHERE string.id = j.owner), 'target', (SELECT text FROM string WHERE string.id = j.target),
	'dedupe', left(j.dedupe, -1), 'payload', j.payload, 'beside', (SELECT body FROM payload WHERE job = j.id),
	'inputs', (SELECT jsonb_agg(sha256 ORDER BY sha256) FROM input WHERE job = j.id),
	'needs', (SELECT jsonb_agg(name ORDER BY name) FROM need JOIN named ON named.id = need.needs WHERE need.job = j.id),
	'events', (SELECT jsonb_agg((to_jsonb(v) - '{job,at,actor}'::text[]) || jsonb_build_object('actor', s.text) ORDER BY n)
		FROM event v JOIN string s ON s.id = v.actor WHERE v.job = j.id)) AS row
	FROM made m JOIN job j ON j.id = m.id;

-- A refusal may name the number of a job of its own batch.
SELECT 'body ' || n, a.code, a.message, a.ids, 'in SQL:', b.code, b.message, b.ids, left(b.body, 300)
	FROM (SELECT * FROM said WHERE way = 'a') a FULL JOIN (SELECT * FROM said WHERE way = 'b') b USING (n)
	WHERE a.code IS DISTINCT FROM b.code OR a.message IS DISTINCT FROM b.message
	OR (SELECT array_agg(name ORDER BY line) FROM unnest(a.ids) WITH ORDINALITY AS x (id, line) JOIN named USING (id))
	IS DISTINCT FROM (SELECT array_agg(name ORDER BY line) FROM unnest(b.ids) WITH ORDINALITY AS x (id, line) JOIN named USING (id));
SELECT 'job made at ' || coalesce(a.place, b.place), x.key, x.value, 'in SQL:', b.row -> x.key
	FROM (SELECT * FROM row_of WHERE way = 'a') a FULL JOIN (SELECT * FROM row_of WHERE way = 'b') b USING (place)
	LEFT JOIN LATERAL jsonb_each(a.row) AS x ON true WHERE a.row IS DISTINCT FROM b.row AND x.value IS DISTINCT FROM b.row -> x.key;
