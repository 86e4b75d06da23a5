// Keeps a table of NIC records in a JSON file, from Patchbay's log alone.
//
//     npm install amqplib
//     node nics.mjs amqp://user:password@broker:5672/ nics.json
//
// The file holds the table, the age of each vCenter's facts, and the offset to go on at. Table and offset are saved
// together, so that a crash at any moment repeats events or none, and never skips one.

import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import amqp from 'amqplib';

const LOG = 'patchbay.log'; // the stream of all events
const KEEP_IDS = 2000; // a publisher that lost a confirmation repeats some hundred events at most

const [url, path, begin = 'first'] = process.argv.slice(2);
if (!path) {
  console.error('usage: node nics.mjs AMQP_URL TABLE.json [first|next|2026-01-31T12:00:00Z]');
  process.exit(2);
}

const state = { offset: null, seen: [], nics: {}, vcenters: {} };
if (existsSync(path)) Object.assign(state, JSON.parse(readFileSync(path, 'utf8')));
const seen = new Set(state.seen);

// Where to read from: behind what is saved, or where we were told to begin.
function start() {
  if (state.offset !== null) return state.offset + 1;
  if (begin === 'first' || begin === 'next') return begin;
  return { '!': 'timestamp', value: Math.floor(Date.parse(begin) / 1000) };
}

// Apply one entry of the stream.
function take(offset, routingKey, body) {
  if (state.offset !== null && offset <= state.offset) return; // the broker starts with a whole chunk: these we have
  if (state.offset !== null && offset > state.offset + 1) {
    // Offsets have no gaps: one means that we were away for longer than the log is kept.
    console.error(`the log begins at ${offset}, we have it up to ${state.offset}: begin with a new table`);
    process.exit(1);
  }
  state.offset = offset;
  // By routing key: the broker lets nobody but Patchbay publish under these, whatever a body may claim.
  // Marks (AMQP type patchbay.log.end), which are no events, have another one.
  if (!/^(nic|vcenter)\./.test(routingKey)) return;
  const event = JSON.parse(body.toString('utf8'));
  if (seen.has(event.id) || 'replayed' in event) return; // said twice, or played again: the first time is what counts
  seen.add(event.id);
  if (seen.size > KEEP_IDS) seen.delete(seen.values().next().value);
  if (routingKey.startsWith('nic.')) takeNic(event);
  else takeVcenter(event);
}

// Each event carries the whole record, and the log is in order: the last one is right.
function takeNic({ type, data: { nic } }) {
  if (type === 'nic.released') delete state.nics[nic.id];
  else if (type === 'nic.created' || type === 'nic.updated') state.nics[nic.id] = nic;
}

// How old is what we know? Lost means: as old as the last heartbeat said. It takes nothing back.
function takeVcenter({ type, data }) {
  const known = (state.vcenters[data.vcenter] ??= { order: [0, 0], current_to: null });
  const [epoch, sequence] = known.order;
  if (data.epoch < epoch || (data.epoch === epoch && data.sequence <= sequence)) return;
  Object.assign(known, { order: [data.epoch, data.sequence], name: data.name, lost: type === 'vcenter.lost' });
  if (type === 'vcenter.heartbeat') known.current_to = data.current_to;
}

// All or nothing: into a new file, which then takes the old one's place.
function save() {
  state.seen = [...seen];
  writeFileSync(`${path}.new`, JSON.stringify(state, null, 1), { flush: true });
  renameSync(`${path}.new`, path);
}

// Read from where the table ends, until the connection is lost.
async function follow() {
  const connection = await amqp.connect(url, { timeout: 10000 });
  const lost = new Promise((resolve) => {
    connection.on('error', () => {}); // 'close' follows
    connection.on('close', resolve);
  });
  const channel = await connection.createChannel();
  channel.on('error', () => {}); // 'close' follows
  channel.on('close', () => connection.close().catch(() => {}));
  await channel.prefetch(500); // a stream wants a limit, and acknowledgements
  let newest = null;
  const settle = () => {
    if (newest === null) return;
    save();
    channel.ack(newest, true);
    newest = null;
  };
  const deliver = (message) => {
    if (message === null) return void channel.close().catch(() => {}); // the broker took the queue away
    take(Number(message.properties.headers['x-stream-offset']), message.fields.routingKey, message.content);
    if (newest === null) setImmediate(settle); // after all that arrived with it
    newest = message;
  };
  await channel.consume(LOG, deliver, { arguments: { 'x-stream-offset': start() } });
  console.error(`reading ${LOG} from ${JSON.stringify(start())}`);
  await lost;
}

for (let pause = 500; ; pause = Math.min(pause * 2, 5000)) {
  try {
    await follow();
    pause = 250;
  } catch (error) {
    console.error(`no connection: ${error.message}`);
  }
  await sleep(pause);
}
