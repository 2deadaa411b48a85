# SPDX-License-Identifier: Apache-2.0
# talk.pl PORT...: a server in a container, over TCP and UDP and both families. TCP: "hello PEER" and then what comes, until the end. UDP: "hello PEER" and what came.
use strict;
use warnings;
use Socket qw(:all);

sub bound {
	my ($type, $port) = @_;
	socket(my $socket, AF_INET6, $type, 0) or die "socket: $!";
	setsockopt($socket, SOL_SOCKET, SO_REUSEADDR, 1);
	setsockopt($socket, IPPROTO_IPV6, IPV6_V6ONLY, 0);
	bind($socket, pack_sockaddr_in6($port, IN6ADDR_ANY)) or die "bind: $!";
	return $socket;
}

sub name {
	my (undef, $address) = unpack_sockaddr_in6(shift);
	return inet_ntop(AF_INET6, $address) =~ s/^::ffff://r;
}

sub talk {
	my ($line, $peer) = @_;
	my $data = "hello " . name($peer) . "\n";
	do {
		for (my $done = 0; $done < length $data;) {
			$done += syswrite($line, $data, length($data) - $done, $done) // exit;
		}
	} while (sysread($line, $data, 65536));
	shutdown($line, 1);
	exit;
}

$SIG{CHLD} = 'IGNORE';
for my $port (@ARGV) {
	if (!fork) {
		my $server = bound(SOCK_STREAM, $port);
		listen($server, 500) or die "listen: $!";
		while (1) {
			my $peer = accept(my $line, $server) or next;
			talk($line, $peer) unless fork;
		}
	}
	if (!fork) {
		my $server = bound(SOCK_DGRAM, $port);
		while (1) {
			my $peer = recv($server, my $data, 65536, 0) or next;
			send($server, "hello " . name($peer) . " $data", 0, $peer);
		}
	}
}
print "ready\n";
close STDOUT;
sleep 1 while 1;
