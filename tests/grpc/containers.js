// SPDX-License-Identifier: Apache-2.0
// containers.js SOCKET PID SCENARIO: one story with containers in a real guest; fails by an assertion. PID is boot-guest's.
const assert = require('assert')
const fs = require('fs')
const { Guest, Process, USUAL, capabilities, config, processObject, grpc } = require('./agent.js')

const [socket, pid, name] = process.argv.slice(2)
const guest = new Guest(socket)
const SLEEP = ['/bin/sleep', '1000']
const code = grpc.status

// A container whose first process sleeps, for as long as the story in it lasts.
async function withContainer (options, story) {
  const { id = 'boat', args = SLEEP, ...more } = options
  const { disk, seccomp, files, root, ...document } = more
  await guest.create(id, config(args, document), { disk, seccomp, files, root })
  try {
    await guest.start(id, 'init')
    return await story(id)
  } finally {
    await guest.delete(id)
  }
}

// Output of a shell script in a container.
async function sh (id, script, options = {}) {
  const end = await guest.run(id, 'script', { args: ['/bin/sh', '-c', script], ...options })
  assert.strictEqual(end.err, '')
  assert.strictEqual(end.code, 0)
  return end.out
}

// Until a process with this command line is there.
async function listed (id, command) {
  for (;;) {
    const found = (await guest.call('ListProcesses', { container_id: id })).processes.find(p => p.command === command)
    if (found) return found
  }
}

const bytes = text => Buffer.from(text)
const json = object => bytes(JSON.stringify(object))

const scenarios = {
  async 'life-of-a-container' () {
    await guest.create('boat', config(['/bin/sh', '-c', 'echo out; echo err >&2; exit 7']))
    const first = await guest.start('boat', 'init')
    const exit = await first.exited
    assert.deepStrictEqual([exit.code, exit.signal, exit.out_of_memory], [7, 0, false])
    assert.ok(exit.exited_at_ns > 1e18)
    assert.strictEqual(first.out.toString(), 'out\n')
    assert.strictEqual(first.err.toString(), 'err\n')
    assert.strictEqual((await guest.call('WaitProcess', first.ref)).code, 7)
    assert.deepStrictEqual((await guest.call('ListContainers')).containers, [{ container_id: 'boat', processes: 0 }])
    await guest.call('DeleteProcess', first.ref)
    // A container whose first process is forgotten may get another.
    assert.strictEqual((await guest.run('boat', 'again')).code, 7)
    await guest.delete('boat')
    assert.deepStrictEqual((await guest.call('ListContainers')).containers, [])
  },

  async 'two-containers' () {
    await withContainer({ id: 'one', hostname: 'port' }, () => withContainer({ id: 'two', hostname: 'starboard', disk: 'other' }, async () => {
      assert.strictEqual(await sh('one', 'hostname'), 'port\n')
      assert.strictEqual(await sh('two', 'hostname'), 'starboard\n')
      await sh('one', 'echo secret >/only-one; echo hi >/dev/shm/x')
      assert.strictEqual(await sh('two', 'ls /only-one /dev/shm 2>/dev/null | wc -l'), '1\n')
      assert.match(await sh('two', 'ps -o args'), /^COMMAND\n\/bin\/sleep 1000\n.*\/bin\/sh -c ps.*\n$/)
      for (const space of ['pid', 'mnt', 'uts', 'ipc', 'cgroup']) {
        const link = `readlink /proc/1/ns/${space}`
        assert.notStrictEqual(await sh('one', link), await sh('two', link))
        assert.strictEqual(await sh('one', link), await sh('one', link.replace('1', 'self')))
      }
      assert.strictEqual(await sh('one', 'cat /proc/1/cgroup'), '0::/\n')
      // The same name in both, each its own.
      const [a, b] = await Promise.all([guest.run('one', 'x', { args: ['hostname'] }), guest.run('two', 'x', { args: ['hostname'] })])
      assert.deepStrictEqual([a.out, b.out], ['port\n', 'starboard\n'])
      await guest.delete('one')
      await guest.create('one', config(SLEEP))
      assert.strictEqual(await sh('two', 'hostname'), 'starboard\n')
      await guest.call('SignalProcess', { container_id: 'two', process_id: 'init', signal: 9 })
      assert.strictEqual((await guest.call('WaitProcess', { container_id: 'two', process_id: 'init' })).code, 137)
      await guest.start('one', 'init')
    }))
  },

  async 'end-kills-the-rest' () {
    await withContainer({}, async id => {
      const other = await guest.start(id, 'other', { args: SLEEP })
      await guest.call('SignalProcess', { container_id: id, process_id: 'init', signal: 9 })
      assert.strictEqual((await other.exited).code, 137)
      const refused = await guest.refusal('CreateProcess', { container_id: id, process_id: 'late', process_json: json(processObject(['true'])) })
      assert.strictEqual(refused.code, code.FAILED_PRECONDITION)
    })
  },

  async 'exec-streams' () {
    await withContainer({}, async id => {
      assert.strictEqual((await guest.run(id, 'cat', { args: ['cat'], stdin: true, input: 'hello' })).out, 'hello')
      // The half-close reaches the process; what it says then still arrives.
      const wc = await guest.start(id, 'wc', { args: ['sh', '-c', 'cat | wc -c; echo after; exit 3'], stdin: true })
      for (let i = 0; i < 32; i++) wc.write(Buffer.alloc(100000, 120))
      wc.closeInput()
      assert.strictEqual((await wc.exited).code, 3)
      assert.strictEqual(wc.out.toString(), '3200000\nafter\n')
      // So does the end of the request stream.
      const end = await guest.start(id, 'end', { args: ['cat'], stdin: true })
      end.write('tail')
      end.stream.end()
      assert.strictEqual((await end.exited).code, 0)
      assert.strictEqual(end.out.toString(), 'tail')
      // Without stdin there is nothing to read.
      assert.strictEqual((await guest.run(id, 'null', { args: ['sh', '-c', 'wc -c; readlink /proc/self/fd/0'] })).out, '0\n/dev/null\n')
      // All output comes before the exit status, however much there is.
      const big = await guest.run(id, 'big', { args: ['sh', '-c', 'head -c 5000000 /dev/zero; echo done >&2'] })
      assert.strictEqual(big.out.length, 5000000)
      assert.strictEqual(big.err, 'done\n')
      // A descendant that holds the output does not hold the status.
      const left = await guest.run(id, 'left', { args: ['sh', '-c', 'sleep 1000 & echo gone'] })
      assert.deepStrictEqual([left.code, left.out], [0, 'gone\n'])
      // A process that closes its input early is not disturbed by more.
      const deaf = await guest.start(id, 'deaf', { args: ['sh', '-c', 'exec <&-; sleep 1; echo fine'], stdin: true })
      for (let i = 0; i < 8; i++) deaf.write(Buffer.alloc(200000))
      assert.strictEqual((await deaf.exited).code, 0)
      assert.strictEqual(deaf.out.toString(), 'fine\n')
      // /dev/stdout can be opened again, by an ordinary user too.
      const again = await guest.run(id, 'again', { args: ['sh', '-c', 'echo x >/dev/stdout; echo y >/dev/stderr'], process: { user: { uid: 1000, gid: 1000 } } })
      assert.deepStrictEqual([again.out, again.err], ['x\n', 'y\n'])
    })
  },

  async 'one-attached-at-a-time' () {
    await withContainer({}, async id => {
      const old = await guest.start(id, 'cat', { args: ['cat'], stdin: true })
      const fresh = new Process(guest, id, 'cat')
      await fresh.attach()
      const error = await old.exited.catch(error => error)
      assert.strictEqual(error.word, 'cancelled')
      fresh.write('still here\n')
      await fresh.until(/still here/)
      fresh.closeInput()
      assert.strictEqual((await fresh.exited).code, 0)
      // Who comes when all is over hears the status still.
      const late = new Process(guest, id, 'cat')
      await late.attach()
      assert.strictEqual((await late.exited).code, 0)
    })
  },

  async signals () {
    await withContainer({}, async id => {
      const sleeper = await guest.start(id, 'sleeper', { args: SLEEP })
      await sleeper.signal(15)
      const exit = await sleeper.exited
      assert.deepStrictEqual([exit.code, exit.signal], [143, 15])
      const again = await guest.refusal('SignalProcess', { ...sleeper.ref, signal: 15 })
      assert.strictEqual(again.code, code.FAILED_PRECONDITION)
      assert.strictEqual((await guest.refusal('SignalProcess', { ...sleeper.ref, signal: 99 })).code, code.INVALID_ARGUMENT)
      const trap = await guest.start(id, 'trap', { args: ['sh', '-c', 'trap "echo caught; exit 5" USR1; echo ready; while :; do sleep 0.1; done'] })
      await trap.until(/ready/)
      await trap.signal(10)
      assert.strictEqual((await trap.exited).code, 5)
      assert.match(trap.out.toString(), /caught/)
      // The first process is its name space's init: signals without a handler do not end it.
      await guest.call('SignalProcess', { container_id: id, process_id: 'init', signal: 15 })
      // All of them, also those that nobody made by name.
      const family = await guest.start(id, 'family', { args: ['sh', '-c', 'sleep 1000 & sleep 1000 & wait'] })
      await guest.call('SignalProcess', { container_id: id, process_id: 'init', signal: 9, all: true })
      assert.strictEqual((await family.exited).signal, 9)
    })
  },

  async orphans () {
    await withContainer({ args: ['/bin/sh', '-c', 'while :; do sleep 0.2; done'] }, async id => {
      await guest.run(id, 'parent', { args: ['sh', '-c', '(sleep 0.1 &) ; (sleep 0.1 &)'] })
      await sh(id, 'sleep 1')
      assert.doesNotMatch(await sh(id, 'ps -o stat,args'), /^Z/m)
    })
    // A first process that reaps nothing collects zombies; the small init does it for it.
    await guest.create('reaped', config(['/bin/sh', '-c', '(sleep 0.1 &); exec sleep 1000']))
    await guest.start('reaped', 'init', { reaper: true })
    await sh('reaped', 'sleep 1')
    const list = await sh('reaped', 'ps -o pid,stat,args')
    assert.match(list, /^ +1 S .*coracle-init/m)
    assert.doesNotMatch(list, / Z /)
    await guest.call('SignalProcess', { container_id: 'reaped', process_id: 'init', signal: 15 })
    assert.strictEqual((await guest.call('WaitProcess', { container_id: 'reaped', process_id: 'init' })).code, 143)
    await guest.delete('reaped')
    await guest.create('reaped', config(['/bin/sh', '-c', 'exit 42']))
    assert.strictEqual((await guest.run('reaped', 'init', { reaper: true })).code, 42)
    await guest.delete('reaped')
    await guest.create('reaped', config(['/bin/nothing']))
    assert.strictEqual((await guest.refusal('CreateProcess', { container_id: 'reaped', process_id: 'init', reaper: true })).word, 'no-such-executable')
    await guest.delete('reaped')
  },

  async errors () {
    const refused = (method, request) => guest.refusal(method, request)
    const ref = { container_id: 'nobody', process_id: 'init' }
    for (const method of ['StartProcess', 'WaitProcess', 'DeleteProcess', 'DeleteContainer', 'ListProcesses', 'GetStatistics', 'SignalProcess',
      'ResizeProcess', 'CreateProcess']) {
      const answer = await refused(method, { ...ref, signal: 1, window: { rows: 1, columns: 1 } })
      assert.deepStrictEqual([method, answer.code, answer.word], [method, code.NOT_FOUND, 'not-found'])
    }
    const create = (id, config, more = {}) => refused('CreateContainer', { container_id: id, config_json: bytes(config), root: { source: 'disk:root', type: 'ext4' }, ...more })
    assert.strictEqual((await create('bad', '{')).code, code.INVALID_ARGUMENT)
    assert.strictEqual((await create('bad', '[]')).code, code.INVALID_ARGUMENT)
    assert.match((await create('bad', '{"ociVersion":"1.0.2","process":{"args":[]}}')).details, /args/)
    for (const id of ['', '.hidden', 'a/b', 'x'.repeat(65), 'sp ace']) assert.strictEqual((await create(id, '{}')).code, code.INVALID_ARGUMENT)
    const good = JSON.stringify(config(SLEEP))
    assert.strictEqual((await create('bad', good, { root: { source: 'disk:none', type: 'ext4' } })).code, code.NOT_FOUND)
    assert.strictEqual((await create('bad', good, { root: null })).code, code.INVALID_ARGUMENT)
    assert.strictEqual((await create('bad', good, { seccomp_bpf: bytes('12345') })).code, code.INVALID_ARGUMENT)
    assert.strictEqual((await create('bad', good, { files: [{ name: '../x', content: bytes(''), mode: 0o644 }] })).code, code.INVALID_ARGUMENT)
    assert.strictEqual((await create('bad', good, { files: [{ name: 'x', content: Buffer.alloc(5 << 20), mode: 0o644 }] })).code, code.RESOURCE_EXHAUSTED)
    assert.deepStrictEqual((await guest.call('ListContainers')).containers, [])
    await withContainer({}, async id => {
      const exec = async (args, more = {}) => (await refused('CreateProcess', { container_id: id, process_id: 'x', process_json: json(processObject(args, more)) }))
      assert.deepStrictEqual(Object.values(await exec(['no-such-thing'])), [code.NOT_FOUND, 'no-such-executable', "the container has no executable 'no-such-thing'"])
      assert.deepStrictEqual(Object.values(await exec(['/etc/passwd'])).slice(0, 2), [code.FAILED_PRECONDITION, 'cannot-execute'])
      assert.deepStrictEqual(Object.values(await exec(['/etc'])).slice(0, 2), [code.FAILED_PRECONDITION, 'cannot-execute'])
      assert.deepStrictEqual(Object.values(await exec(['true'], { user: { uid: 0, gid: 0, username: 'stranger' } })), [code.NOT_FOUND, 'not-found', "the container has no user 'stranger'"])
      assert.strictEqual((await exec(['true'], { cwd: '/nowhere' })).code, code.NOT_FOUND)
      assert.strictEqual((await refused('CreateProcess', { container_id: id, process_id: 'x', process_json: bytes('{}') })).code, code.INVALID_ARGUMENT)
      assert.strictEqual((await refused('CreateProcess', { container_id: id, process_id: 'init', process_json: json(processObject(['true'])) })).code, code.ALREADY_EXISTS)
      assert.strictEqual((await refused('CreateProcess', { container_id: id, process_id: 'x', process_json: Buffer.alloc(2 << 20, 32) })).code, code.RESOURCE_EXHAUSTED)
      assert.strictEqual((await create(id, good)).code, code.ALREADY_EXISTS)
      assert.strictEqual((await refused('StartProcess', { container_id: id, process_id: 'init' })).code, code.FAILED_PRECONDITION)
      assert.strictEqual((await refused('DeleteProcess', { container_id: id, process_id: 'init' })).code, code.FAILED_PRECONDITION)
      assert.strictEqual((await refused('ResizeProcess', { container_id: id, process_id: 'init', window: { rows: 1, columns: 1 } })).code, code.FAILED_PRECONDITION)
      // A script whose interpreter is missing is found only by execve.
      await sh(id, 'echo "#!/no/interpreter" >/script; chmod 755 /script')
      await guest.call('CreateProcess', { container_id: id, process_id: 'script', process_json: json(processObject(['/script'])) })
      assert.deepStrictEqual(Object.values(await refused('StartProcess', { container_id: id, process_id: 'script' })).slice(0, 2), [code.NOT_FOUND, 'no-such-executable'])
      await guest.call('WaitProcess', { container_id: id, process_id: 'script' })
      await guest.call('DeleteProcess', { container_id: id, process_id: 'script' })
      // Attaching: nothing named, the wrong one named.
      for (const [request, expected] of [[{ stdin: bytes('x') }, code.INVALID_ARGUMENT], [{ process: { container_id: id, process_id: 'q' } }, code.NOT_FOUND]]) {
        const stream = guest.agent.AttachProcess()
        stream.on('data', () => {})
        stream.write(request)
        assert.strictEqual(await new Promise(resolve => stream.on('error', error => resolve(error.code))), expected)
      }
      // One that was made and never started ends by a signal.
      await guest.call('CreateProcess', { container_id: id, process_id: 'idle', process_json: json(processObject(['true'])) })
      await guest.call('SignalProcess', { container_id: id, process_id: 'idle', signal: 9 })
      assert.strictEqual((await guest.call('WaitProcess', { container_id: id, process_id: 'idle' })).code, 137)
    })
    // A first process that cannot be made leaves the container usable; who waited for it is told.
    await guest.create('second', config(['/bin/nothing']))
    const waiting = []
    const making = refused('CreateProcess', { container_id: 'second', process_id: 'init' })
    for (let i = 0; i < 5; i++) waiting.push(refused('WaitProcess', { container_id: 'second', process_id: 'init' }))
    assert.strictEqual((await making).word, 'no-such-executable')
    for (const answer of await Promise.all(waiting)) assert.strictEqual(answer.code, code.NOT_FOUND)
    await guest.call('CreateProcess', { container_id: 'second', process_id: 'init', process_json: json(processObject(['true'])) })
    await guest.delete('second')
  },

  async terminal () {
    await withContainer({}, async id => {
      const shell = await guest.start(id, 'shell', { args: ['/bin/sh'], process: { terminal: true }, stdin: true, window: { rows: 33, columns: 101 } })
      shell.write('tty; stty size\n')
      await shell.until(/\/dev\/pts\/\d+\r\n33 101\r\n/)
      shell.stream.write({ resize: { rows: 40, columns: 90 } })
      shell.write('stty size; echo "si"ze\n')
      await shell.until(/40 90\r\nsize/)
      await guest.call('ResizeProcess', { ...shell.ref, window: { rows: 50, columns: 120 } })
      shell.write('stty size\n')
      await shell.until(/50 120/)
      // ctrl-c reaches the foreground group only.
      shell.write('sleep 999\n')
      await listed(id, 'sleep 999')
      shell.write('\x03')
      shell.write('echo "inter"rupted $?\n')
      await shell.until(/interrupted 130/)
      shell.write('exit 9\n')
      assert.strictEqual((await shell.exited).code, 9)
    })
    await guest.create('console', config(['/bin/sh', '-c', 'echo hello >/dev/console; tty; test -t 0 && test -t 1; echo $?'], { process: { terminal: true } }))
    const first = await guest.run('console', 'init')
    assert.match(first.out, /^hello\r\n\/dev\/(console|pts\/0)\r\n0\r\n$/)
    await guest.delete('console')
    // With the small init the shell still has the terminal.
    await guest.create('console', config(['/bin/sh'], { process: { terminal: true } }))
    const shell = await guest.start('console', 'init', { reaper: true, stdin: true })
    shell.write('echo "o"k; exit 6\n')
    assert.strictEqual((await shell.exited).code, 6)
    assert.match(shell.out.toString(), /ok/)
    await guest.delete('console')
  },

  async users () {
    await withContainer({}, async id => {
      const who = async (username, more = {}) => sh(id, 'echo $(id -u) $(id -g) $(id -G) $HOME', { process: { user: { uid: 0, gid: 0, username }, ...more } })
      assert.strictEqual(await who('0'), '0 0 0 /root\n')
      assert.strictEqual(await who('nobody'), '65534 65534 65534 100 /home/nobody\n')
      assert.strictEqual(await who('nobody:daemon'), '65534 1 1 /home/nobody\n')
      assert.strictEqual(await who('1234'), '1234 0 0 /\n')
      assert.strictEqual(await who('1234:77'), '1234 77 77 /\n')
      assert.strictEqual(await who('daemon', { env: ['PATH=/bin', 'HOME=/elsewhere'] }), '1 1 1 /elsewhere\n')
      assert.strictEqual(await sh(id, 'id -G', { process: { user: { uid: 5, gid: 6, additionalGids: [7, 8] } } }), '6 7 8\n')
      assert.strictEqual(await sh(id, 'umask', { process: { user: { uid: 0, gid: 0, umask: 0o27 } } }), '0027\n')
      assert.strictEqual(await sh(id, 'pwd', { process: { cwd: '/tmp' } }), '/tmp\n')
      // What is asked of a user that is no root: no capability is in effect.
      assert.match(await sh(id, 'grep CapEff /proc/self/status', { process: { user: { uid: 1, gid: 1 }, capabilities: { bounding: USUAL } } }), /CapEff:\t0{16}/)
    })
    await guest.create('made', config(['/bin/pwd'], { process: { cwd: '/work/deep' } }))
    assert.strictEqual((await guest.run('made', 'init')).out, '/work/deep\n')
    await guest.delete('made')
  },

  async privileges () {
    await withContainer({}, async id => {
      const status = (field, process) => sh(id, `sed -n 's/^${field}:.//p' /proc/self/status`, { process })
      for (const set of ['CapPrm', 'CapEff', 'CapBnd']) assert.strictEqual(await status(set), '00000000a80425fb\n')
      for (const set of ['CapInh', 'CapAmb']) assert.strictEqual(await status(set), '0000000000000000\n')
      assert.strictEqual(await status('CapEff', { capabilities: capabilities(['CAP_CHOWN']) }), '0000000000000001\n')
      const ambient = { ...capabilities(['CAP_NET_RAW']), inheritable: ['CAP_NET_RAW'], ambient: ['CAP_NET_RAW'] }
      assert.strictEqual(await status('CapEff', { capabilities: ambient, user: { uid: 7, gid: 7 } }), '0000000000002000\n')
      assert.strictEqual(await status('NoNewPrivs'), '0\n')
      assert.strictEqual(await status('NoNewPrivs', { noNewPrivileges: true }), '1\n')
      assert.strictEqual(await status('SigBlk'), '0000000000000000\n')
      assert.match((await guest.run(id, 'grep', { args: ['grep', 'SigIgn', '/proc/self/status'] })).out, /0{16}/)
      const rlimits = [{ type: 'RLIMIT_NOFILE', soft: 321, hard: 654 }, { type: 'RLIMIT_CORE', soft: 0, hard: 0 }]
      assert.strictEqual(await sh(id, 'ulimit -n; ulimit -Hn; ulimit -c', { process: { rlimits } }), '321\n654\n0\n')
      assert.strictEqual(await sh(id, 'cat /proc/self/oom_score_adj', { process: { oomScoreAdj: 500 } }), '500\n')
      // Nothing of init is left in a process: three descriptors and the one that lists them.
      assert.strictEqual(await sh(id, 'ls /proc/self/fd | tr "\\n" " "'), '0 1 2 3 ')
      assert.strictEqual(await sh(id, 'ls /proc/1/fd | wc -l'), '3\n')
    })
  },

  async 'files-and-devices' () {
    const masked = ['/proc/interrupts', '/proc/iomem', '/sys/class', '/proc/not/there']
    const linux = {
      maskedPaths: masked,
      readonlyPaths: ['/proc/sys', '/proc/bus', '/proc/sysrq-trigger'],
      sysctl: { 'net.ipv4.ip_forward': '1', 'kernel.msgmax': '9000' },
      devices: [{ path: '/dev/fuse', type: 'c', major: 10, minor: 229, fileMode: 0o666, uid: 3, gid: 4 }]
    }
    const files = [{ name: 'hosts', content: bytes('127.0.0.1 here\n'), mode: 0o644 }]
    const mounts = [
      { destination: '/etc/hosts', type: 'bind', source: '/run/coracle/boat/files/hosts', options: ['bind', 'rprivate'] },
      { destination: '/scratch', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'noexec', 'size=1m', 'mode=700'] },
      { destination: '/ro-etc', type: 'bind', source: '/run/coracle/boat/files', options: ['rbind', 'ro'] }
    ]
    await withContainer({ linux, files, mounts }, async id => {
      assert.strictEqual(await sh(id, 'wc -c </proc/interrupts; ls /sys/class | wc -l; cat /proc/iomem'), '0\n0\n')
      assert.strictEqual(await sh(id, '(echo 0 >/proc/sys/net/ipv4/ip_forward) 2>/dev/null || echo refused'), 'refused\n')
      assert.strictEqual(await sh(id, 'cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax'), '1\n9000\n')
      assert.strictEqual(await sh(id, 'cat /etc/hosts'), '127.0.0.1 here\n')
      assert.strictEqual(await sh(id, 'touch /ro-etc/x 2>/dev/null || echo refused'), 'refused\n')
      assert.strictEqual(await sh(id, 'stat -c %a /scratch; grep -c "^tmpfs /scratch tmpfs .*nosuid.*noexec.*size=1024k" /proc/mounts'), '700\n1\n')
      assert.strictEqual(await sh(id, 'stat -c "%F %t:%T %a %u:%g" /dev/fuse'), 'character special file a:e5 666 3:4\n')
      for (const [device, numbers] of [['null', '1:3'], ['zero', '1:5'], ['full', '1:7'], ['random', '1:8'], ['urandom', '1:9'], ['tty', '5:0']]) {
        assert.strictEqual(await sh(id, `stat -c "%t:%T %a" /dev/${device}`), `${numbers} 666\n`)
      }
      assert.strictEqual(await sh(id, 'for l in fd stdin ptmx; do readlink /dev/$l; done | tr "\\n" " "'), '/proc/self/fd /proc/self/fd/0 pts/ptmx ')
      assert.match(await sh(id, 'df -k /dev/shm | tail -1; stat -c %a /dev/shm'), /shm +65536 .*\n1777\n/)
      assert.strictEqual(await sh(id, 'ls -A /dev | tr "\\n" " "'), 'fd full fuse mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero ')
      assert.match(await sh(id, 'ip addr show dev lo'), /<LOOPBACK,UP.*127\.0\.0\.1\/8.*::1\/128/s)
      // The machine's disks and its line to the host are not there.
      assert.strictEqual(await sh(id, 'ls /dev/vd* /dev/vport* 2>/dev/null | wc -l'), '0\n')
      // Writes go to the disk.
      assert.strictEqual(await sh(id, 'echo kept >/kept; cat /kept; grep " / " /proc/mounts | cut -d" " -f1,3'), 'kept\n/dev/vda ext4\n')
    })
  },

  async 'read-only-root' () {
    const document = config(SLEEP, { mounts: [{ destination: '/only/here/x', type: 'tmpfs', source: 'tmpfs', options: [] }] })
    document.root.readonly = true
    for (const options of [[], ['ro']]) {
      await guest.create('boat', document, { root: { source: 'disk:other', type: 'ext4', options } })
      await guest.start('boat', 'init')
      assert.strictEqual(await sh('boat', 'touch /x 2>/dev/null || echo refused; touch /only/here/x/y /dev/shm/z && echo fine'), 'refused\nfine\n')
      await guest.delete('boat')
    }
  },

  async seccomp () {
    // x86-64: mkdir (83) and mkdirat (258) give EPERM; everything else passes.
    const instruction = (op, jt, jf, k) => { const b = Buffer.alloc(8); b.writeUInt16LE(op, 0); b[2] = jt; b[3] = jf; b.writeUInt32LE(k, 4); return b }
    const filter = Buffer.concat([
      instruction(0x20, 0, 0, 0), instruction(0x15, 1, 0, 83), instruction(0x15, 0, 1, 258),
      instruction(0x06, 0, 0, 0x00050001), instruction(0x06, 0, 0, 0x7fff0000)])
    for (const noNewPrivileges of [false, true]) {
      await withContainer({ seccomp: filter, process: { noNewPrivileges } }, async id => {
        const denied = 'mkdir /made 2>&1; sed -n "s/^Seccomp:.//p" /proc/self/status'
        assert.match(await sh(id, denied), /Operation not permitted\n2\n/)
        assert.match(await sh(id, denied, { process: { noNewPrivileges: true, user: { uid: 9, gid: 9 } } }), /Operation not permitted\n2\n/)
      })
    }
  },

  async memory () {
    const hog = ['/bin/sh', '-c', 'exec tail /dev/zero']
    await withContainer({ linux: { resources: { memory: { limit: 24 << 20 }, pids: { limit: 20 }, cpu: { shares: 512, quota: 50000, period: 100000 } } } }, async id => {
      const statistics = await guest.call('GetStatistics', { container_id: id })
      assert.strictEqual(statistics.memory_limit_bytes, 24 << 20)
      assert.ok(statistics.memory_bytes > 0 && statistics.processes === 1 && statistics.oom_kills === 0)
      assert.ok(statistics.interfaces.some(i => i.name === 'lo'))
      const end = await guest.run(id, 'hog', { args: hog })
      assert.deepStrictEqual([end.code, end.signal, end.out_of_memory], [137, 9, true])
      assert.strictEqual((await guest.call('GetStatistics', { container_id: id })).oom_kills, 1)
      // A kill by hand is none by the kernel, though there was one before.
      const sleeper = await guest.start(id, 'sleeper', { args: SLEEP })
      await sleeper.signal(9)
      assert.strictEqual((await sleeper.exited).out_of_memory, false)
      // The limit of processes holds.
      const bomb = await guest.run(id, 'bomb', { args: ['sh', '-c', 'for i in $(seq 40); do sleep 5 & done 2>&1; kill $(jobs -p) 2>/dev/null; true'] })
      assert.match(bomb.out, /can't fork/)
      assert.strictEqual(await sh(id, 'cat /sys/fs/cgroup/cpu.max'), '50000 100000\n')
      assert.ok((await guest.call('GetStatistics', { container_id: id })).cpu_ns > 0)
    })
    await guest.create('boat', config(hog, { linux: { resources: { memory: { limit: 16 << 20 } } } }))
    assert.strictEqual((await guest.run('boat', 'init')).out_of_memory, true)
    await guest.delete('boat')
  },

  async 'a-reader-that-stops' () {
    const mounts = [{ destination: '/guest', type: 'bind', source: '/proc', options: ['rbind'] }]
    await withContainer({ mounts }, async id => {
      const rss = async () => Number(/VmRSS:\s+(\d+)/.exec(await sh(id, 'cat /guest/1/status'))[1])
      const before = await rss()
      const yes = await guest.start(id, 'yes', { args: ['yes'] })
      await yes.until(/y/)
      yes.stream.pause()
      // Until the pipe is full and the process stands, which its CPU time tells.
      const ticks = async () => (await sh(id, 'cut -d" " -f14,15 /proc/$(pidof yes)/stat')).trim()
      for (let last = ''; ;) {
        const now = await ticks()
        if (now === last) break
        last = now
        await new Promise(resolve => setTimeout(resolve, 300))
      }
      // Others go on, with all their output.
      assert.strictEqual((await guest.run(id, 'other', { args: ['head', '-c', '3000000', '/dev/zero'] })).out.length, 3000000)
      const after = await rss()
      assert.ok(after - before < 16384, `init grew from ${before} to ${after} KiB`)
      // A process that does not read holds back its writer alone.
      const deaf = await guest.start(id, 'deaf', { args: SLEEP, stdin: true })
      for (let i = 0; i < 64; i++) deaf.write(Buffer.alloc(500000))
      assert.strictEqual((await guest.run(id, 'cat', { args: ['cat'], stdin: true, input: 'x' })).out, 'x')
      assert.ok(await rss() - before < 16384)
      const had = yes.out.length
      yes.stream.resume()
      await new Promise(resolve => { const timer = setInterval(() => { if (yes.out.length > had + 3000000) { clearInterval(timer); resolve() } }, 20) })
      await yes.signal(9)
      assert.strictEqual((await yes.exited).signal, 9)
      assert.match(yes.out.toString(), /^(y\n)+$/)
    })
  },

  async reconnect () {
    await guest.create('boat', config(SLEEP))
    await guest.start('boat', 'init')
    const counter = await guest.start('boat', 'counter', { args: ['sh', '-c', 'while read line; do echo got $line; done'], stdin: true })
    counter.write('one\n')
    await counter.until(/got one/)
    const waiting = guest.call('WaitProcess', counter.ref).catch(error => error)
    // The call has arrived when a later one is answered.
    await guest.call('ListContainers')
    process.kill(Number(pid), 'SIGUSR1')
    assert.strictEqual((await counter.exited.catch(error => error)).code, code.UNAVAILABLE)
    assert.strictEqual((await waiting).code, code.UNAVAILABLE)
    const again = new Process(guest, 'boat', 'counter')
    await again.attach()
    again.write('two\n')
    await again.until(/got two/)
    again.closeInput()
    assert.strictEqual((await again.exited).code, 0)
    await guest.delete('boat')
  },

  async files () {
    const read = (container, path, limit = 0) => new Promise((resolve, reject) => {
      let data = Buffer.alloc(0)
      guest.agent.ReadFile({ container_id: container, path, limit }).on('data', chunk => { data = Buffer.concat([data, chunk.data]) })
        .on('end', () => resolve(data)).on('error', reject)
    })
    const write = (open, ...chunks) => new Promise((resolve, reject) => {
      const stream = guest.agent.WriteFile((error, response) => error ? reject(error) : resolve(response.size))
      if (open) stream.write({ open })
      for (const data of chunks) stream.write({ data })
      stream.end()
    })
    const refused = promise => promise.then(() => assert.fail('it succeeded'), error => error.code)
    await withContainer({ mounts: [{ destination: '/scratch', type: 'tmpfs', source: 'tmpfs', options: [] }] }, async id => {
      const big = Buffer.alloc(3000000, 'abc')
      assert.strictEqual(await write({ container_id: id, path: '/scratch/big', mode: 0o640, uid: 5, gid: 6 }, big.subarray(0, 2000000), big.subarray(2000000)), 3000000)
      assert.strictEqual(await sh(id, 'stat -c "%a %u:%g %s" /scratch/big; ls -A /scratch'), '640 5:6 3000000\nbig\n')
      assert.ok((await read(id, '/scratch/big')).equals(big))
      assert.strictEqual((await read(id, '/scratch/big', 4)).toString(), 'abca')
      // Links are followed inside the container and lead nowhere else.
      await sh(id, 'ln -s /etc/passwd /scratch/in; ln -s ../../../../../run/coracle /scratch/up; mkfifo /scratch/fifo; ln -s /proc/self/root /scratch/magic')
      assert.match((await read(id, '/scratch/in')).toString(), /^root:/)
      assert.strictEqual(await refused(read(id, '/scratch/up/boat/files')), code.NOT_FOUND)
      for (const path of ['/scratch/fifo', '/scratch', '/dev/zero']) assert.strictEqual(await refused(read(id, path)), code.INVALID_ARGUMENT)
      assert.strictEqual(await refused(read('nobody', '/x')), code.NOT_FOUND)
      assert.strictEqual(await refused(write({ container_id: id, path: '/no/where', mode: 0o600 }, bytes('x'))), code.NOT_FOUND)
      assert.strictEqual(await refused(write({ container_id: id, path: '/scratch/', mode: 0o600 }, bytes('x'))), code.INVALID_ARGUMENT)
      assert.strictEqual(await refused(write(null, bytes('x'))), code.INVALID_ARGUMENT)
      // A full file system is told as such, and leaves nothing behind.
      await guest.call('Mount', { target: '/run/coracle/small', filesystem: { source: 'tmpfs', type: 'tmpfs', options: ['size=64k'] } })
      assert.strictEqual(await refused(write({ path: '/coracle/small/x', mode: 0o600 }, Buffer.alloc(200000))), code.RESOURCE_EXHAUSTED)
      assert.strictEqual(await write({ path: '/coracle/small/y', mode: 0o600 }, bytes('tiny')), 4)
      assert.strictEqual((await read('', '/coracle/small/y')).toString(), 'tiny')
      await guest.call('Unmount', { target: '/run/coracle/small' })
      assert.strictEqual((await guest.refusal('Unmount', { target: '/run/coracle/small' })).code, code.NOT_FOUND)
      for (const target of ['/tmp', '/run/coracle', '/run/coracle/../x', 'x']) {
        assert.strictEqual((await guest.refusal('Mount', { target, filesystem: { source: 'tmpfs', type: 'tmpfs' } })).code, code.INVALID_ARGUMENT)
      }
    })
    // A disk mounted once for the guest and bound by a container; a container on a folder of the guest.
    await guest.call('Mount', { target: '/run/coracle/volumes/v', filesystem: { source: 'disk:other', type: 'ext4', options: ['ro'] } })
    const document = config(SLEEP, { mounts: [{ destination: '/volume', type: 'bind', source: '/run/coracle/volumes/v/etc', options: ['rbind'] }] })
    await guest.create('boat', document)
    await guest.start('boat', 'init')
    assert.match(await sh('boat', 'cat /volume/passwd'), /^root:/)
    await guest.delete('boat')
    document.root.path = '/run/coracle/volumes/v'
    document.root.readonly = true
    document.mounts = document.mounts.filter(m => m.destination !== '/volume')
    await guest.create('boat', document, { root: { source: '' } })
    await guest.start('boat', 'init')
    assert.match(await sh('boat', 'cat /etc/passwd'), /^root:/)
    await guest.delete('boat')
    await guest.call('Unmount', { target: '/run/coracle/volumes/v' })
  },

  async network () {
    const mac = '52:54:00:12:34:56'
    await withContainer({}, async id => {
      const set = more => guest.call('ConfigureNetwork', { interfaces: [{ mac, name: 'eth0', mtu: 1400, ...more }], routes: more.routes || [] })
      await set({ addresses: ['10.9.0.2/24', 'fd00:9::2/64'], routes: [{ destination: 'default', gateway: '10.9.0.1', interface: 'eth0' }, { destination: 'default', gateway: 'fd00:9::1', interface: 'eth0' }, { destination: '10.77.0.0/16', interface: 'eth0' }] })
      assert.match(await sh(id, 'ip addr show dev eth0'), /mtu 1400.*10\.9\.0\.2\/24.*fd00:9::2\/64/s)
      assert.match(await sh(id, 'ip route'), /default via 10\.9\.0\.1 dev eth0.*10\.77\.0\.0\/16 dev eth0/s)
      assert.match(await sh(id, 'ip -6 route'), /default via fd00:9::1 dev eth0/)
      // A second call replaces; the device is found by its own address though it has another.
      await set({ addresses: ['10.8.0.3/24'], new_mac: '52:54:00:00:00:09', name: 'net0' })
      await set({ addresses: ['10.8.0.4/24'], name: 'net0' })
      const now = await sh(id, 'ip addr show dev net0; ip route')
      assert.match(now, /52:54:00:00:00:09.*10\.8\.0\.4/s)
      assert.doesNotMatch(now, /10\.9\.|10\.77\.|10\.8\.0\.3|default/)
      assert.ok((await guest.call('GetStatistics', { container_id: id })).interfaces.some(i => i.name === 'net0'))
      for (const [request, expected] of [
        [{ interfaces: [{ mac: '52:54:00:ff:ff:ff', name: 'x' }] }, code.NOT_FOUND],
        [{ interfaces: [{ mac: 'nonsense' }] }, code.INVALID_ARGUMENT],
        [{ interfaces: [{ mac, addresses: ['10.0.0.300/24'] }] }, code.INVALID_ARGUMENT],
        [{ interfaces: [{ mac, name: 'a-name-that-is-too-long' }] }, code.INVALID_ARGUMENT],
        [{ routes: [{ destination: 'default' }] }, code.INVALID_ARGUMENT],
        [{ routes: [{ destination: '10.0.0.0/8', gateway: 'fd00::1' }] }, code.INVALID_ARGUMENT],
        [{ routes: [{ destination: 'default', gateway: '10.8.0.1', interface: 'none' }] }, code.NOT_FOUND]]) {
        assert.strictEqual((await guest.refusal('ConfigureNetwork', request)).code, expected)
      }
    })
  },

  // A container's root can do nothing to init, nor to the machine.
  async hostile () {
    await withContainer({}, async id => {
      assert.strictEqual(await sh(id, 'ps -o args | grep -c [c]oracle-init || true'), '0\n')
      assert.strictEqual(await sh(id, 'mount -t tmpfs x /mnt 2>/dev/null || echo refused'), 'refused\n')
      assert.strictEqual(await sh(id, 'for node in "b 254 0" "b 253 0" "c 1 1" "c 1 11"; do mknod /dev/x $node; (head -c 1 </dev/x) 2>/dev/null && echo read; rm /dev/x; done; echo refused'), 'refused\n')
      assert.strictEqual(await sh(id, 'reboot -f 2>/dev/null || echo refused'), 'refused\n')
      const victim = await guest.start(id, 'victim', { args: SLEEP })
      assert.strictEqual(await sh(id, 'kill -9 -1; echo $?'), '0\n')
      assert.strictEqual((await victim.exited).signal, 9)
    })
    // Paths of an image that lead elsewhere are resolved inside.
    await withContainer({ disk: 'other' }, id => sh(id, 'rm -rf /mnt; ln -s ../../../../run /escape; ln -s /proc/self/root/run /magic; mkdir -p /run'))
    await guest.create('boat', config(SLEEP, { mounts: [{ destination: '/escape/coracle/in', type: 'tmpfs', source: 'tmpfs', options: [] }] }), { disk: 'other' })
    await guest.start('boat', 'init')
    assert.strictEqual(await sh('boat', 'grep -c " /run/coracle/in " /proc/mounts'), '1\n')
    await guest.delete('boat')
    const ids = fs.existsSync(socket) && (await guest.call('ListContainers')).containers
    assert.deepStrictEqual(ids, [])
  },

  // Everything that can go wrong, many times; then init has the descriptors, children and mounts that it had before.
  async 'nothing-leaks' () {
    const mounts = [{ destination: '/guest', type: 'bind', source: '/proc', options: ['rbind'] }]
    await withContainer({ id: 'watch', mounts }, async watch => {
      // Descriptors (once init has heard of this very process), mounts, dead that nobody buries.
      const state = () => sh(watch, 'sleep 0.5; ls /guest/1/fd | wc -l; wc -l </guest/1/mounts; grep -l "State:.Z" /guest/[0-9]*/status | wc -l')
      // What is in a race with its own beginning may fail or not; what counts is what it leaves.
      const any = promise => promise.catch(() => {})
      const storm = async () => {
        const document = config(SLEEP)
        const calls = []
        await guest.create('boat', document)
        await guest.start('boat', 'init')
        for (let i = 0; i < 20; i++) {
          calls.push(guest.run('boat', `ok${i}`, { args: ['true'], stdin: i % 2 === 0, input: 'x' }))
          calls.push(any(guest.run('boat', `bad${i}`, { args: ['no-such-thing'] })))
          calls.push(any(guest.run('boat', `tty${i}`, { args: ['sh', '-c', 'exit 3'], process: { terminal: true } })))
          calls.push(any(guest.call('CreateProcess', { container_id: 'boat', process_id: `gone${i}`, process_json: json(processObject(['true'])) }, 1 + i)))
          calls.push(any(guest.call('WaitProcess', { container_id: 'boat', process_id: 'init' }, 50)))
          calls.push(any(guest.create('broken', config(SLEEP, { mounts: [{ destination: '/x', type: 'none-such', source: 'x', options: [] }] }), { disk: 'none' })))
          const stream = guest.agent.WriteFile(() => {})
          stream.write({ open: { container_id: 'boat', path: '/half-written', mode: 0o600 } })
          setTimeout(() => stream.cancel(), i)
          const reading = guest.agent.ReadFile({ container_id: 'boat', path: '/bin/busybox' })
          reading.on('error', () => {})
          setTimeout(() => reading.cancel(), i)
        }
        await Promise.all(calls)
        assert.strictEqual(await sh('boat', 'ls -A / | grep -c coracle || true'), '0\n')
        await guest.start('boat', 'left', { args: SLEEP, stdin: true })
        process.kill(Number(pid), 'SIGUSR1')
        await any(guest.call('Sync'))
        for (;;) if (await guest.call('Sync').then(() => true, () => false)) break
        // The first process's end takes those along that stand before their execve.
        await guest.delete('boat')
      }
      await storm()
      const before = await state()
      await storm()
      await storm()
      assert.strictEqual(await state(), before)
    })
  },

  async 'leave-one-running' () {
    await guest.create('boat', config(['/bin/sh', '-c', 'while :; do echo x >>/written; done']))
    await guest.start('boat', 'init')
    await guest.call('Sync')
  },

  async 'shut-down' () {
    const script = 'trap "sleep 0.3; echo goodbye >/goodbye; exit" TERM; echo ready; while :; do sleep 0.1; done'
    for (const [id, disk] of [['one', 'root'], ['two', 'other']]) {
      await guest.create(id, config(['/bin/sh', '-c', script]), { disk })
      await (await guest.start(id, 'init')).until(/ready/)
    }
    await guest.call('Shutdown', { grace_ms: 30000 })
  },

  async listing () {
    await withContainer({}, async id => {
      await guest.start(id, 'shell', { args: ['sh', '-c', 'sleep 500 & wait'] })
      await listed(id, 'sleep 500')
      const { processes } = await guest.call('ListProcesses', { container_id: id })
      const shell = processes.find(p => p.process_id === 'shell')
      const child = processes.find(p => p.parent === shell.pid)
      assert.deepStrictEqual([child.process_id, child.command], ['', 'sleep 500'])
      assert.strictEqual(processes.find(p => p.process_id === 'init').command, '/bin/sleep 1000')
      assert.deepStrictEqual((await guest.call('ListContainers')).containers, [{ container_id: id, processes: 2 }])
    })
  }
}

if (name === '--list') {
  console.log(Object.keys(scenarios).join('\n'))
  guest.close()
} else {
  // What an earlier story left when it failed is no business of this one.
  const begin = async () => {
    for (const { container_id: id } of (await guest.call('ListContainers')).containers) await guest.delete(id)
  }
  begin().then(scenarios[name]).then(() => process.exit(0), error => {
    console.error(error)
    process.exit(1)
  })
}
