// SPDX-License-Identifier: Apache-2.0
// Standard streams and terminals.
const assert = require('assert')
const { Process, config } = require('./agent.js')
const { guest, SLEEP, withContainer, sh, listed } = require('./story.js')

module.exports = {
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
  }
}
