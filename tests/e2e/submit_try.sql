-- Gives the bodies of the table `said` to slipway.submit and slipway.submit_batch, one after the other.
CREATE FUNCTION try(body jsonb, is_batch boolean, OUT code text, OUT message text, OUT ids bigint[]) LANGUAGE plpgsql AS $$
BEGIN
	ids := CASE WHEN is_batch THEN slipway.submit_batch(body) ELSE ARRAY[slipway.submit(body)] END;
EXCEPTION WHEN OTHERS THEN
	message := SQLERRM;
	code := CASE SQLSTATE WHEN '22023' THEN 'invalid' WHEN 'P0002' THEN 'not_found' WHEN '54000' THEN 'too_large' ELSE SQLSTATE END;
END $$;
DO $$
DECLARE
	s said;
BEGIN
	FOR s IN SELECT * FROM said WHERE way = 'b' ORDER BY n LOOP
		UPDATE said SET (code, message, ids) = (SELECT * FROM try(s.body::jsonb, s.is_batch)) WHERE way = 'b' AND n = s.n;
	END LOOP;
END $$;
