#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""terminal.py STEP... -- COMMAND...: runs COMMAND in a terminal of its own, 24x80, and plays the person in front of it.

    "expect TEXT"    wait until TEXT is printed, behind what was expected before
    "never TEXT"     it must not have been printed at all
    "send TEXT"      type; \\n, \\x03 and the like are what they are in Python
    "resize 30x100"  give the terminal another size
    "signal TERM"    send the command a signal
    "raw", "cooked"  the terminal must be in this mode
    "silent", "echoes"  what is typed must not be shown, or must be
    "screen TEXT"    wait until TEXT is to be seen: in one row of the window, or of what has left it at the top
    "count TEXT 3"   wait until that many rows hold TEXT
    "exit 3"         wait for the end, with this status; -9 is an end by signal 9

Each waits a minute at most. Exit status 0 when every step held; otherwise it says which did not, and what was printed.
"""
import fcntl, os, pty, re, select, signal, struct, sys, termios, time

PATIENCE = 60


class Screen:
    """What a terminal makes of bytes, as far as our programs go: text, line ends, cursor up, erasing. A narrower window folds rows, as most terminals do."""

    def __init__(self):
        self.rows, self.row, self.column, self.height, self.width, self.rest = [""], 0, 0, 24, 80, b""

    def resize(self, height, width):
        folded, row = [], 0
        for i, text in enumerate(self.rows):
            row = len(folded) if i == self.row else row
            folded += [text[j : j + width] for j in range(0, max(len(text), 1), width)]
        self.rows, self.row, self.height, self.width = folded, row, height, width

    def put(self, char):
        if self.column == self.width:
            self.new_line()
            self.column = 0
        text = self.rows[self.row].ljust(self.column)
        self.rows[self.row] = text[: self.column] + char + text[self.column + 1 :]
        self.column += 1

    def new_line(self):
        self.row += 1
        if self.row == len(self.rows):
            self.rows.append("")

    def control(self, count, letter):
        if letter == b"A":
            self.row = max(self.row - int(count or 1), len(self.rows) - self.height, 0)
        elif letter == b"K":
            self.rows[self.row] = self.rows[self.row][: self.column]
        elif letter == b"J":
            self.rows[self.row] = self.rows[self.row][: self.column]
            self.rows[self.row + 1 :] = []

    def feed(self, data):
        data = self.rest + data
        while data:
            match = re.match(rb"\x1b\[(\d*)([A-Za-z])", data)
            if match:
                self.control(match[1], match[2])
                data = data[match.end() :]
                continue
            if data[:1] == b"\x1b" and len(data) < 8:
                break
            if data[:1] == b"\r":
                self.column = 0
            elif data[:1] == b"\n":
                self.new_line()
            elif data[0] >= 32:
                self.put(chr(data[0]))
            data = data[1:]
        self.rest = data


class Terminal:
    def __init__(self, command):
        self.output, self.seen, self.status, self.screen = b"", 0, None, Screen()
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
        self.read(0)
        self.screen.resize(rows, columns)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds):
        while select.select([self.master], [], [], seconds)[0]:
            data = os.read(self.master, 65536)
            self.output += data
            self.screen.feed(data)
            seconds = 0

    def wait_until(self, holds):
        """Reads what is printed until holds() or patience ends."""
        end = time.monotonic() + PATIENCE
        while not holds():
            if time.monotonic() > end:
                return False
            self.read(0.02)
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

    def echoes(self):
        return bool(termios.tcgetattr(self.slave)[3] & termios.ECHO)

    def count(self, text):
        return sum(text in row for row in self.screen.rows)

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
        elif verb in ("silent", "echoes"):
            return self.wait_until(lambda: self.echoes() == (verb == "echoes"))
        elif verb == "screen":
            return self.wait_until(lambda: self.count(rest) > 0)
        elif verb == "count":
            text, _, number = rest.rpartition(" ")
            return self.wait_until(lambda: self.count(text) == int(number))
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
        print(f"failed: {failed}\nstatus: {terminal.status}\nprinted:\n{terminal.output[-4000:]!r}\nscreen:\n" + "\n".join(terminal.screen.rows))
    return 1 if failed is not None else 0


sys.exit(main())
