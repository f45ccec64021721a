#!/usr/bin/env bats
# Other machines: workers that join over TLS, and people with tokens. All on this machine, over the loopback.
# shellcheck disable=SC2154,SC2030,SC2031 # lib.bash sets dir and data; tests are subshells

load lib

setup() {
	make_dir
	declare -gA pids=()
	export XDG_STATE_HOME=$dir/state
	small_target_type
	start_server --slots 0 --listen https://127.0.0.1:0 --types "$dir/types"
	url=$(sed -n 's/.*\(https:[^ ,]*\).*/\1/p' "$dir/ready.line")
}

teardown() {
	local pid
	for pid in "${pids[@]}"; do
		kill -KILL "$pid" 2>/dev/null || :
		wait "$pid" 2>/dev/null || :
	done
	[ "$(sw admin check)" = "0 violations" ]
	stop_server
	remove_dir
}

# start_worker NAME OPTION…: with the folder $dir/w-NAME, and no socket to fall back to. Ends up in ${pids[NAME]}.
start_worker() {
	local name=$1
	shift
	env -u SLIPWAY_SERVER "$SLIPWAY_BIN" worker --work "$dir/w-$name" "$@" 2>>"$dir/w-$name.err" 3>&- &
	pids[$name]=$!
}

stop_worker() {
	kill -TERM "${pids[$1]}"
	wait "${pids[$1]}"
	unset "pids[$1]"
}

# ended NAME: its status, when it has ended by itself.
ended() {
	local status=0
	wait "${pids[$1]}" || status=$?
	unset "pids[$1]"
	return "$status"
}

# join_token [OPTION…]
join_token() { sw token create --role worker "$@" | sed 's/.*--join //'; }

# joined NAME [OPTION…]: a worker that has joined, and is there.
joined() {
	local name=$1
	shift
	start_worker "$name" --server "$url" --join "$(join_token)" --name "$name" --slots 2 "$@"
	until_online "$name"
}

# A wait that times out is the nearest thing to being told.
a_moment() { sw wait "${blocker:=$(sw submit --tag nobody -- true)}" --timeout 50ms >/dev/null 2>&1 || :; }

until_online() {
	local i
	for ((i = 0; i < 400; i++)); do
		[ "$(sw workers --json | jq -c "[.[] | select(.name == \"$1\") | .online]")" != "[true]" ] || return 0
		a_moment
	done
	cat "$dir/w-$1.err" >&2
	return 1
}

# until_said NAME TEXT: in the worker's messages.
until_said() { until_written "$dir/w-$1.err" "$2"; }

# until_written FILE TEXT: returns when the file has a line with it.
until_written() {
	local fd follower line=
	touch "$1"
	exec {fd}< <(exec tail -n +1 -f "$1" 3>&-)
	follower=$!
	while read -r -t 60 line <&"$fd"; do
		[[ $line != *"$2"* ]] || break
	done
	kill "$follower" 2>/dev/null || :
	exec {fd}<&-
	[[ $line == *"$2"* ]] || {
		cat "$1" >&2
		return 1
	}
}

# is_nowhere TEXT FILE…: it is in none of them, nor in files of a folder.
is_nowhere() {
	local text=$1
	shift
	run -1 grep -raFl -e "$text" "$@"
}

# What a worker of another machine runs is not this server's to end.
end_server() {
	kill -TERM "$server_pid"
	wait "$server_pid"
}

secret_of() { jq -r .secret "$dir/w-$1/identity.json"; }

# A job that says "started" and goes on when $dir/go is there.
# shellcheck disable=SC2016 # the job's
held_job='echo started; while [ ! -e "$GO" ]; do sleep 0.02; done; echo finished'

# small_target_type: jobs of kind target take $dir/image.tar.gz as it is.
small_target_type() {
	mkdir -p "$dir/types/target-create"
	printf '%s\n' '[type]' 'summary = take an image' 'internal = yes' 'collect = image.tar.*' '[step create]' 'run = create' \
		>"$dir/types/target-create/type.ini"
	# shellcheck disable=SC2016 # the job's
	printf '%s\n' '#!/bin/sh' "cp $dir/image.tar.gz \"\$SLIPWAY_OUT/image.tar.gz\"" >"$dir/types/target-create/create"
	chmod +x "$dir/types/target-create/create"
}

# small_image: a shell and cat, with what they are linked to.
small_image() {
	local root=$dir/root file library
	mkdir -p "$root/bin" "$root/etc" "$root/proc" "$root/dev" "$root/sys" "$root/tmp" "$root/job"
	for file in /bin/sh /bin/cat; do
		cp -L "$file" "$root$file"
		while read -r library; do
			mkdir -p "$root${library%/*}"
			cp -L "$library" "$root$library"
		done < <(ldd "$file" | grep -o '/[^ ]*')
	done
	tar -C "$root" -czf "$dir/image.tar.gz" .
}

@test "the printed line joins a worker; from then on its folder is enough" {
	line=$(sw token create --role worker --expires 10m)
	[[ $line == "slipway worker --server $url --join slw_"* ]]
	read -ra words <<<"${line#slipway worker }"
	start_worker one "${words[@]}" --name one
	until_online one
	# shellcheck disable=SC2016 # the job's
	id=$(sw submit --collect out -- sh -c 'seq 3000; echo kept >$SLIPWAY_OUT/out')
	sw wait "$id"
	[ "$(sw log "$id")" = "$(seq 3000)" ]
	[ "$(sw fetch "$id" -o - out)" = kept ]
	[ "$(sw show --json "$id" | jq -r .worker)" = one ]
	# What nobody else is to know.
	[ "$(stat -c %a "$dir/w-one/identity.json")" = 600 ]
	secret=$(secret_of one)
	token=${words[3]}
	[ "${#secret}" = 64 ]
	is_nowhere "$token" "/proc/${pids[one]}/cmdline"
	is_nowhere "$secret" "$data" "$dir/serve.err" "$dir/w-one.err" "/proc/${pids[one]}/cmdline"
	is_nowhere "${token:4:64}" "$data" "$dir/serve.err" "$dir/w-one.err"
	stop_worker one
	start_worker one
	until_online one
	sw run -- true
	# The same line again, as a service has it, changes nothing.
	stop_worker one
	start_worker one "${words[@]}" --name one
	until_online one
	[ "$(secret_of one)" = "$secret" ]
	# Its place is the folder: under another name it is somebody else.
	stop_worker one
	run -4 env -u SLIPWAY_SERVER "$SLIPWAY_BIN" worker --work "$dir/w-one" --name two
	[[ $output == *"is worker one's"* ]]
}

@test "a token is good once, for an hour or as said, and for its server only" {
	token=$(join_token)
	start_worker one --server "$url" --join "$token" --name one
	until_online one
	run -4 env -u SLIPWAY_SERVER timeout 20 "$SLIPWAY_BIN" worker --work "$dir/w-two" --server "$url" --join "$token" --name two
	[[ $output == *"used already, by worker one"* ]]
	run -4 env -u SLIPWAY_SERVER timeout 20 "$SLIPWAY_BIN" worker --work "$dir/w-three" --server "$url" --join "$(join_token)" --name one
	[[ $output == *"has joined already"* ]]
	short=$(join_token --expires 1ms)
	run -4 env -u SLIPWAY_SERVER timeout 20 "$SLIPWAY_BIN" worker --work "$dir/w-four" --server "$url" --join "$short" --name four
	[[ $output == *"expired"* ]]
	# As from somebody in the middle with a CA of his own.
	run -4 env -u SLIPWAY_SERVER timeout 20 "$SLIPWAY_BIN" worker --work "$dir/w-five" --server "$url" --join "$(join_token | sed 's/_[^_]*$/_/')$(printf %064d 7)" --name five
	[[ $output == *"is not the server that this token is for; nothing was sent to it"* ]]
	run -2 env -u SLIPWAY_SERVER "$SLIPWAY_BIN" worker --work "$dir/w-six" --server "$url" --join "${token%?}" --name six
	[[ $output == *"was it cut?"* && $output != *"${token:4:20}"* ]]
	run -4 env -u SLIPWAY_SERVER "$SLIPWAY_BIN" worker --work "$dir/w-seven" --server "$url" --name seven
	[[ $output == *"has not joined"* ]]
	[ "$(sw token list --json | jq -c 'map(.state) | unique')" = '["expired","good","used"]' ]
	sw token list --json >"$dir/list"
	is_nowhere "${token:4:20}" "$dir/list"
}

@test "a machine in the middle with another CA never gets the secret" {
	command -v openssl >/dev/null || skip "openssl is not installed"
	joined one
	stop_worker one
	port=${url##*:}
	mkdir "$dir/fake"
	mkfifo "$dir/fake/in"
	exec {fake_in}<>"$dir/fake/in"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
		-keyout "$dir/fake/key" -out "$dir/fake/cert" 2>/dev/null
	stop_server
	openssl s_server -accept "127.0.0.1:$port" -cert "$dir/fake/cert" -key "$dir/fake/key" <"$dir/fake/in" >"$dir/fake/got" 2>&1 3>&- &
	pids[fake]=$!
	until_written "$dir/fake/got" ACCEPT
	start_worker one
	until_said one "is not the server that this credential is for"
	is_nowhere "$(secret_of one)" "$dir/fake/got"
	is_nowhere Bearer "$dir/fake/got"
	exec {fake_in}>&-
	kill "${pids[fake]}"
	wait "${pids[fake]}" || :
	unset 'pids[fake]'
	# And when the right one is there again, so is the worker.
	start_server --slots 0 --listen "https://127.0.0.1:$port"
	until_online one
	sw run -- true
}

@test "a worker whose credential is revoked ends what it runs, and says so" {
	joined one
	id=$(sw submit --env "GO=$dir/go" -- sh -c "$held_job")
	log_until "$id" started
	credential=$(sw token list --json | jq -r '.[] | select(.role == "worker") | .id')
	sw token revoke "$credential"
	status=0
	ended one || status=$?
	[ "$status" = 4 ]
	grep -q "does not take worker one's credential any more" "$dir/w-one.err"
	[ -z "$(processes_in "$dir/w-one")" ]
	run -4 env -u SLIPWAY_SERVER timeout 20 "$SLIPWAY_BIN" worker --work "$dir/w-one"
	# A token that names it lets it in again, under its name; and what it had run is run again.
	start_worker one --server "$url" --join "$(join_token --name one)"
	until_online one
	touch "$dir/go"
	sw wait "$id"
}

@test "a secret is replaced on demand, and when it is old" {
	joined one
	first=$(secret_of one)
	kill -HUP "${pids[one]}"
	until_said one "a new secret is in use"
	second=$(secret_of one)
	[ "$second" != "$first" ]
	[ "$(jq -r .next "$dir/w-one/identity.json")" = "" ]
	sw run -- true
	# The old one is good no more.
	run -22 curl -sf --cacert "$data/tls/ca.crt" -k -H "Authorization: Bearer $first" -X POST -d '{"hash":""}' "$url/feed/rotate"
	stop_worker one
	# The answer to a replacement was lost: the new one is in use already.
	jq -c --arg old "$first" '.next = .secret | .secret = $old' "$dir/w-one/identity.json" >"$dir/changed"
	cp "$dir/changed" "$dir/w-one/identity.json"
	start_worker one
	until_online one
	[ "$(secret_of one)" = "$second" ]
	stop_worker one
	# It is older than that.
	: >"$dir/w-one.err"
	start_worker one --rotate 1ms
	until_said one "a new secret is in use"
	sw run -- true
}

@test "of two with one identity the first gives way and does not come back" {
	joined one
	id=$(sw submit --env "GO=$dir/go" -- sh -c "$held_job")
	log_until "$id" started
	cp -a "$dir/w-one" "$dir/w-copy"
	start_worker copy
	status=0
	ended one || status=$?
	[ "$status" = 4 ]
	grep -q "two have one identity" "$dir/w-one.err"
	[ -z "$(processes_in "$dir/w-one")" ]
	touch "$dir/go"
	sw wait "$id"
	until_online one
	[ "$(sw show --json "$id" | jq -r '.attempt')" = 2 ]
	is_nowhere session "$dir/w-copy.err"
	# It is alone now; the other may come again, on purpose.
	start_worker one
	status=0
	ended copy || status=$?
	[ "$status" = 4 ]
	sw run -- true
}

@test "people elsewhere: a submitter has jobs of his own, a reader reads, nobody else gets anything" {
	joined one
	others=$(sw submit --tag nobody -- true)
	ada=$(sw token create --role submitter --name ada)
	rob=$(sw token create --role reader --name rob --expires 1h)
	export SLIPWAY_SERVER=$url
	export SLIPWAY_TOKEN=$ada
	[ "$(sw run -- sh -c 'echo hello; env' | grep -c -e '^hello$' -e SLIPWAY_TOKEN)" = 1 ]
	echo text >"$dir/file"
	[ "$(sw run --input "$dir/file:in" -- cat in)" = text ]
	id=$(sw submit --name mine -- true)
	[ "$(sw show --json "$id" | jq -r .owner)" = ada ]
	sw wait "$id"
	run -4 sw cancel "$others"
	run -4 sw submit --owner root -- true
	run -4 sw token list
	run -4 sw worker-state one disabled
	export SLIPWAY_TOKEN=$rob
	[ "$(sw show --json "$id" | jq -r .name)" = mine ]
	run -4 sw submit -- true
	[[ $output == *"rob (reader) is not allowed"* ]]
	unset SLIPWAY_TOKEN
	run -4 sw status
	[[ $output == *"SLIPWAY_TOKEN"* ]]
	export SLIPWAY_TOKEN=${ada/slw_????/slw_0000}
	run -4 sw status
	[[ $output == *"wrong, expired"* && $output != *"${SLIPWAY_TOKEN:4:20}"* ]]
	# Neither the server nor what it starts has one.
	grep -q "refused 1 calls" "$dir/serve.err"
	is_nowhere SLIPWAY_TOKEN "/proc/${pids[one]}/environ"
	unset SLIPWAY_TOKEN
	export SLIPWAY_SERVER=unix:$data/slipway.sock
	[ "$(sw token list --json | jq -c '[.[] | select(.name == "ada") | .used != null]')" = "[true]" ]
}

as_nobody() {
	setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=/nonexistent XDG_STATE_HOME=/nonexistent "$SLIPWAY_BIN" "$@"
}

@test "on the socket the kernel says who it is; a token that is given counts there too" {
	[ "$(id -u)" = 0 ] || skip "only root can be somebody else"
	stop_server
	start_server --slots 1 --socket-mode 0666
	chmod o+x "$dir" "$data"
	as_nobody status >/dev/null || skip "nobody else can run the program where it is"
	[ "$(as_nobody run -- echo hello)" = hello ]
	run -4 as_nobody token create --role admin --name me
	[[ $output == *"(submitter) is not allowed"* ]]
	run -4 as_nobody worker-state "$(sw workers --json | jq -r '.[0].name')" disabled
	run -4 as_nobody admin check
	rob=$(sw token create --role reader --name rob)
	SLIPWAY_TOKEN=$rob run -4 sw submit -- true
	[[ $output == *"rob (reader) is not allowed"* ]]
	ada=$(sw token create --role admin --name ada)
	[ "$(SLIPWAY_TOKEN=$ada as_nobody admin check)" = "0 violations" ]
	# Who has done what is written down, in the transaction that did it.
	sw token revoke "$(sw token list --json | jq '.[] | select(.name == "rob") | .id')"
	[ "$(sw admin events --json 2>/dev/null | jq -c '[.. | .detail? // empty | select(. == "revoked")] | length')" = 1 ]
}

@test "a server that is not there: a command says so, a worker waits for it" {
	token=$(join_token)
	ada=$(sw token create --role submitter --name ada)
	port=${url##*:}
	SLIPWAY_SERVER=$url SLIPWAY_TOKEN=$ada sw status >/dev/null
	stop_server
	SLIPWAY_SERVER=$url SLIPWAY_TOKEN=$ada run -3 sw status
	[[ $output == *"no server answers at $url"* ]]
	start_worker one --server "$url" --join "$token" --name one
	until_said one "cannot join yet"
	start_server --slots 0 --listen "https://127.0.0.1:$port"
	until_online one
	id=$(sw submit --env "GO=$dir/go" -- sh -c "$held_job")
	log_until "$id" started
	# What it runs goes on when the server starts again.
	end_server
	start_server --slots 0 --listen "https://127.0.0.1:$port"
	touch "$dir/go"
	sw wait "$id"
	[ "$(sw show --json "$id" | jq -c '[.attempt, .losses]')" = "[1,0]" ]
	[ "$(sw log "$id" | tail -1)" = finished ]
}

@test "after a restore elsewhere the worker knows the server again" {
	joined one
	sw admin backup "$dir/backup"
	[ "$(stat -c %a "$dir/backup/tls/ca.key")" = 600 ]
	end_server
	rm -rf "$data"
	[ -z "${db_name:-}" ] || {
		psql -qX "$SLIPWAY_TEST_PG" -c "DROP DATABASE $db_name WITH (FORCE)"
		make_database
	}
	sw admin restore --from "$dir/backup" --data "$data" ${db_url:+--db "$db_url"}
	start_server --slots 0 --listen "https://127.0.0.1:${url##*:}"
	until_online one
	sw run -- true
}

@test "given certificates are verified by a store and by the host's name" {
	command -v openssl >/dev/null || skip "openssl is not installed"
	local key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)
	openssl req -x509 "${key[@]}" -days 2 -subj "/CN=Somebody's CA" -keyout "$dir/ca.key" -out "$dir/ca.crt" 2>/dev/null
	openssl req "${key[@]}" -subj /CN=localhost -keyout "$dir/key.pem" -out "$dir/csr" 2>/dev/null
	openssl x509 -req -in "$dir/csr" -CA "$dir/ca.crt" -CAkey "$dir/ca.key" -CAcreateserial -days 2 -out "$dir/cert.pem" \
		-extfile <(printf 'subjectAltName=DNS:localhost') 2>/dev/null
	stop_server
	start_server --slots 0 --listen https://127.0.0.1:0 --tls-cert "$dir/cert.pem" --tls-key "$dir/key.pem"
	port=$(sed -n 's/.*https:[^ ]*:\([0-9]*\) .*/\1/p' "$dir/ready.line")
	# No fingerprint: whom to believe is known elsewhere.
	token=$(join_token)
	[ "${#token}" = 68 ]
	run -4 env -u SLIPWAY_SERVER timeout 20 "$SLIPWAY_BIN" worker --work "$dir/w-one" --server "https://localhost:$port" --join "$token" --name one
	[[ $output == *"nothing was sent to it"* ]]
	export SLIPWAY_TLS_CA=$dir/ca.crt
	run -4 env -u SLIPWAY_SERVER timeout 20 "$SLIPWAY_BIN" worker --work "$dir/w-one" --server "https://127.0.0.1:$port" --join "$token" --name one
	[[ $output == *"nothing was sent to it"* ]]
	start_worker one --server "https://localhost:$port" --join "$token" --name one
	until_online one
	ada=$(sw token create --role submitter --name ada)
	[ "$(SLIPWAY_SERVER=https://localhost:$port SLIPWAY_TOKEN=$ada sw run -- echo hello)" = hello ]
	SLIPWAY_SERVER=https://127.0.0.1:$port SLIPWAY_TOKEN=$ada run -4 sw status
}

@test "a build in a chroot gets its image and inputs over the network, and its artifacts come back" {
	small_image
	joined one
	[[ $(sw workers --json | jq -r '.[] | select(.name == "one") | .isolations | join(" ")') == *chroot* ]] || skip "no chroots here"
	sw target create small --suite small --follow
	head -c 3000000 /dev/urandom >"$dir/big"
	# shellcheck disable=SC2016 # the job's
	id=$(sw submit --target small --input "$dir/big:big" --collect 'o*' -- /bin/sh -c 'echo in a chroot; cat big >$SLIPWAY_OUT/out')
	sw wait "$id" || { sw log "$id"; sw why "$id"; return 1; } >&2
	[ "$(sw log "$id")" = "in a chroot" ]
	mkdir "$dir/back"
	sw fetch "$id" -o "$dir/back"
	cmp "$dir/big" "$dir/back/out"
	[ -n "$(find "$dir/w-one" -name "$(sha256sum <"$dir/big" | cut -d' ' -f1)*")" ]
}

# images: what is unpacked in the folder of worker one, a line each.
images() { find "$dir/w-one" -mindepth 2 -maxdepth 3 -type d -path "*/images/[0-9a-f]*" -printf "%f\n"; }

@test "unpacked targets count in a worker's --cache, and the one that was used last stays" {
	small_image
	# Room for one with its archive, and a half.
	joined one --cache "$((($(du -sb "$dir/root" | cut -f1) + $(stat -c %s "$dir/image.tar.gz")) * 3 / 2))"
	[[ $(sw workers --json | jq -r '.[] | select(.name == "one") | .isolations | join(" ")') == *chroot* ]] || skip "no chroots here"
	sw target create first --suite first --follow
	echo another >"$dir/root/other"
	tar -C "$dir/root" -czf "$dir/image.tar.gz" .
	sw target create second --suite second --follow
	# A worker that does the next job has heard that the one before has ended.
	sw run --target first -- /bin/sh -c 'test ! -e /other'
	sw run -- true
	[ "$(images)" = "$(sw target list --json | jq -r '.[0].image')" ]
	sw run --target second -- /bin/cat /other
	sw run -- true
	[ "$(images)" = "$(sw target list --json | jq -r '.[1].image')" ]
	sw run --target first -- /bin/sh -c 'test ! -e /other'
}
