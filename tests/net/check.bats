# system check: what others' rules stop, and what is orphaned or was taken away. Without machines.

setup_file() {
	load lib
	export WORK
	WORK=$(mktemp -d /tmp/cor.XXXXXX)
	export CORACLE_ROOT=$WORK/data CORACLE_RUNTIME_DIR=$WORK/run
	export CORACLE=${CORACLE_BUILD:-$BATS_TEST_DIRNAME/../../build}/coracle
	namespaces
	coracle ls
}
teardown_file() {
	load lib
	namespaces_end
	rm -rf "$WORK"
}
setup() { load lib; }

# problems ARGUMENTS: What and Problem of each, and whether it was repaired.
problems() { coracle system check --format json "$@" 2>/dev/null | jq -r '.[] | .What + ": " + .Problem + (if .Repaired then " (repaired)" else "" end)'; }
bridge() { inside ip -o link show type bridge | grep -o 'corb[0-9a-f]*'; }

@test "a healthy network has no problem" {
	joined one
	run problems
	[ "$output" = "" ]
	leave one
	run problems
	[ "$output" = "" ]
}

@test "beside docker, ufw and firewalld the chain that blocks is named, with the remedy" {
	joined one
	b=$(bridge)
	inside nft -f - <<-'RULES'
		table ip filter {
			chain DOCKER-USER { counter return; }
			chain FORWARD { type filter hook forward priority filter; policy drop; counter jump DOCKER-USER; }
		}
	RULES
	run problems
	[ "$output" = "network default: the chain 'FORWARD' of the table 'ip filter' drops what goes through: iptables -I DOCKER-USER -i $b -j ACCEPT && iptables -I DOCKER-USER -o $b -j ACCEPT" ]
	# What that command does.
	inside nft insert rule ip filter DOCKER-USER iifname "$b" counter accept
	inside nft insert rule ip filter DOCKER-USER oifname "$b" counter accept
	[ "$(problems)" = "" ]
	inside nft delete table ip filter
	inside nft -f - <<-'RULES'
		table ip6 filter {
			chain ufw6-before-forward { ct state established,related accept; }
			chain FORWARD { type filter hook forward priority filter; policy drop; counter jump ufw6-before-forward; }
		}
	RULES
	[[ $(problems) == "network default: the chain 'FORWARD' of the table 'ip6 filter' drops what goes through: ufw route allow in on $b && ufw route allow out on $b" ]]
	inside nft delete table ip6 filter
	inside nft -f - <<-'RULES'
		table inet firewalld {
			chain filter_FORWARD {
				type filter hook forward priority filter + 10; policy accept;
				ct state { established, related } accept
				reject with icmpx admin-prohibited
			}
		}
	RULES
	[[ $(problems) == "network default: the chain 'filter_FORWARD' of the table 'inet firewalld' drops what goes through: firewall-cmd --zone=trusted --add-interface=$b" ]]
	inside nft delete table inet firewalld
	leave one
}

@test "the remedy for rules of nobody's known does what it says" {
	joined one
	inside nft -f - <<-'RULES'
		table inet mine {
			chain forward { type filter hook forward priority filter; policy drop; }
		}
	RULES
	line=$(problems)
	[[ $line == *"drops what goes through: nft insert rule inet mine forward iifname"* ]]
	inside bash -c "${line##*goes through: }"
	[ "$(problems)" = "" ]
	inside nft delete table inet mine
	leave one
}

@test "what the dead left and what others took away is found, and repaired" {
	joined one
	inside nft flush ruleset
	inside ip link del "$(bridge)"
	kill -KILL "$(pgrep --ns "$HOST" --nslist net dnsmasq)"
	run problems
	[ "${lines[*]}" = "network default: its bridge is gone network default: its firewall rules are gone network default: its name server does not run" ]
	run problems --repair
	[ "$(grep -c '(repaired)$' <<<"$output")" -eq 3 ]
	[ "$(problems)" = "" ]
	[[ $(inside bridge link) == *"master $(bridge)"* ]]
	kill -KILL "${joined_pid[one]}"
	if wait "${joined_pid[one]}"; then false; fi
	run problems
	[ "${lines[*]}" = "network default: addresses are kept that nobody has any more network default: it is up, and no container is in it" ]
	problems --repair
	[ "$(problems)" = "" ]
	no_network || { cat "$WORK/traces"; false; }
}
