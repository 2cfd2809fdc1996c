// Writes and reads a row through REST and hears of it through Realtime, as a browser would.
// Prints one JSON object. SUPABASE_URL, SUPABASE_KEY and SUPABASE_TOKEN come from the environment.

import { createClient } from '@supabase/supabase-js'
import ws from 'ws'

const { SUPABASE_URL, SUPABASE_KEY, SUPABASE_TOKEN } = process.env
const DEADLINE_MS = 15_000

const client = createClient(SUPABASE_URL, SUPABASE_KEY, {
  accessToken: async () => SUPABASE_TOKEN,
  realtime: { transport: ws },
})

function within(promise, what) {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took too long`)), DEADLINE_MS)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

// Resolves with the first state that is final, and the client's error message if there is one.
function joined(channel) {
  return new Promise((resolve) => {
    channel.subscribe((state, error) => resolve({ state, error: error?.message ?? null }))
  })
}

const changes = []
let heardBoth
const both = new Promise((resolve) => (heardBoth = resolve))
let subscriptionExists
const subscribed = new Promise((resolve) => (subscriptionExists = resolve))

const prices = client
  .channel('prices')
  .on('postgres_changes', { event: 'INSERT', schema: 'public', table: 'tick' }, (change) => {
    changes.push(change)
    if (changes.length === 2) heardBoth()
  })
  .on(
    'postgres_changes',
    { event: '*', schema: 'public', table: 'tick', filter: 'symbol=eq.BTC' },
    (change) => {
      changes.push(change)
      if (changes.length === 2) heardBoth()
    },
  )
  .on('system', {}, (payload) => {
    if (payload.status === 'ok') subscriptionExists(payload.message)
  })

// Without this the first join may leave before the client has asked for its token.
await client.realtime.setAuth()
const join = await within(joined(prices), 'joining')
const system = await within(subscribed, 'subscribing')

const inserted = await client
  .from('tick')
  .insert({ id: 1, symbol: 'BTC', price: '64000.5' })
  .select('id, price::text')
  .single()
const selected = await client.from('tick').select('symbol').eq('id', 1)
const hidden = await client.from('vault').select('*')

await within(both, 'hearing of the insert')

const members = client.channel('members').on('presence', { event: 'sync' }, () => {})
const presence = await within(joined(members), 'the refusal')

const left = await within(client.removeChannel(prices), 'leaving')
await client.removeAllChannels()

console.log(
  JSON.stringify({
    join,
    system,
    inserted: inserted.data,
    selected: selected.data,
    hidden: hidden.error?.code ?? null,
    changes: changes.map(({ eventType, table, new: row, old, errors }) => ({
      eventType,
      table,
      row,
      old,
      errors,
    })),
    presence,
    left,
  }),
)
client.realtime.disconnect()
process.exit(0)
