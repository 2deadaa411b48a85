// SPDX-License-Identifier: Apache-2.0
// containers.js SOCKET PID STORY: one story with containers in a real guest; fails by an assertion. PID is boot-guest's. With --list for
// STORY it tells which there are.
const { guest } = require('./story.js')

const stories = Object.assign({}, ...['life', 'streams', 'limits', 'calls'].map(name => require(`./stories_${name}.js`)))
const name = process.argv[4]

async function tell () {
  // What an earlier story left when it failed is no business of this one.
  for (const { container_id: id } of (await guest.call('ListContainers')).containers) await guest.delete(id)
  await stories[name]()
}

if (name === '--list') {
  console.log(Object.keys(stories).join('\n'))
  guest.close()
} else {
  tell().then(() => process.exit(0), error => {
    console.error(error)
    process.exit(1)
  })
}
