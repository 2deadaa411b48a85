#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""frames.py make OWN_MAC OWN_V4 OWN_V6 OTHER_MAC OTHER_V4 OTHER_V6 GATEWAY_MAC: what a guest may send and what it may not, as lines of "good NAME HEX", "bad NAME HEX" and "stray NAME HEX".
frames.py seen FRAMES PCAP...: the kinds and names of those frames that a capture holds, byte for byte."""
import ipaddress
import struct
import sys


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def v4(text):
    return ipaddress.IPv4Address(text).packed


def v6(text):
    return ipaddress.IPv6Address(text).packed


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ethernet(to, source, kind, payload):
    return to + source + struct.pack(">H", kind) + payload


def arp(operation, source_mac, source, to_mac, to):
    return struct.pack(">HHBBH", 1, 0x0800, 6, 4, operation) + source_mac + source + to_mac + to


def ip4(source, to, protocol, payload):
    header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 7, 0, 64, protocol, 0) + source + to
    return header[:10] + struct.pack(">H", checksum(header)) + header[12:] + payload


def udp(source, to, data):
    return struct.pack(">HHHH", source, to, 8 + len(data), 0) + data


def ip6(source, to, following, payload, hops=255):
    return struct.pack(">IHBB", 0x60000000, len(payload), following, hops) + source + to + payload


def icmp6(source, to, kind, body):
    message = struct.pack(">BBH", kind, 0, 0) + body
    pseudo = source + to + struct.pack(">II", len(message), 58) + message
    return message[:2] + struct.pack(">H", checksum(pseudo)) + message[4:]


def nd(source, to, kind, target, option=b"", flags=0):
    return ip6(source, to, 58, icmp6(source, to, kind, struct.pack(">I", flags) + target + option))


def make(own_mac, own4, own6, other_mac, other4, other6, gateway_mac):
    own_mac, other_mac, gateway_mac = mac(own_mac), mac(other_mac), mac(gateway_mac)
    own4, other4, own6, other6 = v4(own4), v4(other4), v6(own6), v6(other6)
    gateway4, gateway6 = own4[:3] + b"\1", own6[:15] + b"\1"
    everybody, all_nodes, groups = b"\xff" * 6, v6("ff02::1"), bytes.fromhex("333300000001")
    local = v6("fe80::" + "%02x%02x:%02xff:fe%02x:%02x%02x" % (own_mac[0] ^ 2, *own_mac[1:]))
    tlla = lambda address: b"\2\1" + address
    slla = lambda address: b"\1\1" + address
    hello = udp(1000, 9, b"hello")
    syn = struct.pack(">HHIIBBHHH", 1000, 9, 1, 0, 0x50, 2, 1024, 0, 0)

    yield "good", "arp request", ethernet(everybody, own_mac, 0x0806, arp(1, own_mac, own4, b"\0" * 6, other4))
    yield "good", "arp reply", ethernet(other_mac, own_mac, 0x0806, arp(2, own_mac, own4, other_mac, other4))
    yield "good", "ipv4", ethernet(other_mac, own_mac, 0x0800, ip4(own4, other4, 17, hello))
    yield "good", "ipv6", ethernet(other_mac, own_mac, 0x86DD, ip6(own6, other6, 17, hello))
    yield "good", "ipv4 tcp", ethernet(other_mac, own_mac, 0x0800, ip4(own4, other4, 6, syn))
    yield "good", "ipv6 tcp", ethernet(other_mac, own_mac, 0x86DD, ip6(own6, other6, 6, syn))
    yield "good", "solicitation", ethernet(groups, own_mac, 0x86DD, nd(own6, all_nodes, 135, other6, slla(own_mac)))
    yield "good", "advertisement", ethernet(groups, own_mac, 0x86DD, nd(own6, all_nodes, 136, own6, tlla(own_mac), 0x20000000))
    yield "good", "local advertisement", ethernet(groups, own_mac, 0x86DD, nd(local, all_nodes, 136, local, tlla(own_mac)))

    yield "stray", "for nobody", ethernet(b"\2\0\0\0\0\x99", own_mac, 0x0800, ip4(own4, other4, 17, hello))

    yield "bad", "another's MAC", ethernet(other_mac, other_mac, 0x0800, ip4(own4, other4, 17, hello))
    yield "bad", "a new MAC", ethernet(everybody, b"\2\0\0\0\0\x77", 0x0806, arp(1, own_mac, own4, b"\0" * 6, other4))
    yield "bad", "arp for another", ethernet(everybody, own_mac, 0x0806, arp(2, own_mac, other4, b"\0" * 6, gateway4))
    yield "bad", "arp for the gateway", ethernet(everybody, own_mac, 0x0806, arp(2, own_mac, gateway4, other_mac, other4))
    yield "bad", "arp with another's MAC inside", ethernet(everybody, own_mac, 0x0806, arp(2, other_mac, own4, b"\0" * 6, gateway4))
    yield "bad", "arp of no address", ethernet(everybody, own_mac, 0x0806, arp(1, own_mac, v4("0.0.0.0"), b"\0" * 6, other4))
    yield "bad", "another's IPv4", ethernet(gateway_mac, own_mac, 0x0800, ip4(other4, gateway4, 17, hello))
    yield "bad", "the gateway's IPv4", ethernet(other_mac, own_mac, 0x0800, ip4(gateway4, other4, 17, hello))
    yield "bad", "a foreign IPv4", ethernet(gateway_mac, own_mac, 0x0800, ip4(v4("203.0.113.9"), v4("198.51.100.1"), 17, hello))
    yield "bad", "a server of addresses", ethernet(everybody, own_mac, 0x0800, ip4(own4, v4("255.255.255.255"), 17, udp(67, 68, b"x" * 240)))
    yield "bad", "another's IPv6", ethernet(gateway_mac, own_mac, 0x86DD, ip6(other6, gateway6, 17, hello))
    yield "bad", "another's IPv4 in TCP", ethernet(gateway_mac, own_mac, 0x0800, ip4(other4, gateway4, 6, syn))
    yield "bad", "another's IPv6 in TCP", ethernet(gateway_mac, own_mac, 0x86DD, ip6(other6, gateway6, 6, syn))
    yield "bad", "another's MAC in TCP", ethernet(gateway_mac, other_mac, 0x0800, ip4(own4, gateway4, 6, syn))
    yield "bad", "TCP in ARP", ethernet(other_mac, own_mac, 0x0806, ip4(own4, other4, 6, syn))
    yield "bad", "another local IPv6", ethernet(other_mac, own_mac, 0x86DD, ip6(v6("fe80::1"), other6, 17, hello))
    yield "bad", "no IPv6", ethernet(other_mac, own_mac, 0x86DD, ip6(v6("::"), other6, 17, hello))
    yield "bad", "advertisement for another", ethernet(groups, own_mac, 0x86DD, nd(own6, all_nodes, 136, other6, tlla(own_mac), 0x20000000))
    yield "bad", "advertisement for the gateway", ethernet(groups, own_mac, 0x86DD, nd(own6, all_nodes, 136, gateway6, tlla(own_mac), 0xA0000000))
    yield "bad", "advertisement without option for another", ethernet(groups, own_mac, 0x86DD, nd(own6, all_nodes, 136, other6))
    yield "bad", "advertisement with another's MAC", ethernet(groups, own_mac, 0x86DD, nd(own6, all_nodes, 136, own6, tlla(other_mac), 0x20000000))
    yield "bad", "advertisement with two MACs", ethernet(groups, own_mac, 0x86DD, nd(own6, all_nodes, 136, own6, tlla(own_mac) + tlla(other_mac)))
    yield "bad", "advertisement of nobody", ethernet(groups, own_mac, 0x86DD, nd(v6("::"), all_nodes, 136, other6, tlla(own_mac)))
    yield "bad", "advertisement behind options", ethernet(
        groups, own_mac, 0x86DD,
        ip6(own6, all_nodes, 0, bytes([58, 0, 1, 4, 0, 0, 0, 0]) + icmp6(own6, all_nodes, 136, b"\x20\0\0\0" + other6 + tlla(own_mac))))
    yield "bad", "solicitation with another's MAC", ethernet(groups, own_mac, 0x86DD, nd(own6, all_nodes, 135, gateway6, slla(other_mac)))
    yield "bad", "router advertisement", ethernet(
        groups, own_mac, 0x86DD, ip6(local, all_nodes, 58, icmp6(local, all_nodes, 134, struct.pack(">BBHII", 64, 0, 1800, 0, 0))))
    yield "bad", "redirect", ethernet(
        other_mac, own_mac, 0x86DD, ip6(local, other6, 58, icmp6(local, other6, 137, b"\0" * 4 + own6 + v6("2001:db8:1::1"))))
    yield "bad", "a server of IPv6 addresses", ethernet(groups, own_mac, 0x86DD, ip6(local, all_nodes, 17, udp(547, 546, b"x" * 40)))
    yield "bad", "a VLAN tag", ethernet(other_mac, own_mac, 0x8100, struct.pack(">HH", 1, 0x0800) + ip4(other4, own4, 17, hello))
    yield "bad", "a VLAN tag before TCP", ethernet(other_mac, own_mac, 0x8100, struct.pack(">HH", 1, 0x0800) + ip4(own4, other4, 6, syn))
    yield "bad", "spanning tree", ethernet(bytes.fromhex("0180c2000000"), own_mac, 0x0026, b"\x42\x42\x03" + b"\0" * 35)
    yield "bad", "an unknown kind", ethernet(other_mac, own_mac, 0x88B5, b"x" * 46)


def frames_of(path):
    with open(path, "rb") as file:
        data = file.read()
    position = 24
    while position + 16 <= len(data):
        size = struct.unpack("<I", data[position + 8:position + 12])[0]
        yield data[position + 16:position + 16 + size]
        position += 16 + size


def seen(frames, captures):
    captured = {frame for path in captures for frame in frames_of(path)}
    for line in open(frames):
        kind, name, digits = line.rstrip("\n").split("\t")
        if bytes.fromhex(digits) in captured:
            print(kind, name)


if __name__ == "__main__":
    if sys.argv[1] == "make":
        for kind, name, frame in make(*sys.argv[2:]):
            print(kind, name, frame.hex(), sep="\t")
    else:
        seen(sys.argv[2], sys.argv[3:])
