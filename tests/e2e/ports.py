#!/usr/bin/env python3
"""A free port on loopback for a test: below the range that the kernel gives to outgoing connections. Else
a client that tries a door which is down may be given the door's own port and be connected to itself,
and the door cannot come back. As a program it prints one."""
import random
import socket

_given = set()


def free_port():
    with open('/proc/sys/net/ipv4/ip_local_port_range', encoding='ascii') as source:
        first = int(source.read().split()[0])
    high = max(min(first, 32768), 4096)
    for _ in range(1000):
        port = random.SystemRandom().randrange(high // 2, high)
        with socket.socket() as s:
            try:
                s.bind(('127.0.0.1', port))
            except OSError:
                continue
        if port not in _given:
            _given.add(port)
            return port
    raise SystemExit('no free port on loopback')


if __name__ == '__main__':
    print(free_port())
