# SPDX-License-Identifier: Apache-2.0
"""Types into a command that runs on a terminal of its own.

terminal.py ROWS COLUMNS COMMAND... reads a script from standard input, a step a line:
  expect TEXT    waits until the terminal shows TEXT (after what earlier steps matched)
  send TEXT      types TEXT; Python's escapes count ("ls\\n", "\\x03")
  size ROWS COLUMNS   the window changes
Ends with the command's exit status, or 99 when something that was expected did not come.
"""
import fcntl, os, pty, select, signal, struct, sys, termios, time

PATIENCE = 60


def set_size(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def fail(seen, text):
    sys.stderr.write(f"terminal: {text}; the terminal shows:\n{seen.decode(errors='replace')}\n")
    os._exit(99)


def main():
    rows, columns, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    steps = sys.stdin.read().splitlines()
    pid, terminal = pty.fork()
    if pid == 0:
        time.sleep(0.05)  # until the window has its size
        os.execvp(command[0], command)
    set_size(terminal, rows, columns)
    seen, done = b"", 0

    def read(until):
        nonlocal seen
        ready, _, _ = select.select([terminal], [], [], max(0, until - time.monotonic()))
        if not ready:
            return False
        try:
            data = os.read(terminal, 65536)
        except OSError:
            data = b""
        seen += data
        return bool(data)

    for step in steps:
        word, _, rest = step.partition(" ")
        text = rest.encode().decode("unicode_escape").encode("latin-1")
        if word == "send":
            os.write(terminal, text)
        elif word == "size":
            set_size(terminal, *map(int, rest.split()))
            os.kill(pid, signal.SIGWINCH)
        elif word == "expect":
            until = time.monotonic() + PATIENCE
            while (found := seen.find(text, done)) < 0:
                if not read(until):
                    fail(seen, f"'{rest}' did not come")
            done = found + len(text)
    until = time.monotonic() + PATIENCE
    while read(until):
        pass
    _, status = os.waitpid(pid, 0)
    sys.stdout.write(seen.decode(errors="replace"))
    sys.exit(os.waitstatus_to_exitcode(status))


main()
