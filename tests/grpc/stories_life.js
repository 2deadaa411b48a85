// SPDX-License-Identifier: Apache-2.0
// Containers and their processes from beginning to end.
const assert = require('assert')
const { Process, config, processObject } = require('./agent.js')
const { guest, SLEEP, code, withContainer, sh, listed, json, reconnect } = require('./story.js')

module.exports = {
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
    reconnect()
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
        reconnect()
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
    await guest.create('boat', config(['/bin/sh', '-c', 'echo x >/written; echo ready; while :; do echo x >>/written; done']))
    await (await guest.start('boat', 'init')).until(/ready/)
  },

  async 'shut-down' () {
    const script = 'trap "sleep 0.3; echo goodbye >/goodbye; exit" TERM; echo ready; while :; do sleep 0.1; done'
    for (const [id, disk] of [['one', 'root'], ['two', 'other']]) {
      await guest.create(id, config(['/bin/sh', '-c', script]), { disk })
      await (await guest.start(id, 'init')).until(/ready/)
    }
    await guest.call('Shutdown', { grace_ms: 30000 })
  }
}
