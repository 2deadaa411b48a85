bats_require_minimum_version 1.5.0

# Servers as people run them: Debian's nginx and PostgreSQL, in machines of their own, reached by address and by name.

setup_file() {
	load lib
	namespaces
	roots
	"$top/tests/prepare" servers
	coracle image load -q -i "$top/build/test-images/servers.tar"
	coracle run -d --name console --network default servers sleep 100000
}
teardown_file() {
	load lib
	nothing_left
	no_network || { cat "$WORK/traces"; false; }
	namespaces_end
}
setup() { load lib; }

welcome() { "$@" | grep -q '<title>Welcome to nginx!</title>'; }

@test "nginx: the host reaches it by address, another container by its names, over both families" {
	coracle run -d --name web --network default,alias=www servers nginx -g 'daemon off;'
	local v4 v6 name family
	v4=$(address web) v6=$(address web default GlobalIPv6Address)
	await welcome inside curl -sS "http://$v4/"
	welcome inside curl -sS "http://[$v6]/"
	for family in -4 -6; do
		for name in web www web.coracle www.coracle; do
			welcome coracle exec console curl $family -sS "http://$name/"
		done
	done
	# It sees who asks: nobody stands between.
	coracle exec web cat /var/log/nginx/access.log >"$WORK/log"
	cat "$WORK/log"
	grep -q "^10.209.0.1 .*curl" "$WORK/log"
	grep -q "^$(address console) .*curl" "$WORK/log"
	grep -q "^$(address console default GlobalIPv6Address) .*curl" "$WORK/log"
}

@test "an address leads back to the name, as a program of Debian asks for it" {
	local key
	for key in IPAddress GlobalIPv6Address; do
		[ "$(coracle exec console getent hosts "$(address web default $key)" | awk '{print $2}')" = web.coracle ]
		[ "$(coracle exec web getent hosts "$(address console default $key)" | awk '{print $2}')" = console.coracle ]
	done
	[ "$(coracle exec console getent ahostsv4 www | awk 'NR == 1 {print $1}')" = "$(address web)" ]
	[ "$(coracle exec console getent ahostsv6 www | awk 'NR == 1 {print $1}')" = "$(address web default GlobalIPv6Address)" ]
	run ! coracle exec console getent hosts nobody.coracle
}

@test "nginx reloads, and ends when it is told to stop" {
	coracle exec web sh -c 'echo reloaded >/var/www/html/index.html; rm /var/www/html/index.nginx-debian.html; nginx -s reload'
	[ "$(coracle exec console curl -sS http://web/)" = reloaded ]
	coracle stop web
	[ "$(coracle inspect web | jq '.[0].State.ExitCode')" = 0 ]
	coracle start web
	await inside curl -sS "http://$(address web)/"
	[ "$(coracle exec console curl -sS http://web/)" = reloaded ]
	coracle rm -f web
}

# Whom it lets in is said by names: PostgreSQL asks for the name of the address, and for the addresses of that name.
@test "PostgreSQL: psql in another container writes and reads, by name, and is known by its own" {
	# What it is told is written anew at each start: nobody fsyncs a line that a shell appends, and the machine will be killed.
	coracle run -d --name db --network default servers sh -c '
		echo "local all all peer" >/etc/postgresql/hba
		echo "host all all .coracle trust" >>/etc/postgresql/hba
		exec pg_ctlcluster --foreground 15 main start -o "-c listen_addresses=* -c hba_file=/etc/postgresql/hba"'
	await coracle exec console pg_isready -q -h db
	coracle run --rm --network default servers psql -h db -U postgres -v ON_ERROR_STOP=1 \
		-c 'create table boats (name text, crew int)' -c "insert into boats select 'coracle ' || n, 1 from generate_series(1, 10000) n"
	local host
	for host in db db.coracle "$(address db)" "$(address db default GlobalIPv6Address)"; do
		[ "$(coracle exec console psql -h "$host" -U postgres -Atc 'select count(*), sum(crew) from boats')" = "10000|10000" ]
	done
	# Its workers share memory through /dev/shm.
	[ "$(coracle exec console psql -h db -U postgres -Atq -c 'set parallel_setup_cost = 0; set parallel_tuple_cost = 0; set min_parallel_table_scan_size = 0' \
		-c 'select count(distinct name) from boats' -c 'explain select count(*) from boats' | grep -e '^10000$' -e Workers | xargs)" = "10000 Workers Planned: 2" ]
}

@test "PostgreSQL: what was written is there after a stop, and after its machine was killed" {
	coracle exec console psql -h db -U postgres -c "insert into boats values ('before the stop', 2)"
	coracle stop db
	[ "$(coracle inspect db | jq '.[0].State.ExitCode')" = 0 ]
	coracle start db
	await coracle exec console pg_isready -q -h db
	coracle exec console psql -h db -U postgres -c "insert into boats values ('before the kill', 3)"
	kill -KILL "$(vmm_of db)"
	coracle wait db
	coracle start db
	await coracle exec console pg_isready -q -h db
	[ "$(coracle exec console psql -h db -U postgres -Atc 'select sum(crew) from boats where crew > 1')" = 5 ]
	coracle logs db 2>&1 | grep -q "automatic recovery in progress"
}

@test "PostgreSQL: eight clients at once for a while" {
	coracle exec db su postgres -c 'pgbench -q -i postgres'
	coracle exec console pgbench -h db -U postgres -c 8 -j 2 -t 20 postgres >"$WORK/bench"
	cat "$WORK/bench"
	grep -q "actually processed: 160/160" "$WORK/bench"
	coracle rm -f db
}
