#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""terminal.py STEP... -- COMMAND...: runs COMMAND in a terminal of its own, 24x80, and plays the person in front of it.

    "expect TEXT"    wait until TEXT is printed, behind what was expected before
    "never TEXT"     it must not have been printed at all
    "send TEXT"      type; \\n, \\x03 and the like are what they are in Python
    "resize 30x100"  give the terminal another size
    "signal TERM"    send the command a signal
    "raw", "cooked"  the terminal must be in this mode
    "exit 3"         wait for the end, with this status; -9 is an end by signal 9

Each waits a minute at most. Exit status 0 when every step held; otherwise it says which did not, and what was printed.
"""
import fcntl, os, pty, select, signal, struct, sys, termios, time

PATIENCE = 60


class Terminal:
    def __init__(self, command):
        self.output, self.seen, self.status = b"", 0, None
        self.master, self.slave = pty.openpty()
        self.resize("24x80")
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)
            for fd in (0, 1, 2):
                os.dup2(self.slave, fd)
            os.closerange(3, 64)
            os.execvp(command[0], command)

    def resize(self, size):
        rows, columns = map(int, size.split("x"))
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def wait_until(self, holds):
        """Reads what is printed until holds() or patience ends."""
        end = time.monotonic() + PATIENCE
        while not holds():
            if time.monotonic() > end:
                return False
            if select.select([self.master], [], [], 0.02)[0]:
                self.output += os.read(self.master, 65536)
        return True

    def expect(self, text):
        wanted = text.encode()
        if not self.wait_until(lambda: wanted in self.output[self.seen :]):
            return False
        self.seen = self.output.index(wanted, self.seen) + len(wanted)
        return True

    def ended(self):
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is not None

    def is_raw(self):
        local = termios.tcgetattr(self.slave)[3]
        return not local & (termios.ICANON | termios.ECHO | termios.ISIG)

    def step(self, step):
        verb, _, rest = step.partition(" ")
        if verb == "expect":
            return self.expect(rest)
        if verb == "never":
            return rest.encode().decode("unicode_escape").encode("latin-1") not in self.output
        if verb == "send":
            os.write(self.master, rest.encode().decode("unicode_escape").encode("latin-1"))
        elif verb == "resize":
            self.resize(rest)
        elif verb == "signal":
            os.kill(self.pid, signal.Signals["SIG" + rest])
        elif verb in ("raw", "cooked"):
            return self.wait_until(lambda: self.is_raw() == (verb == "raw"))
        elif verb == "exit":
            return self.wait_until(self.ended) and self.status == int(rest)
        else:
            raise SystemExit(f"terminal.py: no step '{verb}'")
        return True


def main():
    separator = sys.argv.index("--")
    terminal = Terminal(sys.argv[separator + 1 :])
    failed = next((s for s in sys.argv[1:separator] if not terminal.step(s)), None)
    if not terminal.ended():
        os.kill(terminal.pid, signal.SIGKILL)
        os.waitpid(terminal.pid, 0)
    if failed is not None:
        print(f"failed: {failed}\nstatus: {terminal.status}\nprinted:\n{terminal.output!r}")
    return 1 if failed is not None else 0


sys.exit(main())
