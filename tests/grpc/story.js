// SPDX-License-Identifier: Apache-2.0
// What stories in a guest share. The client's socket and boot-guest's process id come as arguments, see containers.js.
const assert = require('assert')
const { Guest, config, grpc } = require('./agent.js')

const [socket, pid] = process.argv.slice(2)
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

// The host goes away in the middle of a frame and comes back.
const reconnect = () => process.kill(Number(pid), 'SIGUSR1')

module.exports = { guest, SLEEP, code, withContainer, sh, listed, bytes, json, reconnect }
